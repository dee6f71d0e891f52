// Any convolution of one group as a matrix product: each output's inputs are gathered into a row, in cache.
//
//   for each task: a block of outputs and a group of panels of filters
//     rows[block of depth][output][depth_block]     the inputs under the kernel, by kernel row, column, channel
//     for each panel of filters
//       sums = rows · weights                       register block by register block
//       y = sums + bias + residual, ReLU            while they are in the first-level cache
//
// A 1×1 layer reads its pixels where they lie; with a stride or many channels it copies them once, for a distance
// between rows that is known when this is compiled (gemm.hpp). A first layer, of up to four channels, reads its inputs
// where they are: a kernel's row is one run of columns × channels.
#include "jobs/layers.hpp"
#include "kernels/gather.hpp"
#include "kernels/gemm.hpp"
#include "kernels/panel_epilogue.hpp"
#include "kernels/rows.hpp"
#include "runtime/scratch.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t max_outputs = 96;          // of a task
constexpr int64_t cache_floats = 128 * 1024; // its gathered rows: half a MiB
constexpr int64_t enough_tasks = 16;         // below this, tasks are made of panels as well as of outputs
constexpr int64_t few_outputs = 256;         // whose rows are gathered once for all threads
constexpr int64_t depth_chunk = 512;         // of filters that stay in cache while they meet these rows

// The inputs that an output sees, as a row; gives its place in y.
int64_t gather_row(const ConvJob &job, int64_t output, const Blocks &rows, int64_t row) {
    return gather(job, output, [&](int64_t k, const float *from, int64_t count) { put(rows, row, k, from, count); });
}

// A first layer: so few channels that neighbouring outputs' inputs lie a small constant apart, and nothing is gathered.
// A task is a row of outputs; it copies the lines under the kernel once, for the zeros at both ends.
template <int Apart> void by_lines(const ConvJob &job) {
    const auto &x = job.x;
    const auto &y = job.y;
    const auto &w = job.weights;
    const int64_t run = w.columns * x.c, length = (y.w - 1) * Apart + run, depth = w.rows * run;
    parallel(y.n * y.h, [&](int64_t task, int) {
        const int64_t n = task / y.h, row = task % y.h;
        float *lines = scratch(Scratch::own, w.rows * length);
        const int64_t left = min(job.pad_left * x.c, length), inside = min(x.w * x.c, length - left);
        for (int64_t r = 0; r < w.rows; ++r) {
            const int64_t from = row * job.stride_h - job.pad_top + r;
            float *line = lines + r * length;
            clear(line, length);
            if (from < 0 || from >= x.h)
                continue;
            const float *pixels = x.data + n * x.step_n + from * x.step_h;
            will_read(pixels, inside);
            __builtin_memcpy(line + left, pixels, size_t(inside) * sizeof(float));
        }
        const int64_t pixel = n * y.step_n + row * y.step_h;
        for (int64_t filter = 0; filter < y.c; filter += panel) {
            const PanelEpilogue epilogue(job, filter);
            row_blocks(y.w, [&](int64_t first, int64_t count) {
                int64_t at[max_rows];
                for (int64_t i = 0; i < count; ++i)
                    at[i] = pixel + (first + i) * y.step_w;
                with_rows(count, [&](auto constant) {
                    constexpr int R = decltype(constant)::value;
                    Sums<R> sums{};
                    for (int64_t r = 0; r < w.rows; ++r)
                        multiply<R, Apart, 1, panel>(lines + r * length + first * Apart,
                                                     job.packed + filter * depth + r * run * panel, run, sums);
                    epilogue.store_all(sums, at);
                });
            });
        }
    });
}

void by_gathering(const ConvJob &job) {
    const auto &y = job.y;
    const int64_t depth = job.weights.rows * job.weights.columns * job.x.c, deep = round_up(depth, depth_block);
    const int64_t outputs = y.n * y.h * y.w, panels = (y.c + panel - 1) / panel;
    const int64_t fitting = min(max_outputs, max(cache_floats / deep / max_rows, 1) * max_rows);
    const int64_t blocks = (outputs + fitting - 1) / fitting;
    const int64_t groups = min(panels, ceil_div(enough_tasks, max(blocks, 1)));
    parallel(blocks * groups, [&](int64_t task, int) {
        const int64_t block = task / groups, group = task % groups;
        const int64_t first = outputs * block / blocks, count = outputs * (block + 1) / blocks - first;
        float *rows = scratch(Scratch::own, deep * count);
        int64_t to[max_outputs];
        for (int64_t i = 0; i < count; ++i)
            to[i] = gather_row(job, first + i, {rows, count}, i);
        for (int64_t q = panels * group / groups; q < panels * (group + 1) / groups; ++q) {
            const PanelEpilogue epilogue(job, q * panel);
            const float *weights = job.packed + q * panel * depth;
            const Ahead next(weights + panel * depth, q + 1 < panels ? panel * depth : 0, steps_ahead(depth, count));
            multiply_rows(rows, count, weights, depth, count, next,
                          [&](int64_t first, auto &sums) { epilogue.store_all(sums, to + first); });
        }
    });
}

// One cell, every place: the rows are there, one behind the other, as long as not too many fall into one set of the
// cache.
constexpr int64_t deepest_in_place = 512;

bool is_in_place(const ConvJob &job) {
    const auto &x = job.x;
    const bool pointwise = job.weights.rows * job.weights.columns == 1 && job.stride_h == 1 && job.stride_w == 1 &&
                           job.pad_top == 0 && job.pad_left == 0;
    const bool dense = x.step_w == x.c && x.step_h == x.w * x.c && (x.n == 1 || x.step_n == x.h * x.w * x.c);
    return pointwise && dense && x.h == job.y.h && x.w == job.y.w && x.c <= deepest_in_place;
}

