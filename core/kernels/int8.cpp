// Any convolution of one group in 8-bit integers, as a matrix product of levels. A kernel of several cells reads its
// inputs where they lie, in a map with the zeros around it, as the rows of neighbouring outputs are a constant apart;
// for one cell, or channels that do not fill whole groups, each output's inputs are gathered into a row (im2col.cpp):
//
//   level(x) = round(x / step), of 256 neighbouring ones      level(w) = round(w / step of its filter), -127 to 127
//   y = step · step of its filter · Σ level(x) · level(w)
//
// The sum is an integer and exact, so that every processor gives the same. One that multiplies bytes (VNNI) has the
// input's levels as bytes, counted from the lowest, and takes away what that adds; others multiply pairs of 16 bits.
// An output that sees NaN is NaN; what lies past the levels' ends takes the last one.
#include "jobs/layers.hpp"
#include "kernels/gather.hpp"
#include "kernels/gemm.hpp"
#include "kernels/levels.hpp"
#include "kernels/panel_epilogue.hpp"
#include "kernels/working_memory.hpp"
#include "runtime/kernels.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
using Level = uint8_t;
using WeightLevel = int8_t;
#else
using Level = int16_t;
using WeightLevel = int16_t;
#endif
constexpr bool from_lowest = sizeof(Level) == 1;      // how levels of inputs are counted
constexpr int64_t group = int64_t(4 / sizeof(Level)); // of depth, multiplied and summed at once in 32 bits
constexpr int64_t max_outputs = 192;                  // of a task
constexpr int64_t cache_bytes = 256 * 1024;           // its gathered rows
constexpr int64_t shared_bytes = 4 * 1024 * 1024;     // rows that are gathered once for all threads
constexpr int64_t few_outputs = 512;                  // below which they may be
constexpr int64_t enough_tasks = 16;                  // below this, tasks are made of rows as well as of panels
constexpr int64_t highest_weight = 127;

// sum + what each 32 bits of a and of b give, multiplied number by number and summed.
inline Ints multiply_add(Ints sum, Ints a, Ints b) {
#if defined(__AVX512VNNI__)
    return (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVXVNNI__)
    return (Ints)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
#elif defined(__AVX512F__)
    return sum + (Ints)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return sum + (Ints)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
    return sum + (Ints)_mm_madd_epi16((__m128i)a, (__m128i)b);
#elif defined(__aarch64__)
    const auto left = (int16x8_t)a, right = (int16x8_t)b;
    return sum + (Ints)vpaddq_s32(vmull_s16(vget_low_s16(left), vget_low_s16(right)), vmull_high_s16(left, right));
#else
    for (int i = 0; i < lanes<int32_t>; ++i)
        sum[i] += int16_t(a[i]) * int16_t(b[i]) + (a[i] >> 16) * (b[i] >> 16);
    return sum;
#endif
}

// Levels of `count` numbers; whether none is NaN.
inline bool to_levels(const Rounding &rounding, const float *from, int64_t count, Level *to) {
    Ints not_a_number{};
    int64_t i = 0;
    for (; i + lanes<float> <= count; i += lanes<float>) {
        const Floats x = load(from + i);
        not_a_number |= x != x;
        store_levels(rounding(x), to + i);
    }
    if (i < count) {
        const Floats x = load_some(from + i, count - i);
        not_a_number |= x != x;
        store_some_levels(rounding(x), to + i, count - i);
    }
    return !any_lane(not_a_number);
}

// What pack_weights makes: one step and the sum of its levels for each filter, then the levels.
struct Packed {
    const float *steps;
    const int32_t *sums;
    const WeightLevel *levels; // [panel of filters][group of depth][filter][group]

    Packed(const float *packed, int64_t filters)
        : steps(packed), sums(reinterpret_cast<const int32_t *>(packed + round_up(filters, panel))),
          levels(reinterpret_cast<const WeightLevel *>(packed + 2 * round_up(filters, panel))) {}
};

int64_t depth_of(const Weights &w) { return w.rows * w.columns * w.channels; }
int64_t deep_of(const Weights &w) { return round_up(depth_of(w), group); }

// Rows of outputs: [block of depth_block][row][depth_block], as im2col.cpp has them.
struct Rows {
    Level *at;
    int64_t count; // of rows in a block
    int64_t *to;   // where each output lies in y

