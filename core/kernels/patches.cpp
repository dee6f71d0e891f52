// Any convolution of one group as a matrix product: each output's inputs are gathered into a row, in cache.
//
//   for each task: a block of outputs and a group of panels of filters
//     rows[block of depth][output][depth_block]     the inputs under the kernel, by kernel row, column, channel
//     for each panel of filters
//       sums = rows · weights                       register block by register block
//       y = sums + bias + residual, ReLU            while they are in the first-level cache
//
// A 1×1 layer gathers nothing but copies its pixels once, for a constant distance between rows (gemm.hpp). A first
// layer, of up to four channels, reads its inputs where they are: a kernel's row is one run of columns × channels.
#include "../gemm.hpp"
#include "../layers.hpp"
#include "../scratch.hpp"
#include "../threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t most_outputs = 4 * most_rows; // of a task
constexpr int64_t cache_floats = 128 * 1024;    // its gathered rows: half a MiB
constexpr int64_t enough_tasks = 16;            // below this, panels are shared out as well as outputs

struct Row {
    float *rows;
    int64_t outputs, output;
};

// `count` inputs (zeros where from is null) to depth k of a row.
inline void put(const Row &row, int64_t k, const float *from, int64_t count) {
    while (count > 0) {
        const int64_t some = least(count, depth_block - k % depth_block);
        float *to = row.rows + (k / depth_block * row.outputs + row.output) * depth_block + k % depth_block;
        if (from) {
            if (some == depth_block) // inline, where a call would cost as much as the copy
                __builtin_memcpy(to, from, depth_block * sizeof(float));
            else
                __builtin_memcpy(to, from, size_t(some) * sizeof(float));
            from += some;
        } else {
            __builtin_memset(to, 0, size_t(some) * sizeof(float));
        }
        k += some, count -= some;
    }
}

// The inputs that output (n, y, x) sees.
void gather(const PatchesJob &job, int64_t n, int64_t y, int64_t x, const Row &row) {
    const auto &in = job.x;
    const auto &w = job.weights;
    const int64_t left = x * job.stride_w - job.pad_left;
    const bool one_run = in.step_w == in.c && job.dilation_w == 1 && left >= 0 && left + w.columns <= in.w;
    for (int64_t r = 0; r < w.rows; ++r) {
        const int64_t at_h = y * job.stride_h - job.pad_top + r * job.dilation_h, k = r * w.columns * in.c;
        const float *line = at_h >= 0 && at_h < in.h ? in.data + n * in.step_n + at_h * in.step_h : nullptr;
        if (!line || one_run) {
            put(row, k, line ? line + left * in.step_w : nullptr, w.columns * in.c);
            continue;
        }
        for (int64_t s = 0; s < w.columns; ++s) {
            const int64_t at_w = left + s * job.dilation_w;
            put(row, k + s * in.c, at_w >= 0 && at_w < in.w ? line + at_w * in.step_w : nullptr, in.c);
        }
    }
}

// What is done to a panel's sums while they are in registers; `whole` where no filter of the panel is beyond the last.
template <bool whole> struct Finisher {
    const PatchesJob &job;
    int64_t filter;
    Floats bias[panel_vectors];

    Finisher(const PatchesJob &job, int64_t filter) : job(job), filter(filter), bias{} {
        for (int v = 0; v < panel_vectors && job.finish.bias; ++v)
            bias[v] = load_some(job.finish.bias + filter + v * lanes<float>, job.y.c - filter - v * lanes<float>);
    }

    void operator()(int64_t pixel, int v, Floats sum) const {
        const int64_t at = pixel + filter + v * lanes<float>;
        const int64_t some = whole ? lanes<float> : job.y.c - filter - v * lanes<float>;
        sum += bias[v];
        if (job.finish.residual)
            sum += load_some(job.finish.residual + at, some);
        if (job.finish.relu)
            sum = sum < Floats{} ? Floats{} : sum;
        store_some(job.y.data + at, sum, some);
    }
};

// Calls f(Finisher) for panel q.
template <class F> void with_finisher(const PatchesJob &job, int64_t q, const F &f) {
    if ((q + 1) * panel <= job.y.c)
        f(Finisher<true>(job, q * panel));
    else
        f(Finisher<false>(job, q * panel));
}