void in_place(const ConvJob &job) {
    const auto &y = job.y;
    const int64_t depth = job.x.c, outputs = y.n * y.h * y.w, panels = ceil_div(y.c, panel);
    const int64_t blocks = ceil_div(outputs, max_outputs);
    const int64_t groups = min(panels, ceil_div(enough_tasks, max(blocks, 1)));
    parallel(blocks * groups, [&](int64_t task, int) {
        const int64_t block = task / groups, group = task % groups;
        const int64_t first = outputs * block / blocks, count = outputs * (block + 1) / blocks - first;
        const int64_t first_panel = panels * group / groups, last_panel = panels * (group + 1) / groups;
        int64_t to[max_outputs];
        for (int64_t i = 0; i < count; ++i) {
            const int64_t pixel = (first + i) % (y.h * y.w);
            to[i] = (first + i) / (y.h * y.w) * y.step_n + pixel / y.w * y.step_h + pixel % y.w * y.step_w;
        }
        for (int64_t q = first_panel; q < last_panel; ++q) {
            const PanelEpilogue epilogue(job, q * panel);
            const float *const weights = job.packed + q * panel * depth;
            Ahead filters(weights + panel * depth, q + 1 < last_panel ? panel * depth : 0, steps_ahead(depth, count));
            row_blocks(count, [&](int64_t row, int64_t some) {
                const float *const a = job.x.data + (first + row) * depth;
                // The first panel is the first to read these rows.
                Ahead rows(a + some * depth, q == first_panel ? min(count - row - some, some) * depth : 0,
                           ceil_div(depth, ahead_depth));
                with_rows(some, [&](auto constant) {
                    constexpr int R = decltype(constant)::value;
                    Sums<R> sums{};
                    for (int64_t k = 0; k < depth; k += ahead_depth) {
                        multiply_apart<R>(a + k, depth, weights + k * panel, min(depth - k, ahead_depth), sums);
                        filters.step(), rows.step();
                    }
                    epilogue.store_all(sums, to + row);
                });
            });
        }
    });
}

// Few outputs, and so filters that are the large thing (a deep layer of one picture): all threads gather the rows,
// once, then share the filters, each of which is read once: a chunk of its depth stays in cache for all rows, whose
// sums wait in between.
void by_sharing(const ConvJob &job) {
    const auto &y = job.y;
    const int64_t depth = job.weights.rows * job.weights.columns * job.x.c, deep = round_up(depth, depth_block);
    const int64_t outputs = y.n * y.h * y.w, panels = ceil_div(y.c, panel);
    const int64_t parts = max(min(ceil_div(enough_tasks, panels), outputs / max_rows), 1); // of the rows
    float *rows = scratch(Scratch::shared, deep * outputs);
    int64_t to[few_outputs];
    parallel(ceil_div(outputs, max_rows), [&](int64_t task, int) {
        for (int64_t i = task * max_rows; i < min((task + 1) * max_rows, outputs); ++i)
            to[i] = gather_row(job, i, {rows, outputs}, i);
    });
    parallel(panels * parts, [&](int64_t task, int) {
        const int64_t q = task / parts, part = task % parts;
        const int64_t first = outputs * part / parts, count = outputs * (part + 1) / parts - first;
        float *const waiting = scratch(Scratch::own, count * panel);
        const float *const weights = job.packed + q * panel * depth, *const end = job.packed + panels * panel * depth;
        const PanelEpilogue epilogue(job, q * panel);
        const auto waits = [waiting](int64_t row, int i, int v) {
            return waiting + (row + i) * panel + v * lanes<float>;
        };
        for (int64_t k = 0; k < depth; k += depth_chunk) {
            const int64_t some = min(depth - k, depth_chunk);
            const float *const b = weights + k * panel, *const next = b + some * panel;
            multiply_rows(
                rows + k * outputs + first * depth_block, outputs, b, some, count,
                Ahead(next, min(some * panel, end - next), steps_ahead(some, count)),
                [&](int64_t row, auto &sums) {
                    if (k > 0)
                        each_sum(sums, [&](int i, int v, Floats &sum) { sum = load(waits(row, i, v)); });
                },
                [&](int64_t row, auto &sums) {
                    if (k + some == depth)
                        epilogue.store_all(sums, to + first + row);
                    else
                        each_sum(sums, [&](int i, int v, Floats sum) { store(waits(row, i, v), sum); });
                });
        }
    });
}

} // namespace

int64_t im2col_weights_size(const Weights &w) { return round_up(w.filters, panel) * w.rows * w.columns * w.channels; }

// [panel of filters][kernel row][column][channel][panel]; filters beyond the last are zero.
void im2col_weights(const Weights &w, float *packed) {
    const int64_t cells = w.rows * w.columns, depth = cells * w.channels;
    parallel((w.filters + panel - 1) / panel, [&](int64_t task, int) {
        float *to = packed + task * depth * panel;
        for (int64_t k = 0; k < depth; ++k) {
            const int64_t cell = k / w.channels, c = k % w.channels;
            const float *from =
                w.data + c * w.step_channel + cell / w.columns * w.step_row + cell % w.columns * w.step_column;
            for (int64_t f = 0; f < panel; ++f) {
                const int64_t filter = task * panel + f;
                checked(to + k * panel + f) = filter < w.filters ? checked(from + filter * w.step_filter) : 0;
            }
        }
    });
}

void im2col(const ConvJob &job) {
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
        if (job.y.n * job.y.h * job.y.w <= few_outputs)
            return by_sharing(job);
        return is_in_place(job) ? in_place(job) : by_gathering(job);
    }
}

} // namespace convolens::CONVOLENS_ISA
