// The table of kernels: plain functions on pointers, sizes and strides, one implementation per instruction set.
//
// Adding a kernel: write kernels/NAME.cpp, declare its job and its row here, bind it in bindings.cpp.
#pragma once
#include "layers.hpp"

#include <cstdint>

namespace convolens {

enum class Dtype { u8, u16, f32, f64 };

// A 3×3 gradient filter pair: gx = [-1 0 1] across, (side, middle, side) down; gy the same turned.
// `image` is rows × columns × channels with a free row stride; a row of it is contiguous.
// row_map has rows + 2 entries, column_map columns + 2: where the padded position comes from, -1 for `fill`.
struct GradientJob {
    const void *image;
    Dtype dtype;
    int64_t rows, columns, channels, row_stride; // stride in elements
    const int64_t *row_map, *column_map;
    double fill, side, middle;
    void *magnitude; // float64 for float64 images, else float32; null where gx and gy are wanted
    void *gx, *gy;   // contiguous
};

struct DirectJob; // correlation.hpp
struct SparseJob;
struct SeparableJob;
struct OuterJob;
struct BlockShape; // blocks.hpp
struct SpectrumJob;
struct BlocksJob;
struct ResampleJob; // resample.hpp

struct Kernels {
    const char *name;
    int vector_bytes;
    void (*gradient)(const GradientJob &);
    void (*direct)(const DirectJob &);
    void (*sparse)(const SparseJob &);
    void (*separable)(const SeparableJob &);
    void (*outer)(const OuterJob &);
    int64_t (*spectrum_scalars)(const BlockShape &);
    void (*spectrum)(const SpectrumJob &);
    void (*blocks)(const BlocksJob &);
    void (*resample)(const ResampleJob &);
    int64_t (*winograd_weights_size)(int64_t filters, int64_t channels, int tile);
    void (*winograd_weights)(const Weights &, int tile, float *transformed);
    void (*winograd)(const WinogradJob &);
    void (*winograd_gradient)(const WinogradGradientJob &);
    int64_t (*patches_weights_size)(const Weights &);
    void (*patches_weights)(const Weights &, float *packed);
    void (*patches)(const PatchesJob &);
    int64_t (*depthwise_weights_size)(const Weights &);
    void (*depthwise_weights)(const Weights &, float *packed);
    void (*depthwise)(const PatchesJob &);
    void (*pool)(const PoolJob &);
    void (*pool_gradient)(const PoolGradientJob &);
    void (*average)(const AverageJob &);
    void (*average_gradient)(const AverageGradientJob &);
    void (*signs)(const float *y, uint8_t *signs, int64_t count);
    void (*gate)(float *g, const uint8_t *signs, int64_t count);
    uint64_t (*fingerprint)(const void *data, int64_t words);
};

const Kernels &kernels();                   // the set in use
const char *instruction_sets();             // comma-separated names of those this machine can run
bool use_instruction_set(const char *name); // false if the machine cannot run it

} // namespace convolens
