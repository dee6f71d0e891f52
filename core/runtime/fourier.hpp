// Tables for transforms: lengths as passes with their roots of unity, made once and kept.
#pragma once
#include "jobs/blocks.hpp"

#include <memory>

namespace convolens {

// The passes for n, a product of twos, threes and fives.
template <class T> const Length<T> &length_of(int64_t n);

// What a line's elements are multiplied by between the transforms of its rows × columns: the root w^(f·c), where f is
// the frequency that row r holds after its pass, as [rows / lanes][columns][cosines, -sines][lanes].
template <class T> std::shared_ptr<const T> line_twiddles(int64_t rows, int64_t columns, int64_t lanes);

// By what the elements of two real blocks are turned to be one complex block: the cosines and sines of π j / (2 n), n
// of each; see kernels/stream.cpp.
template <class T> std::shared_ptr<const T> right_angle(int64_t n);

} // namespace convolens
