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

// The same of rows that lie `step` apart, two neighbouring numbers of b's depth a panel. From three bases each row is
// none, one or two steps away: every address is then part of the instruction that reads it, with fewer registers than
// rows.
template <int R>
inline __attribute__((always_inline)) void multiply_apart(const float *__restrict a, int64_t step,
                                                          const float *__restrict b, int64_t depth, Sums<R> &sums) {
    const float *base[(R + 2) / 3];
    for (int j = 0; j < (R + 2) / 3; ++j)
        base[j] = a + 3 * j * step;
    for (int64_t k = 0; k < depth; ++k) {
        Floats row[panel_vectors];
#pragma GCC unroll 4
        for (int v = 0; v < panel_vectors; ++v)
            row[v] = load(b + k * panel + v * lanes<float>);
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            const Floats value = broadcast(checked(base[i / 3] + i % 3 * step));
#pragma GCC unroll 4
            for (int v = 0; v < panel_vectors; ++v)
                sums.at[i][v] += value * row[v];
        }
#pragma GCC unroll 4
        for (int j = 0; j < (R + 2) / 3; ++j) {
            ++base[j];
            asm("" : "+r"(base[j])); // a pointer of its own, not one computed from the others
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

// Memory that is wanted soon, asked for a few lines at a time between the multiplications: what comes from beyond the
// second-level cache (the next filters of a deep layer, the next pixels) arrives while there is something to compute.
struct Ahead {
    const char *at = nullptr, *end = nullptr;
    int64_t each = 0; // bytes at a time

    Ahead() = default;
    // `count` floats from `from` on, by as many equal steps.
    Ahead(const float *from, int64_t count, int64_t steps)
        : at(reinterpret_cast<const char *>(from)), end(reinterpret_cast<const char *>(from + count)),
          each(round_up(ceil_div(count * int64_t(sizeof(float)), max(steps, 1)), line)) {}

    static constexpr int64_t line = 64;
    void step() {
        for (const char *stop = at + each < end ? at + each : end; at < stop; at += line)
            __builtin_prefetch(at, 0, 2);
    }
};

constexpr int64_t ahead_depth = 16; // between two steps ahead

// How many steps ahead `multiply_rows` takes.
inline int64_t steps_ahead(int64_t depth, int64_t rows) {
    return ceil_div(depth, ahead_depth) * ceil_div(rows, max_rows);
}

// a · b over the whole depth, rows × panel: start(first, sums) sets each block of rows' sums, which are zero before,
// and take(first, sums) gets them while they are in registers. a: [depth / depth_block][stride rows][depth_block], b:
// [depth][panel].
template <class Start, class Take>
inline void multiply_rows(const float *a, int64_t stride, const float *b, int64_t depth, int64_t rows, Ahead ahead,
                          const Start &start, const Take &take) {
    static_assert(depth_block % ahead_depth == 0);
    row_blocks(rows, [&](int64_t first, int64_t count) {
        with_rows(count, [&](auto constant) {
            constexpr int R = decltype(constant)::value;
            Sums<R> sums{};
            start(first, sums);
            for (int64_t k = 0; k < depth; k += ahead_depth) {
                const float *block = a + k / depth_block * depth_block * stride + k % depth_block;
                multiply<R, depth_block, 1, panel>(block + first * depth_block, b + k * panel,
                                                   min(depth - k, ahead_depth), sums);
                ahead.step();
            }
            take(first, sums);
        });
    });
}

// The same with nothing added.
template <class Take>
inline void multiply_rows(const float *a, int64_t stride, const float *b, int64_t depth, int64_t rows, Ahead ahead,
                          const Take &take) {
    multiply_rows(a, stride, b, depth, rows, ahead, [](int64_t, auto &) {}, take);
}

} // namespace convolens::CONVOLENS_ISA
