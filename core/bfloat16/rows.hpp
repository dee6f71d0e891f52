// The rows that a convolution by bfloat16 multiplies, in the order of both instruction sets.
#pragma once
#include "kernels/gemm.hpp"

#include <cstdint>

namespace convolens::CONVOLENS_ISA {
namespace {

using Half = uint16_t; // bfloat16

constexpr int64_t tile_rows = 16, tile_depth = 32,
                  tile = tile_rows * tile_depth; // of a tile: rows of 32 numbers, 64 bytes
constexpr int64_t block_rows = 2 * tile_rows;    // outputs whose sums are made at once, with a panel of filters
static_assert(panel == 2 * tile_rows);

// Rows of outputs from `first` on, tile by tile: [tile_rows of them][step of depth][part][row][tile_depth].
struct Rows {
    int64_t first;
    Half *at;
    int64_t *to;    // where each output lies in y
    uint8_t *whole; // whether all that it sees is finite
    int64_t parts, deep;

    int64_t step() const { return parts * deep; } // numbers of a row
    // Depth k of a row's first part; the second lies a tile further.
    Half *place(int64_t row, int64_t k) const {
        return at + row / tile_rows * tile_rows * step() + k / tile_depth * parts * tile +
               row % tile_rows * tile_depth + k % tile_depth;
    }
    Rows from(int64_t row) const { return {first + row, at + row * step(), to + row, whole + row, parts, deep}; }

    static int64_t numbers(int64_t count, int64_t step) { // of memory for so many; tiles read whole blocks
        const int64_t rows = round_up(count, block_rows);
        return rows * (step + 4 + 1);
    }
    static Rows in(Half *memory, int64_t first, int64_t count, int64_t parts, int64_t deep) {
        const int64_t rows = round_up(count, block_rows);
        auto *const to = reinterpret_cast<int64_t *>(memory + rows * parts * deep);
        return {first, memory, to, reinterpret_cast<uint8_t *>(to + rows), parts, deep};
    }
};

} // namespace
} // namespace convolens::CONVOLENS_ISA
