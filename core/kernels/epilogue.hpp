// What follows a convolution's sums before they are stored: y = max(sum + bias + residual, 0).
#pragma once
#include "jobs/layers.hpp"
#include "kernels/simd.hpp"

namespace convolens::CONVOLENS_ISA {

// One vector of filters, of which `count` lanes are stored, to y and from the residual `at` one place. The bias is in
// the sum already.
inline void store_output(const Epilogue &epilogue, Floats sum, float *y, int64_t at, int64_t count) {
    if (epilogue.residual)
        sum += load_some(epilogue.residual + at, count);
    if (epilogue.relu)
        sum = sum < Floats{} ? Floats{} : sum;
    store_some(y + at, sum, count);
}

} // namespace convolens::CONVOLENS_ISA
