// Any convolution of one group by AMX, which multiplies tiles of bfloat16 and sums in float32: as a matrix product,
// each output's inputs gathered into a row (im2col.cpp).
//
//   one part   y = Σ high(x) · high(w)                                          errs as 8 bits do
//   two parts  y = Σ high(x) · high(w) + high(x) · low(w) + low(x) · high(w)    errs as 16 bits do ("BF16x3")
//
// where high(x) is x rounded to bfloat16 and low(x) what that leaves, rounded likewise. Three times the products still
// take a quarter of the time that float32 takes. What is infinite, NaN or rounded to infinity has no low part: outputs
// that see such a number are summed in float32 by their definition.
//
// This is compiled for the instruction set "amx" alone.
#include "jobs/layers.hpp"
#include "kernels/gather.hpp"
#include "kernels/gemm.hpp"
#include "kernels/panel_epilogue.hpp"
#include "kernels/working_memory.hpp"
#include "runtime/kernels.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

using Half = uint16_t; // bfloat16

constexpr int64_t tile_rows = 16, tile_depth = 32,
                  tile = tile_rows * tile_depth;  // of a tile: rows of 32 numbers, 64 bytes
constexpr int64_t block_rows = 2 * tile_rows;     // outputs whose sums fill four tiles, with a panel of filters
constexpr int64_t max_outputs = 128;              // of a task
constexpr int64_t cache_bytes = 512 * 1024;       // its gathered rows
constexpr int64_t shared_bytes = 4 * 1024 * 1024; // rows that are gathered once for all threads
constexpr int64_t few_outputs = 1024;             // below which they may be
constexpr int64_t enough_tasks = 16;              // below this, tasks are made of rows as well as of panels
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

Half high(float value) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return Half((bits + 0x7fff + (bits >> 16 & 1)) >> 16); // to the nearest, ties to even
}

