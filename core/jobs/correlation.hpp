// A correlation, reduced to what the kernels need to know.
//
//   out[i] = Σ_k kernel[k] · X[map₀[i₀ + k₀], map₁[i₁ + k₁], …]          map entry -1: the fill value
//
// Axes are reduced first: those of one position vanish; trailing ones that the kernel does not reach along (the
// channels of a picture or a recording, the two parts of a complex number) become a `block` that moves as one, so that
// the innermost loop runs over long contiguous lines whatever axis is convolved.
#pragma once
#include "jobs/scalar.hpp"

#include <cstdint>

namespace convolens {

constexpr int max_axes = 8;

struct Axis {
    int64_t size, kernel_size;    // outputs and kernel entries along it
    const int64_t *map;           // size + kernel_size - 1 entries
    int64_t run_begin, run_end;   // the longest stretch in which map[p] - p is constant and nothing is filled
    int64_t x_stride, out_stride; // in scalars
    int source;                   // which axis of the arrays this was
};

struct Block {
    int64_t size, x_stride, out_stride; // in scalars; a complex number is two
};

struct Correlation {
    const void *x;
    void *out;
    Scalar from, in, to; // x's scalars, those that are summed (f32, f64 or i64), out's
    int parts;           // 1 real, 2 complex
    Axis axes[max_axes];
    int count; // of axes, at least 1; the last is the line
    Block block;
    double fill[2];
    int64_t integer_fill;
};

// The kernel's entries in the scalars that are summed, C order; for complex all real parts, then all imaginary ones.
struct DirectJob {
    Correlation correlation;
    const void *weights;
};

// out[i] = Σ_t weights[t] · X[…map_d[i_d + offsets[t, d]]…]; offsets is (nonzeros, ndim), in the arrays' axes.
struct SparseJob {
    Correlation correlation;
    const void *weights;
    const int64_t *offsets;
    int64_t nonzeros;
    int ndim;
};

// kernel = Σ_q first[q] ⊗ second[q]: `first` (rank, weights along the row axis), `second` (rank, weights along the
// line).
struct SeparableJob {
    Correlation correlation;
    const void *first, *second;
    int64_t rank;
    int row_source; // the row axis: the one of the correlation's axes, not the last, with this source
};

constexpr int64_t max_rank = 16;

// out[i] = x[i] · weights[i]; steps are in scalars, 0 where an array has one entry along the axis.
struct OuterAxis {
    int64_t size, x, weights, out;
};

struct OuterJob {
    const void *x, *weights;
    void *out;
    Scalar scalar; // f32, f64 or i64, of all three
    int parts, count;
    OuterAxis axes[max_axes];
};

} // namespace convolens
