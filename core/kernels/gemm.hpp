// The one multiplication all convolution kernels end in: a register block of rows × filters, summed over depth.
//
//   for each k of depth
//     load one row of b: `panel` filters, in `panel_vectors` registers
//     for each of R rows: broadcast a(row, k) to a register, multiply, add
//
// R·panel_vectors sums stay in registers; each number of b is used R times and each of a `panel` times per load.
// a is stored in blocks of `depth_block` numbers a row (a row's next block is rows·depth_block further on), so that the
// distance between rows is a constant: with a free stride the row pointers alone would need more registers than exist.
#pragma once
#include "kernels/simd.hpp"

namespace convolens::CONVOLENS_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int max_rows = 12; // of 32 registers, 24 hold sums
#else
constexpr int max_rows = 6; // of 16 registers, 12 hold sums
#endif
constexpr int panel_vectors = 2;
constexpr int panel = panel_vectors * lanes<float>; // filters in a block
constexpr int depth_block = 64;

template <int R> struct Sums {
    Floats at[R][panel_vectors];
};

// sums(i, f) += Σ_k a[i·AI + k·AK] · b[k·BK + f]
template <int R, int AI, int AK, int BK>
inline __attribute__((always_inline)) void multiply(const float *__restrict a, const float *__restrict b, int64_t depth,
                                                    Sums<R> &sums) {
    for (int64_t k = 0; k < depth; ++k) {
        Floats row[panel_vectors];
#pragma GCC unroll 4
        for (int v = 0; v < panel_vectors; ++v)
            row[v] = load(b + k * BK + v * lanes<float>);
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            const Floats value = broadcast(checked(a + i * AI + k * AK));
#pragma GCC unroll 4
            for (int v = 0; v < panel_vectors; ++v)
                sums.at[i][v] += value * row[v];
        }
    }
}

template <int R> struct Rows {
    static constexpr int value = R;
};

// Calls f with the number of rows as a compile-time constant.
template <int R = max_rows, class F> inline void with_rows(int64_t rows, const F &f) {
    if constexpr (R > 1)
        if (rows < R)
            return with_rows<R - 1>(rows, f);
    f(Rows<R>{});
}

// Cuts `rows` into blocks of nearly equal size, none larger than max_rows: f(first, count). Nearly equal, because a
// remainder of one or two rows would wait for each addition's result.
template <class F> inline void row_blocks(int64_t rows, const F &f) {
    const int64_t blocks = (rows + max_rows - 1) / max_rows;
    for (int64_t i = 0; i < blocks; ++i) {
        const int64_t first = rows * i / blocks;
        f(first, rows * (i + 1) / blocks - first);
    }
}

// Calls f(row, v, sum) for each vector of sums, by constants, so that it stays in a register.
template <int R, class F> inline __attribute__((always_inline)) void each_sum(Sums<R> &sums, const F &f) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < panel_vectors; ++v)
            f(i, v, sums.at[i][v]);
}

// a · b over the whole depth, rows × panel: take(first, sums) gets each block of rows while it is in registers.
// a: [depth / depth_block][stride rows][depth_block], b: [depth][panel].
template <class Take>
inline void multiply_rows(const float *a, int64_t stride, const float *b, int64_t depth, int64_t rows,
                          const Take &take) {
    row_blocks(rows, [&](int64_t first, int64_t count) {
        with_rows(count, [&](auto constant) {
            constexpr int R = decltype(constant)::value;
            Sums<R> sums{};
            for (int64_t k = 0; k < depth; k += depth_block)
                multiply<R, depth_block, 1, panel>(a + k * stride + first * depth_block, b + k * panel,
                                                   min(depth - k, depth_block), sums);
            take(first, sums);
        });
    });
}

} // namespace convolens::CONVOLENS_ISA