float number(Half half) {
    const uint32_t bits = uint32_t(half) << 16;
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

// Up to 16 numbers to their parts, a tile apart; whether all are finite in bfloat16.
inline bool cut(Floats values, int64_t count, Half *to, int64_t parts) {
    const __mmask16 lanes = __mmask16(first_lanes(count));
    const __m256i high = (__m256i)_mm512_cvtneps_pbh((__m512)values);
    will_write(to, count);
    _mm256_mask_storeu_epi16(to, lanes, high);
    if (parts == 2) {
        const auto wide = (Vector<int32_t>)_mm512_maskz_cvtepu16_epi32(__mmask16(-1), high);
        const __m256i low = (__m256i)_mm512_cvtneps_pbh((__m512)(values - (Floats)(wide << 16)));
        will_write(to + tile, count);
        _mm256_mask_storeu_epi16(to + tile, lanes, low);
    }
    const __m256i exponent = _mm256_set1_epi16(0x7f80);
    return !_mm256_cmpeq_epi16_mask(_mm256_and_si256(high, exponent), exponent);
}

// `count` inputs (zeros where from is null) to depth k of a row; whether all are finite in bfloat16.
bool put(const Rows &rows, int64_t row, int64_t k, const float *from, int64_t count) {
    bool finite = true;
    while (count > 0) {
        const int64_t some = min(min(count, lanes<float>), tile_depth - k % tile_depth);
        finite &= cut(from ? load_some(from, some) : Floats{}, some, rows.place(row, k), rows.parts);
        from = from ? from + some : nullptr, k += some, count -= some;
    }
    return finite;
}

void gather_row(const ConvJob &job, const Rows &rows, int64_t row) {
    const int64_t depth = job.weights.rows * job.weights.columns * job.x.c;
    bool finite = put(rows, row, depth, nullptr, rows.deep - depth);
    rows.to[row] = gather(job, rows.first + row, [&](int64_t k, const float *from, int64_t count) {
        finite &= put(rows, row, k, from, count);
    });
    rows.whole[row] = finite;
}

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
struct Tiles {
    Tiles() {
        const TileSizes sizes;
        _tile_loadconfig(&sizes);
    }
    ~Tiles() { _tile_release(); }
};

// sums[block_rows][panel] of 16 or, if `both`, 32 rows. b: [step of depth][part][two tiles of filters].
template <int Parts> inline void multiply_tiles(const Rows &rows, const Half *b, bool both, float *sums, Ahead &ahead) {
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

// Outputs that see something which is not finite, by their definition, for a panel of filters.
void by_definition(const ConvJob &job, const Rows &rows, int64_t count, int64_t first_filter) {
    const auto &w = job.weights;
    for (int64_t row = 0; row < count; ++row)
        for (int64_t filter = first_filter; filter < min(first_filter + panel, w.filters); ++filter) {
            float sum = 0;
            gather(job, rows.first + row, [&](int64_t k, const float *from, int64_t some) {
                for (int64_t i = 0; from && i < some; ++i) {
                    const int64_t cell = (k + i) / w.channels, c = (k + i) % w.channels;
                    sum +=
                        checked(from + i) * checked(w.data + filter * w.step_filter + c * w.step_channel +
                                                    cell / w.columns * w.step_row + cell % w.columns * w.step_column);
                }
            });
            const Floats scaled = scale_of(job.epilogue, filter, 1) * sum + bias_of(job.epilogue, filter, 1);
            store_output(job.epilogue, scaled, job.y.data, rows.to[row] + filter, 1);
        }
}

// A block of outputs for a panel of filters.
template <int Parts>
void multiply_block(const ConvJob &job, const Half *b, const Rows &rows, int64_t count, const PanelEpilogue &epilogue,
                    Ahead &ahead) {
    bool whole = true;
    for (int64_t row = 0; row < count; ++row)
        whole &= rows.whole[row] != 0;
    if (!whole)
        return by_definition(job, rows, count, epilogue.filter);
    alignas(64) float sums[block_rows * panel];
    multiply_tiles<Parts>(rows, b, count > tile_rows, sums, ahead);
    row_blocks(count, [&](int64_t first, int64_t some) {
        with_rows(some, [&](auto constant) {
            constexpr int R = decltype(constant)::value;
            Sums<R> found;
            each_sum(found,
                     [&](int i, int v, Floats &sum) { sum = load(sums + (first + i) * panel + v * lanes<float>); });
            epilogue.store_all(found, rows.to + first);
        });
    });
}

// `count` outputs for one panel of filters; what is read of the next panel's weights meanwhile is asked for ahead.
void multiply_panel(const ConvJob &job, int64_t q, const Rows &rows, int64_t count) {
    const int64_t weights = rows.step() * panel, steps = rows.deep / tile_depth * ceil_div(count, block_rows);
    const Half *const b = reinterpret_cast<const Half *>(job.packed) + q * weights;
    const bool last = (q + 1) * panel >= job.y.c;
    const PanelEpilogue epilogue(job, q * panel);
    Ahead next(reinterpret_cast<const float *>(b + weights), last ? 0 : weights / 2, steps);
    for (int64_t first = 0; first < count; first += block_rows) {
        const int64_t some = min(count - first, block_rows);
        if (rows.parts == 2)
            multiply_block<2>(job, b, rows.from(first), some, epilogue, next);
        else
            multiply_block<1>(job, b, rows.from(first), some, epilogue, next);
    }
}

// Few outputs, and so filters that are the large thing: all threads gather the rows, once, then share the filters.
void by_sharing(const ConvJob &job, int64_t outputs, int64_t panels, int64_t parts, int64_t deep) {
    const int64_t blocks = ceil_div(outputs, block_rows);
    const Rows rows =
        Rows::in(working_memory<Half>(Scratch::shared, Rows::numbers(outputs, parts * deep)), 0, outputs, parts, deep);
    parallel(blocks, [&](int64_t block, int) {
        for (int64_t row = block * block_rows; row < min((block + 1) * block_rows, outputs); ++row)
            gather_row(job, rows, row);
    });
    const int64_t cuts = min(ceil_div(enough_tasks, panels), blocks); // of the rows
    parallel(panels * cuts, [&](int64_t task, int) {
        const Tiles tiles;
        const int64_t cut = task % cuts, first = blocks * cut / cuts * block_rows;
        const int64_t end = min(blocks * (cut + 1) / cuts * block_rows, outputs);
        multiply_panel(job, task / cuts, rows.from(first), end - first);
    });
}

// A task gathers the rows of some outputs and multiplies them by all filters.
void by_gathering(const ConvJob &job, int64_t outputs, int64_t panels, int64_t parts, int64_t deep) {
    const int64_t bytes = parts * deep * int64_t(sizeof(Half));
    const int64_t fitting = min(max_outputs, max(cache_bytes / bytes / block_rows, 1) * block_rows);
    parallel(ceil_div(outputs, fitting), [&](int64_t task, int) {
        const int64_t first = task * fitting, count = min(fitting, outputs - first);
        const Rows rows =
            Rows::in(working_memory<Half>(Scratch::own, Rows::numbers(count, parts * deep)), first, count, parts, deep);
        for (int64_t row = 0; row < count; ++row)
            gather_row(job, rows, row);
        const Tiles tiles;
        for (int64_t q = 0; q < panels; ++q)
            multiply_panel(job, q, rows, count);
    });
}

int64_t rounded_depth(const Weights &w) { return round_up(w.rows * w.columns * w.channels, 2 * tile_depth); }

int64_t weights_size(const Weights &w, int parts) { return round_up(w.filters, panel) * rounded_depth(w) * parts; }

// [panel of filters][step of depth][part][two tiles of filters][tile_depth / 2][filter][2]; what is beyond the last is
// zero.
void pack_weights(const Weights &w, int parts, uint16_t *packed) {
    const int64_t depth = w.rows * w.columns * w.channels, deep = rounded_depth(w);
    parallel(ceil_div(w.filters, panel), [&](int64_t q, int) {
        Half *const to = packed + q * parts * deep * panel;
        for (int64_t k = 0; k < deep; ++k) {
            const int64_t cell = k / w.channels, c = k % w.channels;
            const float *from =
                w.data + c * w.step_channel + cell / w.columns * w.step_row + cell % w.columns * w.step_column;
            Half *const place = to + k / tile_depth * parts * 2 * tile + k % tile_depth / 2 * tile_depth + k % 2;
            for (int64_t f = 0; f < panel; ++f) {
                const int64_t filter = q * panel + f, at = f / tile_rows * tile + f % tile_rows * 2;
                const float value = k < depth && filter < w.filters ? checked(from + filter * w.step_filter) : 0;
                checked(place + at) = high(value);
                if (parts == 2)
                    checked(place + 2 * tile + at) = high(value - number(high(value)));
            }
        }
    });
}

void convolve(const ConvJob &job, int parts) {
    const int64_t outputs = job.y.n * job.y.h * job.y.w, panels = ceil_div(job.y.c, panel);
    const int64_t deep = rounded_depth(job.weights);
    const bool few = outputs <= few_outputs && outputs * parts * deep * int64_t(sizeof(Half)) <= shared_bytes;
    (few ? by_sharing : by_gathering)(job, outputs, panels, parts, deep);
}

} // namespace

extern const TileKernels tile_kernels;
const TileKernels tile_kernels{weights_size, pack_weights, convolve};

} // namespace convolens::CONVOLENS_ISA
