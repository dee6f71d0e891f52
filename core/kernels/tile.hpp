// A correlation's results in tiles of rows × vectors, from lines of its input. tile.cpp has the loops, compiled once
// for all kernels that end in them.
#pragma once
#include "kernels/simd.hpp"

namespace convolens::CONVOLENS_ISA {

// `height` rows of `width` weights each, applied to lines[row], lines[row + 1], … The imaginary parts, where there are
// any, lie `imaginary` further on.
template <class T> struct Group {
    const T *const *lines;
    const T *weights;
    int64_t height, width;
};

template <class T> struct Groups {
    const Group<T> *at;
    int64_t count, imaginary;
};

template <class T> inline Vector<T> swap_pairs(Vector<T> v) {
    Vector<T> swapped;
    for (int i = 0; i < lanes<T>; ++i)
        swapped[i] = v[i ^ 1];
    return swapped;
}

// (a + bi)(x + yi) from a·(x, y) and b·(x, y): the second, swapped and its first half negated, is added to the first.
template <class T> inline Vector<T> complex_sum(Vector<T> by_real, Vector<T> by_imaginary) {
    Vector<T> sign;
    for (int i = 0; i < lanes<T>; ++i)
        sign[i] = i & 1 ? T(1) : T(-1);
    return by_real + sign * swap_pairs<T>(by_imaginary);
}

// How many rows and vectors fill the registers: sums, one line's vectors and five weights must fit.
template <int P> constexpr int tile_rows = 4 / P;
constexpr int tile_vectors = vector_bytes == 64 ? 4 : 2;
template <class T> constexpr int64_t tile_width = tile_vectors * lanes<T>;

// `rows` × `width` results to out. May read and write only where it must if `exact`: then width is a vector or more,
// and the last vector of a line overlaps its neighbour; otherwise lines may be read up to tile_width beyond their end.
template <class T, int P>
void tiles(Groups<T> groups, int64_t step, int64_t rows, int64_t width, T *out, int64_t pitch, bool exact);

} // namespace convolens::CONVOLENS_ISA
