// Sobel's filter and its relatives, reduced to what the kernel needs to know.
#pragma once
#include "jobs/scalar.hpp"

#include <cstdint>

namespace convolens {

// A pair of 3×3 filters: gx = [-1 0 1] across, (side, middle, side) down; gy the same transposed.
// `image` is rows × columns × channels with a free row stride; a row of it is contiguous.
// row_map has rows + 2 entries, column_map columns + 2: where the padded position comes from, -1 for `fill`.
struct SobelJob {
    const void *image;
    Scalar scalar;                               // u8, u16, f32 or f64
    int64_t rows, columns, channels, row_stride; // stride in elements
    const int64_t *row_map, *column_map;
    double fill, side, middle;
    void *magnitude; // float64 for float64 images, else float32; null where gx and gy are wanted
    void *gx, *gy;   // contiguous
};

} // namespace convolens
