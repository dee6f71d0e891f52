// One row of function pointers for this instruction set.
#include "../kernels.hpp"
#include "../simd.hpp"

#define CONVOLENS_TEXT_(x) #x
#define CONVOLENS_TEXT(x) CONVOLENS_TEXT_(x)

namespace convolens::CONVOLENS_ISA {

void gradient(const GradientJob &);
void direct(const DirectJob &);
void sparse(const SparseJob &);
void separable(const SeparableJob &);
void outer(const OuterJob &);
int64_t spectrum_scalars(const BlockShape &);
void spectrum(const SpectrumJob &);
void blocks(const BlocksJob &);
void resample(const ResampleJob &);
int64_t winograd_weights_size(int64_t, int64_t, int);
void winograd_weights(const Weights &, int, float *);
void winograd(const WinogradJob &);
void winograd_gradient(const WinogradGradientJob &);
int64_t patches_weights_size(const Weights &);
void patches_weights(const Weights &, float *);
void patches(const PatchesJob &);
int64_t depthwise_weights_size(const Weights &);
void depthwise_weights(const Weights &, float *);
void depthwise(const PatchesJob &);
void pool(const PoolJob &);
void pool_gradient(const PoolGradientJob &);
void average(const AverageJob &);
void average_gradient(const AverageGradientJob &);
void signs(const float *, uint8_t *, int64_t);
void gate(float *, const uint8_t *, int64_t);
uint64_t fingerprint(const void *, int64_t);

extern const Kernels table;
const Kernels table{
    CONVOLENS_TEXT(CONVOLENS_ISA),
    vector_bytes,
    gradient,
    direct,
    sparse,
    separable,
    outer,
    spectrum_scalars,
    spectrum,
    blocks,
    resample,
    winograd_weights_size,
    winograd_weights,
    winograd,
    winograd_gradient,
    patches_weights_size,
    patches_weights,
    patches,
    depthwise_weights_size,
    depthwise_weights,
    depthwise,
    pool,
    pool_gradient,
    average,
    average_gradient,
    signs,
    gate,
    fingerprint,
};

} // namespace convolens::CONVOLENS_ISA
