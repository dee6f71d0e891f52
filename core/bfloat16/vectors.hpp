// Products of bfloat16 by AVX-512, two of each of 16 filters at once.
#pragma once
#include "bfloat16/rows.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

// What a thread must hold while it multiplies: nothing but its registers.
struct Multiplying {
    Multiplying() {}
};

constexpr int rows_at_once = 8; // whose sums, of two vectors of filters each, stay in registers
static_assert(tile_rows % rows_at_once == 0);

inline __m512bh pairs(const Half *at) { return (__m512bh)_mm512_loadu_si512(at); }

// Numbers 2i and 2i + 1 of a row, for every filter.
inline __m512bh pair(const Half *at) {
    int32_t both;
    __builtin_memcpy(&both, at, sizeof both);
    return (__m512bh)_mm512_set1_epi32(both);
}

// Some rows of one tile's height, from `a` on; b as `multiply` has it.
template <int Parts> inline void multiply_some(const Half *a, const Half *b, int64_t deep, float *sums) {
    __m512 sum[rows_at_once][2] = {};
    for (int64_t k = 0; k < deep; k += tile_depth, a += Parts * tile, b += 2 * Parts * tile)
        for (int64_t i = 0; i < tile_depth; i += 2) {
            const Half *const filters = b + i * tile_rows; // 16 pairs, as many numbers as two rows of a tile have
            const __m512bh first = pairs(filters), second = pairs(filters + tile);
            for (int row = 0; row < rows_at_once; ++row) {
                const __m512bh x = pair(a + row * tile_depth + i);
                sum[row][0] = _mm512_dpbf16_ps(sum[row][0], x, first);
                sum[row][1] = _mm512_dpbf16_ps(sum[row][1], x, second);
            }
            if constexpr (Parts == 2) {
                const __m512bh first_low = pairs(filters + 2 * tile), second_low = pairs(filters + 3 * tile);
                for (int row = 0; row < rows_at_once; ++row) {
                    const Half *const at = a + row * tile_depth + i;
                    const __m512bh x = pair(at), low = pair(at + tile);
                    sum[row][0] = _mm512_dpbf16_ps(sum[row][0], x, first_low);
                    sum[row][1] = _mm512_dpbf16_ps(sum[row][1], x, second_low);
                    sum[row][0] = _mm512_dpbf16_ps(sum[row][0], low, first);
                    sum[row][1] = _mm512_dpbf16_ps(sum[row][1], low, second);
                }
            }
        }
    for (int row = 0; row < rows_at_once; ++row)
        for (int half = 0; half < 2; ++half)
            _mm512_storeu_ps(sums + row * panel + half * tile_rows, sum[row][half]);
}

// sums[block_rows][panel] of 16 or, if `both`, 32 rows. b: [step of depth][part][two tiles of filters].
template <int Parts> inline void multiply(const Rows &rows, const Half *b, bool both, float *sums, Ahead &ahead) {
    will_read(b, rows.step() * panel);
    for (int64_t first = 0; first < (both ? block_rows : tile_rows); first += rows_at_once) {
        const Half *const a = rows.at + first / tile_rows * tile_rows * rows.step() + first % tile_rows * tile_depth;
        multiply_some<Parts>(a, b, rows.deep, sums + first * panel);
    }
    for (int64_t k = 0; k < rows.deep; k += tile_depth)
        ahead.step();
}

} // namespace
} // namespace convolens::CONVOLENS_ISA
