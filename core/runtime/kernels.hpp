// The table of kernels: plain functions on pointers, sizes and strides, one implementation for each instruction set.
#pragma once
#include "jobs/blocks.hpp"
#include "jobs/correlation.hpp"
#include "jobs/layers.hpp"
#include "jobs/resample.hpp"
#include "jobs/sobel.hpp"
#include "jobs/stream.hpp"

#include <cstdint>

namespace convolens {

// What convolves by products of bfloat16, where a processor has them (bfloat16/products.cpp). `parts` is how many a
// number is cut into: 1 or 2.
struct BFloat16Kernels {
    int64_t (*weights_size)(const Weights &weights, int parts); // in bfloat16
    void (*pack_weights)(const Weights &weights, int parts, uint16_t *packed);
    void (*convolve)(const ConvJob &job, int parts); // `packed` are weights that pack_weights made
};

// What convolves in 8-bit integers (kernels/int8.cpp): in two forms, as a processor multiplies bytes (VNNI) or not.
struct Int8Kernels {
    int64_t (*weights_size)(const Weights &weights); // in floats
    void (*pack_weights)(const Weights &weights, float *packed);
    void (*convolve)(const Int8Job &job);
    void (*pool)(const PoolJob &job); // of maps of levels, without argmax
    int level_bytes;
};

struct Kernels {
    const char *name; // of the instruction set
    int vector_bytes;
    const BFloat16Kernels *bfloat16; // null where there are none
    const Int8Kernels *int8;
#define KERNEL(result, name, arguments) result(*name) arguments;
#include "runtime/kernels.def"
#undef KERNEL
};

const Kernels &kernels();                   // the set in use
const char *instruction_sets();             // comma-separated names of those this machine can run
bool use_instruction_set(const char *name); // false if the machine cannot run it

} // namespace convolens
