// What follows a convolution's sums before they are stored: y = max(scale · sum + bias + residual, 0).
#pragma once
#include "jobs/layers.hpp"
#include "kernels/simd.hpp"

namespace convolens::CONVOLENS_ISA {

// The scales of one vector of filters from `filter` on, of which there are `count` more; 1 where there are none, which
// changes no bit.
inline Floats scale_of(const Epilogue &epilogue, int64_t filter, int64_t count) {
    return epilogue.scale ? load_some(epilogue.scale + filter, count) : broadcast(1.0f);
}

// Their biases; 0 where there are none.
inline Floats bias_of(const Epilogue &epilogue, int64_t filter, int64_t count) {
    return epilogue.bias ? load_some(epilogue.bias + filter, count) : Floats{};
}

// What is stored of one vector of filters, of which there are `count`, at a place of y and of the residual. Scale and
// bias are in the sum already.
inline Floats finished(const Epilogue &epilogue, Floats sum, int64_t at, int64_t count) {
    if (epilogue.residual)
        sum += load_some(epilogue.residual + at, count);
    if (epilogue.relu)
        sum = sum < Floats{} ? Floats{} : sum;
    return sum;
}

inline void store_output(const Epilogue &epilogue, Floats sum, float *y, int64_t at, int64_t count) {
    store_some(y + at, finished(epilogue, sum, at, count), count);
}

} // namespace convolens::CONVOLENS_ISA
