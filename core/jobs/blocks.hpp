// Correlation by transforms of overlapping blocks (overlap-save), reduced to what the kernels need to know.
//
// A block is transformed as a matrix, or a stack of matrices. Its last two axes are `rows` and `columns`; a line (one
// convolved axis) is folded into a matrix too, whose transform then multiplies each element by a root between the two.
// Real blocks go two at a time, as real and imaginary part of one complex block: the weights being real, the parts
// stay apart. The spectrum's order is whatever the passes leave, as only products of spectra are taken.
#pragma once
#include "jobs/correlation.hpp"

namespace convolens {

constexpr int max_passes = 24;

// One transform length as in-place passes; the forward ones go through them in order, the inverse ones back.
template <class T> struct Length {
    int64_t n;
    int passes;
    int radix[max_passes];
    const T *twiddles[max_passes]; // of a pass: for each place but the first radix, radix - 1 roots (cosine, -sine)
};

struct BlockShape {
    Scalar in;                     // f32 or f64
    int axes;                      // of the stack of matrices, at least 2
    const void *lengths[max_axes]; // Length<T>, the last two of rows and columns
    const void *twiddles;          // for a line: the roots between rows and columns, in the spectrum's layout
};

// `weights` lie along `axes` axes, `kernel_shape` of them (C order; complex: all real parts, then all imaginary ones).
struct SpectrumJob {
    BlockShape shape;
    const void *weights;
    int parts, axes;
    int64_t kernel_shape[max_axes];
    void *spectrum; // spectrum_scalars of them
};

// The correlation's axes are ordered: first those that are not convolved, then the `convolved` ones.
struct BlocksJob {
    Correlation correlation;
    int convolved;
    BlockShape shape;
    const void *spectrum;
    int64_t tasks;
    uint8_t *contaminated; // for each task: whether a NaN or infinity reached any output of its blocks
};

} // namespace convolens