// A first layer: so few channels that neighbouring outputs' inputs lie a small constant apart, and nothing is gathered.
// A task is a row of outputs; it copies the lines under the kernel once, for the zeros at both ends.
template <int Apart> void by_lines(const PatchesJob &job) {
    const auto &x = job.x;
    const auto &y = job.y;
    const auto &w = job.weights;
    const int64_t run = w.columns * x.c, length = (y.w - 1) * Apart + run, depth = w.rows * run;
    parallel(y.n * y.h, [&](int64_t task, int) {
        const int64_t n = task / y.h, row = task % y.h;
        float *lines = scratch(Scratch::own, w.rows * length);
        const int64_t left = least(job.pad_left * x.c, length), inside = least(x.w * x.c, length - left);
        for (int64_t r = 0; r < w.rows; ++r) {
            const int64_t from = row * job.stride_h - job.pad_top + r;
            float *line = lines + r * length;
            __builtin_memset(line, 0, size_t(length) * sizeof(float));
            if (from >= 0 && from < x.h)
                __builtin_memcpy(line + left, x.data + n * x.step_n + from * x.step_h, size_t(inside) * sizeof(float));
        }
        const int64_t pixel = n * y.step_n + row * y.step_h;
        for (int64_t filter = 0; filter < y.c; filter += panel)
            with_finisher(job, filter / panel, [&](const auto &finish) {
                row_blocks(y.w, [&](int64_t first, int64_t count) {
                    with_rows(count, [&](auto constant) {
                        constexpr int R = decltype(constant)::value;
                        Sums<R> sums{};
                        for (int64_t r = 0; r < w.rows; ++r)
                            multiply<R, Apart, 1, panel>(lines + r * length + first * Apart,
                                                         job.packed + filter * depth + r * run * panel, run, sums);
#pragma GCC unroll 16
                        for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
                            for (int v = 0; v < panel_vectors; ++v)
                                finish(pixel + (first + i) * y.step_w, v, sums.at[i][v]);
                    });
                });
            });
    });
}

void by_gathering(const PatchesJob &job) {
    const auto &y = job.y;
    const int64_t depth = job.weights.rows * job.weights.columns * job.x.c, deep = round_up(depth, depth_block);
    const int64_t outputs = y.n * y.h * y.w, panels = (y.c + panel - 1) / panel;
    const int64_t fitting = least(most_outputs, most(cache_floats / deep / most_rows, 1) * most_rows);
    const int64_t blocks = (outputs + fitting - 1) / fitting;
    const int64_t groups = least(panels, (enough_tasks + blocks - 1) / most(blocks, 1));
    parallel(blocks * groups, [&](int64_t task, int) {
        const int64_t block = task / groups, group = task % groups;
        const int64_t first = outputs * block / blocks, count = outputs * (block + 1) / blocks - first;
        float *rows = scratch(Scratch::own, deep * count);
        int64_t to[most_outputs];
        for (int64_t i = 0; i < count; ++i) {
            const int64_t n = (first + i) / (y.h * y.w), pixel = (first + i) % (y.h * y.w);
            gather(job, n, pixel / y.w, pixel % y.w, {rows, count, i});
            to[i] = n * y.step_n + pixel / y.w * y.step_h + pixel % y.w * y.step_w;
        }
        for (int64_t q = panels * group / groups; q < panels * (group + 1) / groups; ++q)
            with_finisher(job, q, [&](const auto &finish) {
                multiply_rows(rows, count, job.packed + q * panel * depth, depth, count,
                              [&](int64_t row, int v, Floats sum) { finish(to[row], v, sum); });
            });
    });
}

} // namespace

int64_t patches_weights_size(const Weights &w) { return round_up(w.filters, panel) * w.rows * w.columns * w.channels; }

// [panel of filters][kernel row][column][channel][panel]; filters beyond the last are zero.
void patches_weights(const Weights &w, float *packed) {
    const int64_t cells = w.rows * w.columns, depth = cells * w.channels;
    parallel((w.filters + panel - 1) / panel, [&](int64_t task, int) {
        float *to = packed + task * depth * panel;
        for (int64_t k = 0; k < depth; ++k) {
            const int64_t cell = k / w.channels, c = k % w.channels;
            const float *from =
                w.data + c * w.step_channel + cell / w.columns * w.step_row + cell % w.columns * w.step_column;
            for (int64_t f = 0; f < panel; ++f) {
                const int64_t filter = task * panel + f;
                to[k * panel + f] = filter < w.filters ? from[filter * w.step_filter] : 0;
            }
        }
    });
}

void patches(const PatchesJob &job) {
    const bool lines = job.dilation_h == 1 && job.dilation_w == 1 && job.x.step_w == job.x.c && job.x.c <= 4;
    switch (lines ? job.x.c * job.stride_w : 0) {
    case 1:
        return by_lines<1>(job);
    case 2:
        return by_lines<2>(job);
    case 3:
        return by_lines<3>(job);
    case 4:
        return by_lines<4>(job);
    case 6:
        return by_lines<6>(job);
    case 8:
        return by_lines<8>(job);
    default:
        return by_gathering(job);
    }
}

} // namespace convolens::CONVOLENS_ISA