    Level *place(int64_t row, int64_t k) const {
        return at + (k / depth_block * count + row) * depth_block + k % depth_block;
    }
    static int64_t levels(int64_t count, int64_t deep) { // of memory for so many
        return round_up(deep, depth_block) * count + count * int64_t(sizeof(int64_t) / sizeof(Level));
    }
    static Rows in(Level *memory, int64_t count, int64_t deep) {
        return {memory, count, reinterpret_cast<int64_t *>(memory + round_up(deep, depth_block) * count)};
    }
};

// What a layer reads: levels, as they came or made once of the whole map, or for a kernel of one cell the numbers.
struct Input {
    const ConvJob &conv;
    Rounding rounding;
    const Level *map; // laid out as x, or null
    bool saw_nan = false;

    void see_nan() { tell(&saw_nan); }
};

void fill(const Rows &rows, int64_t row, int64_t k, int64_t count, Level value) {
    for (int64_t i = 0; i < count; ++i)
        checked(rows.place(row, k + i)) = value;
}

// `count` inputs (zeros where from is null) to depth k of a row; whether none is NaN.
inline bool put(const Input &input, const Rows &rows, int64_t row, int64_t k, const float *from, int64_t count) {
    bool all = true;
    while (count > 0) {
        const int64_t some = min(count, depth_block - k % depth_block);
        Level *const to = rows.place(row, k);
        if (!from) {
            fill(rows, row, k, some, Level(-input.rounding.below));
        } else if (input.map) {
            const Level *const levels = input.map + (from - input.conv.x.data);
            will_read(levels, some), will_write(to, some);
            if (some == depth_block)
                __builtin_memcpy(to, levels, depth_block * sizeof(Level));
            else
                __builtin_memcpy(to, levels, size_t(some) * sizeof(Level));
        } else {
            all &= to_levels(input.rounding, from, some, to);
        }
        from = from ? from + some : nullptr, k += some, count -= some;
    }
    return all;
}

// The inputs that output number `output` sees, as levels.
void gather_row(Input &input, const Rows &rows, int64_t row, int64_t output) {
    const int64_t depth = depth_of(input.conv.weights);
    fill(rows, row, depth, deep_of(input.conv.weights) - depth, 0);
    bool all = true;
    rows.to[row] = gather(input.conv, output, [&](int64_t k, const float *from, int64_t count) {
        all &= put(input, rows, row, k, from, count);
    });
    if (!all)
        input.see_nan();
}

template <int R> struct IntSums {
    Ints at[R][panel_vectors];
};

