// Rows of a matrix in blocks of `depth_block` columns, as the multiplications read them (gemm.hpp).
#pragma once
#include "kernels/gemm.hpp"

namespace convolens::CONVOLENS_ISA {

// [block of columns][row][depth_block]
struct Blocks {
    float *at;
    int64_t rows;

    float *block(int64_t column) const { return at + column / depth_block * rows * depth_block; }
};

// `count` numbers (zeros where from is null) to columns k, k + 1, … of a row.
inline void put(const Blocks &to, int64_t row, int64_t k, const float *from, int64_t count) {
    while (count > 0) {
        const int64_t some = min(count, depth_block - k % depth_block);
        float *const at = to.block(k) + row * depth_block + k % depth_block;
        will_write(at, some);
        if (from) {
            will_read(from, some);
            if (some == depth_block) // inline, where a call would cost as much as the copy
                __builtin_memcpy(at, from, depth_block * sizeof(float));
            else
                __builtin_memcpy(at, from, size_t(some) * sizeof(float));
            from += some;
        } else {
            clear(at, some);
        }
        k += some, count -= some;
    }
}

} // namespace convolens::CONVOLENS_ISA
