// Max pooling of pictures whose channels lie side by side, and its gradient.
//
//   for each row of outputs (a task), for each output, for each vector of channels
//     for each cell of the window: where it is larger than the best so far, or NaN, it is the best, and its place kept
//
// One pass; a window's cells come from the cache. The gradient adds each value to its place; a task takes a picture's
// vectors of channels alone, so overlapping windows never meet in two threads. Windows side by side need no adding.
#include "../gemm.hpp"
#include "../layers.hpp"
#include "../threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

using Places = Vector<int32_t>;

template <bool with_places>
void pool_vector(const PoolJob &job, const float *picture, int64_t top, int64_t left, int64_t c, int64_t to) {
    const auto &x = job.x;
    const int64_t count = least(lanes<float>, x.c - c);
    Floats best = spread(-__builtin_inff());
    Places place{};
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
            if constexpr (with_places) {
                const Places here = spread(int32_t(row * x.w + column));
                place = first ? here : (better ? here : place); // the first cell, where all are -∞
                first = false;
            }
        }
    }
    store_some(job.y.data + to + c, best, count);
    if constexpr (with_places)
        for (int64_t i = 0; i < count; ++i)
            job.places[to + c + i] = place[i];
}

template <bool with_places> void run(const PoolJob &job) {
    const auto &x = job.x;
    const auto &y = job.y;
    parallel(y.n * y.h, [&](int64_t task, int) {
        const int64_t n = task / y.h, row = task % y.h;
        for (int64_t column = 0; column < y.w; ++column)
            for (int64_t c = 0; c < x.c; c += lanes<float>)
                pool_vector<with_places>(job, x.data + n * x.step_n, row * job.stride_h - job.pad_top,
                                         column * job.stride_w - job.pad_left, c,
                                         n * y.step_n + row * y.step_h + column * y.step_w);
    });
}

// The values whose place is this one, and zeros.
void chosen(const int64_t *__restrict places, const float *__restrict values, int64_t here, int64_t count,
            float *__restrict to) {
    for (int64_t c = 0; c < count; ++c)
        to[c] = places[c] == here ? values[c] : 0;
}

// Windows one beside the other: each cell belongs to one window or none, so it is written once. A task takes a row of
// windows, and what lies below the last; a window's places and values are read once, and serve its cells from the
// cache.
void side_by_side(const PoolGradientJob &job) {
    const auto &g = job.g;
    const auto &x = job.gradient;
    const int64_t bands = (x.h + job.rows - 1) / job.rows;
    parallel(x.n * bands, [&](int64_t task, int) {
        const int64_t n = task / bands, r = task % bands;
        for (int64_t row = r * job.rows; row < least(x.h, (r + 1) * job.rows); ++row) {
            float *to = x.data + n * x.step_n + row * x.step_h;
            const int64_t within = r < g.h ? least(g.w * job.columns, x.w) : 0;
            __builtin_memset(to + within * x.c, 0, size_t((x.w - within) * x.c) * sizeof(float));
        }
        for (int64_t s = 0; s < g.w && r < g.h; ++s) {
            const int64_t from = n * g.step_n + r * g.step_h + s * g.step_w;
            for (int64_t row = r * job.rows; row < least(x.h, (r + 1) * job.rows); ++row)
                for (int64_t column = s * job.columns; column < least(x.w, (s + 1) * job.columns); ++column)
                    chosen(job.places + from, g.data + from, row * x.w + column, x.c,
                           x.data + n * x.step_n + row * x.step_h + column * x.step_w);
        }
    });
}

} // namespace

void pool(const PoolJob &job) {
    if (job.places)
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
        const int64_t n = task / parts, c0 = task % parts * width, c1 = least(c0 + width, g.c);
        float *to = x.data + n * x.step_n;
        for (int64_t pixel = 0; pixel < x.h * x.w; ++pixel)
            __builtin_memset(to + pixel * x.c + c0, 0, size_t(c1 - c0) * sizeof(float));
        for (int64_t pixel = 0; pixel < g.h * g.w; ++pixel) {
            const int64_t from = n * g.step_n + pixel * g.c;
            for (int64_t c = c0; c < c1; ++c)
                to[job.places[from + c] * x.c + c] += g.data[from + c];
        }
    });
}

} // namespace convolens::CONVOLENS_ISA
