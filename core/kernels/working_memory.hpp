// A thread's scratch as numbers of any type.
#pragma once
#include "kernels/simd.hpp"
#include "runtime/scratch.hpp"

namespace convolens::CONVOLENS_ISA {

template <class T> T *working_memory(Scratch which, int64_t count) {
    return reinterpret_cast<T *>(scratch(which, ceil_div(count * int64_t(sizeof(T)), sizeof(float))));
}

} // namespace convolens::CONVOLENS_ISA
