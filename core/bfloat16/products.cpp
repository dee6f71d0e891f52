// Any convolution of one group by products of bfloat16, summed in float32: as a matrix product, each output's inputs
// gathered into a row (im2col.cpp).
//
//   one part   y = Σ high(x) · high(w)                                          errs as 8 bits do
//   two parts  y = Σ high(x) · high(w) + high(x) · low(w) + low(x) · high(w)    errs as 16 bits do ("BF16x3")
//
// where high(x) is x rounded to bfloat16 and low(x) what that leaves, rounded likewise. What is infinite, NaN or
// rounded to infinity has no low part: outputs that see such a number are summed in float32 by their definition.
//
// This is compiled for two instruction sets: "amx", which multiplies tiles (three times the products still take a
// quarter of the time that float32 takes), and "avx512_bf16", which multiplies vectors (1.7 times the products in the
// same time).
#if defined(__AMX_BF16__)
#include "bfloat16/tiles.hpp"
#else
#include "bfloat16/vectors.hpp"
#endif
#include "jobs/layers.hpp"
#include "kernels/gather.hpp"
#include "kernels/gemm.hpp"
#include "kernels/panel_epilogue.hpp"
#include "kernels/working_memory.hpp"
#include "runtime/kernels.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t max_outputs = 128;              // of a task
constexpr int64_t cache_bytes = 512 * 1024;       // its gathered rows
constexpr int64_t shared_bytes = 4 * 1024 * 1024; // rows that are gathered once for all threads
constexpr int64_t few_outputs = 1024;             // below which they may be
constexpr int64_t max_staged = 1024;              // numbers of a row that are brought together before they are cut
constexpr int64_t enough_tasks = 16;              // below this, tasks are made of rows as well as of panels

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

// A row whose channels fill no whole vectors: its runs are brought together first, as to cut each by itself takes three
// times as long. Gives the output's place in y.
int64_t gather_staged(const ConvJob &job, const Rows &rows, int64_t row, int64_t depth, bool &finite) {
    alignas(64) float staged[max_staged + lanes<float>];
    const int64_t place = gather(job, rows.first + row, [&](int64_t k, const float *from, int64_t count) {
        for (int64_t i = 0; i < count; i += lanes<float>) // what is written beyond its end, the next run writes over
            store(staged + k + i, from ? load_some(from + i, min(count - i, lanes<float>)) : Floats{});
    });
    for (int64_t k = depth; k < rows.deep; k += lanes<float>)
        store(staged + k, Floats{});
    for (int64_t k = 0; k < rows.deep; k += lanes<float>)
        finite &= cut(load(staged + k), lanes<float>, rows.place(row, k), rows.parts);
    return place;
}

int64_t gather_straight(const ConvJob &job, const Rows &rows, int64_t row, int64_t depth, bool &finite) {
    finite &= put(rows, row, depth, nullptr, rows.deep - depth);
    return gather(job, rows.first + row,
                  [&](int64_t k, const float *from, int64_t count) { finite &= put(rows, row, k, from, count); });
}

void gather_row(const ConvJob &job, const Rows &rows, int64_t row) {
    const int64_t depth = job.weights.rows * job.weights.columns * job.x.c;
    const bool staged = job.x.c % lanes<float> && rows.deep <= max_staged;
    bool finite = true;
    rows.to[row] = (staged ? gather_staged : gather_straight)(job, rows, row, depth, finite);
    rows.whole[row] = finite;
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
    multiply<Parts>(rows, b, count > tile_rows, sums, ahead);
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
        const Multiplying multiplying;
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
        const Multiplying multiplying;
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

extern const BFloat16Kernels bfloat16_kernels;
const BFloat16Kernels bfloat16_kernels{weights_size, pack_weights, convolve};

} // namespace convolens::CONVOLENS_ISA
