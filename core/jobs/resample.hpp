// Separable weighted means: what a blur, a decimation and an enlargement have in common.
#pragma once
#include "jobs/scalar.hpp"

#include <cstdint>

namespace convolens {

// One axis. Output i is Σ_k weights[phase[i]][k] · padded[first[i] + k], where padded[p] is source[map[p]], or 0 where
// map[p] is -1. `first` never decreases.
struct Windows {
    const int64_t *map, *first, *phase;
    const void *weights; // phases × length, float64 for float64 pictures, else float32
    int64_t padded, outputs, phases, length;
};

// `image` is rows × columns × channels with a free row stride, rows contiguous; `out` is contiguous,
// down.outputs × across.outputs × channels. Integers are rounded and clipped. float64 goes only with float64.
struct ResampleJob {
    const void *image;
    Scalar from, to;                             // u8, u16, f32 or f64
    int64_t rows, columns, channels, row_stride; // stride in elements
    Windows down, across;
    void *out;
};

} // namespace convolens