// sums(i, f) += Σ a[i][k] · b[k][f] over `groups` of depth.
template <int R>
inline __attribute__((always_inline)) void multiply(const Level *__restrict a, const WeightLevel *__restrict b,
                                                    int64_t groups, IntSums<R> &sums) {
    for (int64_t k = 0; k < groups; ++k) {
        Ints row[panel_vectors];
#pragma GCC unroll 4
        for (int v = 0; v < panel_vectors; ++v) {
            const WeightLevel *const from = b + (k * panel + v * lanes<float>)*group;
            will_read(from, lanes<float> * group);
            __builtin_memcpy(&row[v], from, sizeof row[v]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            int32_t value;
            will_read(a + i * depth_block + k * group, group);
            __builtin_memcpy(&value, a + i * depth_block + k * group, sizeof value);
            const Ints wide = broadcast(value);
#pragma GCC unroll 4
            for (int v = 0; v < panel_vectors; ++v)
                sums.at[i][v] = multiply_add(sums.at[i][v], wide, row[v]);
        }
    }
}

// The same of rows that lie `step` apart. From three bases each row is none, one or two steps away: every address is
// then part of the instruction that reads it, with fewer registers than rows.
template <int R>
inline __attribute__((always_inline)) void multiply_apart(const Level *__restrict a, int64_t step,
                                                          const WeightLevel *__restrict b, int64_t groups,
                                                          IntSums<R> &sums) {
    const Level *base[(R + 2) / 3];
    for (int j = 0; j < (R + 2) / 3; ++j)
        base[j] = a + 3 * j * step;
    for (int64_t k = 0; k < groups; ++k) {
        Ints row[panel_vectors];
#pragma GCC unroll 4
        for (int v = 0; v < panel_vectors; ++v) {
            const WeightLevel *const from = b + (k * panel + v * lanes<float>)*group;
            will_read(from, lanes<float> * group);
            __builtin_memcpy(&row[v], from, sizeof row[v]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < R; ++i) {
            const Level *const from = base[i / 3] + i % 3 * step;
            int32_t value;
            will_read(from, group);
            __builtin_memcpy(&value, from, sizeof value);
            const Ints wide = broadcast(value);
#pragma GCC unroll 4
            for (int v = 0; v < panel_vectors; ++v)
                sums.at[i][v] = multiply_add(sums.at[i][v], wide, row[v]);
        }
#pragma GCC unroll 4
        for (int j = 0; j < (R + 2) / 3; ++j) {
            base[j] += group;
            asm("" : "+r"(base[j])); // a pointer of its own, not one computed from the others
        }
    }
}

// A panel's filters: where their levels lie, and what makes numbers of sums.
struct Panel {
    const WeightLevel *levels;
    Ints below[panel_vectors]; // what the lowest level's place adds to a sum
    PanelEpilogue epilogue;

    Panel(const Int8Job &job, int64_t q)
        : levels(Packed(job.conv.packed, job.conv.y.c).levels + q * panel * deep_of(job.conv.weights)),
          epilogue(job.conv, q * panel) {
        const Packed packed(job.conv.packed, job.conv.y.c);
        for (int v = 0; v < panel_vectors; ++v) {
            const int64_t filter = q * panel + v * lanes<float>;
            below[v] = from_lowest ? load(packed.sums + filter) * job.levels.lowest : Ints{};
            epilogue.scale[v] *= load(packed.steps + filter) * job.levels.step;
        }
    }
};

// `count` rows from the first on for a panel of filters.
void multiply_panel(const Int8Job &job, const Panel &panel_of, const Rows &rows, int64_t first, int64_t count,
                    Ahead ahead) {
    const int64_t deep = deep_of(job.conv.weights);
    row_blocks(count, [&](int64_t at, int64_t some) {
        with_rows(some, [&](auto constant) {
            constexpr int R = decltype(constant)::value;
            IntSums<R> sums{};
            for (int64_t k = 0; k < deep; k += depth_block) {
                multiply<R>(rows.place(first + at, k), panel_of.levels + k * panel, min(deep - k, depth_block) / group,
                            sums);
                ahead.step();
            }
            Sums<R> found;
            each_sum(found, [&](int i, int v, Floats &sum) {
                sum = __builtin_convertvector(sums.at[i][v] + panel_of.below[v], Floats);
            });
            panel_of.epilogue.store_all(found, rows.to + first + at);
        });
    });
}

// The next panel's levels, to be asked for while this one's are multiplied by `count` rows.
Ahead next_panel(const Int8Job &job, const Panel &panel_of, bool last, int64_t count) {
    const int64_t deep = deep_of(job.conv.weights), bytes = deep * panel * int64_t(sizeof(WeightLevel));
    const auto *const next = reinterpret_cast<const float *>(panel_of.levels + deep * panel);
    return Ahead(next, last ? 0 : bytes / int64_t(sizeof(float)),
                 ceil_div(deep, depth_block) * ceil_div(count, max_rows));
}

// Few outputs, and so filters that are the large thing: all threads gather the rows, once, then share the filters.
void by_sharing(const Int8Job &job, Input &input, Level *memory) {
    const auto &y = job.conv.y;
    const int64_t outputs = y.n * y.h * y.w, panels = ceil_div(y.c, panel), blocks = ceil_div(outputs, max_rows);
    const Rows rows = Rows::in(memory, outputs, deep_of(job.conv.weights));
    parallel(blocks, [&](int64_t block, int) {
        for (int64_t row = block * max_rows; row < min((block + 1) * max_rows, outputs); ++row)
            gather_row(input, rows, row, row);
    });
    const int64_t cuts = max(min(ceil_div(enough_tasks, panels), blocks), 1); // of the rows
    parallel(panels * cuts, [&](int64_t task, int) {
        const int64_t q = task / cuts, cut = task % cuts;
        const int64_t first = outputs * cut / cuts, count = outputs * (cut + 1) / cuts - first;
        const Panel filters(job, q);
        multiply_panel(job, filters, rows, first, count, next_panel(job, filters, q + 1 == panels, count));
    });
}

// A task gathers the rows of some outputs and multiplies them by all filters.
void by_gathering(const Int8Job &job, Input &input) {
    const auto &y = job.conv.y;
    const int64_t outputs = y.n * y.h * y.w, panels = ceil_div(y.c, panel), deep = deep_of(job.conv.weights);
    const int64_t bytes = round_up(deep, depth_block) * int64_t(sizeof(Level));
    const int64_t fitting = min(max_outputs, max(cache_bytes / bytes / max_rows, 1) * max_rows);
    const int64_t blocks = max(ceil_div(outputs, fitting), min(enough_tasks, ceil_div(outputs, max_rows)));
    parallel(blocks, [&](int64_t block, int) {
        const int64_t first = outputs * block / blocks, count = outputs * (block + 1) / blocks - first;
        const Rows rows = Rows::in(working_memory<Level>(Scratch::own, Rows::levels(count, deep)), count, deep);
        for (int64_t row = 0; row < count; ++row)
            gather_row(input, rows, row, first + row);
        for (int64_t q = 0; q < panels; ++q) {
            const Panel filters(job, q);
            multiply_panel(job, filters, rows, 0, count, next_panel(job, filters, q + 1 == panels, count));
        }
    });
}

// x as levels, with the zeros around it that the kernel sees.
struct PaddedMap {
    const Level *at;
    int64_t step_n, step_h, step_w;
};

// Rows and columns of it: as far as the last window reaches.
int64_t padded_height(const ConvJob &conv) {
    return (conv.y.h - 1) * conv.stride_h + (conv.weights.rows - 1) * conv.dilation_h + 1;
}
int64_t padded_width(const ConvJob &conv) {
    return (conv.y.w - 1) * conv.stride_w + (conv.weights.columns - 1) * conv.dilation_w + 1;
}

bool sees_no_border(const ConvJob &conv) {
    return conv.pad_top == 0 && conv.pad_left == 0 && padded_height(conv) <= conv.x.h && padded_width(conv) <= conv.x.w;
}

PaddedMap to_padded(Input &input, bool of_levels, Level *map) {
    const auto &conv = input.conv;
    const auto &x = conv.x;
    const int64_t height = padded_height(conv), width = padded_width(conv);
    const int64_t line = width * x.c, left = min(conv.pad_left, width);
    const int64_t inside = max(min(x.w, width - conv.pad_left), 0);
    const auto zero = Level(-input.rounding.below);
    const auto set = [zero](Level *to, int64_t count) {
        will_write(to, count);
        for (int64_t i = 0; i < count; ++i)
            to[i] = zero;
    };
    parallel(x.n * height, [&](int64_t task, int) {
        const int64_t row = task % height - conv.pad_top;
        Level *const to = map + task * line;
        if (row < 0 || row >= x.h)
            return set(to, line);
        const float *const from = x.data + task / height * x.step_n + row * x.step_h;
        set(to, left * x.c);
        set(to + (left + inside) * x.c, line - (left + inside) * x.c);
        if (of_levels) {
            const Level *const levels = input.map + (from - x.data);
            will_read(levels, inside * x.c), will_write(to + left * x.c, inside * x.c);
            __builtin_memcpy(to + left * x.c, levels, size_t(inside * x.c) * sizeof(Level));
        } else if (!to_levels(input.rounding, from, inside * x.c, to + left * x.c)) {
            input.see_nan();
        }
    });
    return {map, height * line, line, x.c};
}

// Some outputs of one line of y, for a panel of filters: their inputs are read where they lie.
void multiply_line(const Int8Job &job, const Panel &panel_of, const PaddedMap &map, int64_t line, Ahead &ahead) {
    const auto &conv = job.conv;
    const auto &y = conv.y;
    const auto &w = conv.weights;
    const int64_t n = line / y.h, row = line % y.h, step = conv.stride_w * map.step_w;
    const Level *const from = map.at + n * map.step_n + row * conv.stride_h * map.step_h;
    row_blocks(y.w, [&](int64_t first, int64_t count) {
        with_rows(count, [&](auto constant) {
            constexpr int R = decltype(constant)::value;
            IntSums<R> sums{};
            const WeightLevel *b = panel_of.levels;
            for (int64_t r = 0; r < w.rows; ++r)
                for (int64_t s = 0; s < w.columns; ++s) {
                    multiply_apart<R>(from + r * conv.dilation_h * map.step_h + s * conv.dilation_w * map.step_w +
                                          first * step,
                                      step, b, w.channels / group, sums);
                    b += w.channels * panel;
                    ahead.step();
                }
            Sums<R> found;
            int64_t to[R];
            for (int i = 0; i < R; ++i)
                to[i] = n * y.step_n + row * y.step_h + (first + i) * y.step_w;
            each_sum(found, [&](int i, int v, Floats &sum) {
                sum = __builtin_convertvector(sums.at[i][v] + panel_of.below[v], Floats);
            });
            panel_of.epilogue.store_all(found, to);
        });
    });
}

// Whole groups of channels: nothing is gathered. A task is some lines of outputs for all filters, or where those are
// few, for some.
void by_lines(const Int8Job &job, const PaddedMap &map) {
    const auto &y = job.conv.y;
    const auto &w = job.conv.weights;
    const int64_t all = y.n * y.h, panels = ceil_div(y.c, panel), deep = deep_of(w);
    const bool shares = all * y.w <= few_outputs;
    const int64_t fitting = max(max_outputs / y.w, 1);
    const int64_t cuts =
        shares ? max(min(ceil_div(enough_tasks, panels), all), 1) : max(ceil_div(all, fitting), min(enough_tasks, all));
    const int64_t each = shares ? 1 : panels; // panels of a task
    parallel(cuts * panels / each, [&](int64_t task, int) {
        const int64_t cut = task % cuts, first = all * cut / cuts, last = all * (cut + 1) / cuts;
        for (int64_t q = task / cuts * each; q < (task / cuts + 1) * each; ++q) {
            const Panel filters(job, q);
            const int64_t blocks = (last - first) * ceil_div(y.w, max_rows) * w.rows * w.columns;
            const auto *const next = reinterpret_cast<const float *>(filters.levels + deep * panel);
            const int64_t bytes = q + 1 < panels ? deep * panel * int64_t(sizeof(WeightLevel)) : 0;
            Ahead ahead(next, bytes / int64_t(sizeof(float)), blocks);
            for (int64_t line = first; line < last; ++line)
                multiply_line(job, filters, map, line, ahead);
        }
    });
}

// The whole of x as levels.
void to_map(const Int8Job &job, Input &input, Level *map) {
    constexpr int64_t at_once = 16 * 1024;
    const auto &x = job.conv.x;
    const int64_t numbers = x.n * x.h * x.w * x.c;
    parallel(ceil_div(numbers, at_once), [&](int64_t task, int) {
        const int64_t first = task * at_once;
        if (!to_levels(input.rounding, x.data + first, min(at_once, numbers - first), map + first))
            input.see_nan();
    });
    input.map = map;
}

// NaN to every output that sees one.
void mark(const ConvJob &conv) {
    const auto &y = conv.y;
    parallel(y.n * y.h * y.w, [&](int64_t output, int) {
        bool all = true;
        const int64_t at = gather(conv, output, [&](int64_t, const float *from, int64_t count) {
            for (int64_t i = 0; from && i < count; ++i)
                all &= checked(from + i) == from[i];
        });
        for (int64_t filter = 0; !all && filter < y.c; ++filter)
            checked(y.data + at + filter) = __builtin_nanf("");
    });
}

void tell_of_nan(const Input &input) {
    if (input.saw_nan && input.conv.epilogue.stored)
        tell(input.conv.epilogue.stored->saw_nan);
    else if (input.saw_nan)
        mark(input.conv);
}

int64_t weights_size(const Weights &w) {
    return round_up(w.filters, panel) * (2 + ceil_div(deep_of(w) * int64_t(sizeof(WeightLevel)), sizeof(float)));
}

void pack_weights(const Weights &w, float *packed) {
    const int64_t depth = depth_of(w), deep = deep_of(w), filters = round_up(w.filters, panel);
    auto *const sums = reinterpret_cast<int32_t *>(packed + filters);
    auto *const levels = reinterpret_cast<WeightLevel *>(packed + 2 * filters);
    const auto number = [&w](int64_t filter, int64_t k) {
        const int64_t cell = k / w.channels, c = k % w.channels;
        return checked(w.data + filter * w.step_filter + c * w.step_channel + cell / w.columns * w.step_row +
                       cell % w.columns * w.step_column);
    };
    parallel(filters, [&](int64_t filter, int) {
        const bool is_one = filter < w.filters;
        float largest = 0;
        for (int64_t k = 0; is_one && k < depth; ++k)
            largest = __builtin_fmaxf(largest, __builtin_fabsf(number(filter, k)));
        const float step = largest > 0 ? largest / float(highest_weight) : 1.0f;
        int32_t sum = 0;
        for (int64_t k = 0; k < deep; ++k) {
            const float exact = is_one && k < depth ? number(filter, k) / step : 0.0f;
            const auto level = WeightLevel(__builtin_rintf(exact));
            sum += level;
            checked(levels + (filter / panel * deep / group + k / group) * panel * group + filter % panel * group +
                    k % group) = level;
        }
        checked(packed + filter) = step;
        checked(sums + filter) = sum;
    });
}

void convolve(const Int8Job &job) {
    const auto &conv = job.conv;
    const int64_t outputs = conv.y.n * conv.y.h * conv.y.w, deep = deep_of(conv.weights);
    const bool whole_groups = conv.weights.channels % group == 0;
    const bool apart = whole_groups && (conv.weights.rows * conv.weights.columns > 1 || job.of_levels);
    if (apart) {
        Input input{conv, Rounding(job.levels, from_lowest),
                    job.of_levels ? reinterpret_cast<const Level *>(conv.x.data) : nullptr};
        if (job.of_levels && sees_no_border(conv)) {
            by_lines(job, {input.map, conv.x.h * conv.x.w * conv.x.c, conv.x.w * conv.x.c, conv.x.c});
        } else {
            const int64_t all = conv.x.n * padded_height(conv) * padded_width(conv) * conv.x.c;
            auto *const memory = working_memory<Level>(Scratch::shared, all);
            by_lines(job, to_padded(input, job.of_levels, memory));
        }
        return tell_of_nan(input);
    }
    const int64_t shared = Rows::levels(outputs, deep);
    const bool few = outputs <= few_outputs && shared * int64_t(sizeof(Level)) <= shared_bytes;
    const bool as_it_is = job.of_levels || conv.weights.rows * conv.weights.columns == 1;
    const int64_t mapped = as_it_is ? 0 : round_up(conv.x.n * conv.x.h * conv.x.w * conv.x.c, 64);
    Input input{conv, Rounding(job.levels, from_lowest),
                job.of_levels ? reinterpret_cast<const Level *>(conv.x.data) : nullptr};
    auto *const memory = working_memory<Level>(Scratch::shared, mapped + (few ? shared : 0));
    if (!as_it_is)
        to_map(job, input, memory);
    if (few)
        by_sharing(job, input, memory + mapped);
    else
        by_gathering(job, input);
    tell_of_nan(input);
}

void largest(Level *__restrict best, const Level *__restrict here, int64_t count) {
    for (int64_t c = 0; c < count; ++c)
        best[c] = here[c] > best[c] ? here[c] : best[c];
}

// Max pooling: the largest number has the largest level.
void pool(const PoolJob &job) {
    const auto &x = job.x;
    const auto &y = job.y;
    const auto *const from = reinterpret_cast<const Level *>(x.data);
    auto *const to = reinterpret_cast<Level *>(y.data);
    parallel(y.n * y.h, [&](int64_t task, int) {
        const int64_t n = task / y.h, top = task % y.h * job.stride_h - job.pad_top;
        for (int64_t column = 0; column < y.w; ++column) {
            Level *const __restrict best = to + n * y.step_n + task % y.h * y.step_h + column * y.step_w;
            will_write(best, x.c);
            __builtin_memset(best, 0, size_t(x.c) * sizeof(Level)); // a window is never all past the border
            bool first = true;
            for (int64_t cell = 0; cell < job.rows * job.columns; ++cell) {
                const int64_t row = top + cell / job.columns * job.dilation_h;
                const int64_t at = column * job.stride_w - job.pad_left + cell % job.columns * job.dilation_w;
                if (row < 0 || row >= x.h || at < 0 || at >= x.w)
                    continue;
                const Level *const __restrict here = from + n * x.step_n + row * x.step_h + at * x.step_w;
                will_read(here, x.c);
                if (first)
                    __builtin_memcpy(best, here, size_t(x.c) * sizeof(Level));
                else
                    largest(best, here, x.c);
                first = false;
            }
        }
    });
}

} // namespace

extern const Int8Kernels int8_kernels;
const Int8Kernels int8_kernels{weights_size, pack_weights, convolve, pool, sizeof(Level)};

} // namespace convolens::CONVOLENS_ISA
