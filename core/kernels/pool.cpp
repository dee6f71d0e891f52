// Max pooling of pictures whose channels lie side by side, and its gradient.
//
//   for each row of outputs (a task), for each output, for each vector of channels
//     for each cell of the window: where it is larger than the best so far, or NaN, it and its position are
//     the best
//
// One pass; a window's cells come from the cache. The gradient adds each value where its maximum was; a task takes a
// picture's vectors of channels alone, so overlapping windows never meet in two threads. Windows side by side need no
// adding.
#include "jobs/layers.hpp"
#include "kernels/simd.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

using Positions = Vector<int32_t>;

template <bool with_argmax>
void pool_vector(const PoolJob &job, const float *picture, int64_t top, int64_t left, int64_t c, int64_t to) {
    const auto &x = job.x;
    const int64_t count = min(lanes<float>, x.c - c);
    Floats best = broadcast(-__builtin_inff());
    Positions position{};
    bool first = true;
    for (int64_t r = 0; r < job.rows; ++r) {
        const int64_t row = top + r * job.dilation_h;
        if (row < 0 || row >= x.h)
            continue;
        for (int64_t s = 0; s < job.columns; ++s) {
            const int64_t column = left + s * job.dilation_w;
            if (column < 0 || column >= x.w)
                continue;
            const Floats value = load_some(picture + row * x.step_h + column * x.step_w + c, count);
            const auto better = (value > best) | (value != value);
            best = better ? value : best;
            if constexpr (with_argmax) {
                const Positions here = broadcast(int32_t(row * x.w + column));
                position = first ? here : (better ? here : position); // the first cell, where all are -∞
                first = false;
            }
        }
    }
    store_some(job.y.data + to + c, best, count);
    if constexpr (with_argmax)
        for (int64_t i = 0; i < count; ++i)
            checked(job.argmax + to + c + i) = position[i];
}

template <bool with_argmax> void run(const PoolJob &job) {
    const auto &x = job.x;
    const auto &y = job.y;
    parallel(y.n * y.h, [&](int64_t task, int) {
        const int64_t n = task / y.h, row = task % y.h;
        for (int64_t column = 0; column < y.w; ++column)
            for (int64_t c = 0; c < x.c; c += lanes<float>)
                pool_vector<with_argmax>(job, x.data + n * x.step_n, row * job.stride_h - job.pad_top,
                                         column * job.stride_w - job.pad_left, c,
                                         n * y.step_n + row * y.step_h + column * y.step_w);
    });
}

// The values whose maximum lies here, and zeros.
void chosen(const int64_t *__restrict argmax, const float *__restrict values, int64_t here, int64_t count,
            float *__restrict to) {
    will_read(argmax, count), will_read(values, count), will_write(to, count);
    for (int64_t c = 0; c < count; ++c)
        to[c] = argmax[c] == here ? values[c] : 0;
}

// Windows one beside the other: each cell belongs to one window or none, so it is written once. A task takes a row of
// windows, and what lies below the last; a window's argmax and values are read once, and serve its cells from the
// cache.
void side_by_side(const PoolGradientJob &job) {
    const auto &g = job.g;
    const auto &x = job.gradient;
    const int64_t bands = (x.h + job.rows - 1) / job.rows;
    parallel(x.n * bands, [&](int64_t task, int) {
        const int64_t n = task / bands, r = task % bands;
        for (int64_t row = r * job.rows; row < min(x.h, (r + 1) * job.rows); ++row) {
            float *to = x.data + n * x.step_n + row * x.step_h;
            const int64_t within = r < g.h ? min(g.w * job.columns, x.w) : 0;
            clear(to + within * x.c, (x.w - within) * x.c);
        }
        for (int64_t s = 0; s < g.w && r < g.h; ++s) {
            const int64_t from = n * g.step_n + r * g.step_h + s * g.step_w;
            for (int64_t row = r * job.rows; row < min(x.h, (r + 1) * job.rows); ++row)
                for (int64_t column = s * job.columns; column < min(x.w, (s + 1) * job.columns); ++column)
                    chosen(job.argmax + from, g.data + from, row * x.w + column, x.c,
                           x.data + n * x.step_n + row * x.step_h + column * x.step_w);
        }
    });
}

} // namespace

void pool(const PoolJob &job) {
    if (job.argmax)
        run<true>(job);
    else
        run<false>(job);
}

void pool_gradient(const PoolGradientJob &job) {
    if (job.rows > 0)
        return side_by_side(job);
    const auto &g = job.g;
    const auto &x = job.gradient;
    constexpr int64_t width = 32; // channels of a task: whole cache lines, and two tasks for the fewest channels
    const int64_t parts = (g.c + width - 1) / width;
    parallel(g.n * parts, [&](int64_t task, int) {
        const int64_t n = task / parts, c0 = task % parts * width, c1 = min(c0 + width, g.c);
        float *to = x.data + n * x.step_n;
        for (int64_t pixel = 0; pixel < x.h * x.w; ++pixel)
            clear(to + pixel * x.c + c0, c1 - c0);
        for (int64_t pixel = 0; pixel < g.h * g.w; ++pixel) {
            const int64_t from = n * g.step_n + pixel * g.c;
            for (int64_t c = c0; c < c1; ++c)
                checked(to + checked(job.argmax + from + c) * x.c + c) += checked(g.data + from + c);
        }
    });
}

} // namespace convolens::CONVOLENS_ISA
