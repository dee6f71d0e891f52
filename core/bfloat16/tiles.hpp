// Products of bfloat16 by AMX, a tile of 16 × 32 by one of 32 × 16 at once.
#pragma once
#include "bfloat16/rows.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

// The tiles: four of sums, two of weights' high parts, one of rows and one of weights' low parts.
struct alignas(64) TileSizes {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};

    TileSizes() {
        for (int tile = 0; tile < 8; ++tile)
            row_bytes[tile] = tile_depth * sizeof(Half), rows[tile] = tile_rows;
    }
};

// Tiles are this thread's while it lives.
struct Multiplying {
    Multiplying() {
        const TileSizes sizes;
        _tile_loadconfig(&sizes);
    }
    ~Multiplying() { _tile_release(); }
};

// sums[block_rows][panel] of 16 or, if `both`, 32 rows. b: [step of depth][part][two tiles of filters].
template <int Parts> inline void multiply(const Rows &rows, const Half *b, bool both, float *sums, Ahead &ahead) {
    constexpr int64_t tile_step = tile_depth * sizeof(Half);
    const Half *a = rows.at;
    const int64_t second = tile_rows * rows.step();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t k = 0; k < rows.deep; k += tile_depth, a += Parts * tile, b += 2 * Parts * tile) {
        will_read(b, 2 * Parts * tile);
        _tile_loadd(4, b, tile_step);
        _tile_loadd(5, b + tile, tile_step);
        _tile_loadd(6, a, tile_step);
        _tile_dpbf16ps(0, 6, 4);
        _tile_dpbf16ps(1, 6, 5);
        if constexpr (Parts == 2) {
            _tile_loadd(7, b + 2 * tile, tile_step);
            _tile_dpbf16ps(0, 6, 7);
            _tile_loadd(7, b + 3 * tile, tile_step);
            _tile_dpbf16ps(1, 6, 7);
            _tile_loadd(6, a + tile, tile_step);
            _tile_dpbf16ps(0, 6, 4);
            _tile_dpbf16ps(1, 6, 5);
        }
        if (both) {
            _tile_loadd(6, a + second, tile_step);
            _tile_dpbf16ps(2, 6, 4);
            _tile_dpbf16ps(3, 6, 5);
            if constexpr (Parts == 2) {
                _tile_loadd(7, b + 2 * tile, tile_step);
                _tile_dpbf16ps(2, 6, 7);
                _tile_loadd(7, b + 3 * tile, tile_step);
                _tile_dpbf16ps(3, 6, 7);
                _tile_loadd(6, a + second + tile, tile_step);
                _tile_dpbf16ps(2, 6, 4);
                _tile_dpbf16ps(3, 6, 5);
            }
        }
        ahead.step();
    }
    constexpr int64_t row_bytes = panel * sizeof(float);
    _tile_stored(0, sums, row_bytes);
    _tile_stored(1, sums + tile_rows, row_bytes);
    if (both) {
        _tile_stored(2, sums + tile_rows * panel, row_bytes);
        _tile_stored(3, sums + tile_rows * panel + tile_rows, row_bytes);
    }
}

} // namespace
} // namespace convolens::CONVOLENS_ISA
