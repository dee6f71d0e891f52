// Average pooling by windows that neither overlap nor reach past the picture but at its end, and its gradient.
//
//   for each row of outputs (a task), for each output, for each vector of channels
//     y = Σ cells / their number            or, back,            each cell = g / their number
//
// A window that hangs over the end averages the cells that are inside. One pass; rows that no window sees get zeros.
#include "jobs/layers.hpp"
#include "kernels/simd.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

struct Window {
    int64_t top, bottom, left, right;
    float weight() const { return 1.0f / float((bottom - top) * (right - left)); }
};

// Calls f(n, row, column, window) for every output.
template <class X, class Y, class F> void each_window(const X &x, const Y &y, int64_t side, const F &f) {
    parallel(y.n * y.h, [&](int64_t task, int) {
        const int64_t n = task / y.h, row = task % y.h;
        for (int64_t column = 0; column < y.w; ++column)
            f(n, row, column,
              Window{row * side, min((row + 1) * side, x.h), column * side, min((column + 1) * side, x.w)});
    });
}

} // namespace

void average(const AverageJob &job) {
    const auto &x = job.x;
    const auto &y = job.y;
    each_window(x, y, job.side, [&](int64_t n, int64_t row, int64_t column, Window window) {
        const Floats weight = broadcast(window.weight());
        for (int64_t c = 0; c < x.c; c += lanes<float>) {
            const int64_t some = min(lanes<float>, x.c - c);
            Floats sum{};
            for (int64_t r = window.top; r < window.bottom; ++r)
                for (int64_t s = window.left; s < window.right; ++s)
                    sum += load_some(x.data + n * x.step_n + r * x.step_h + s * x.step_w + c, some);
            store_some(y.data + n * y.step_n + row * y.step_h + column * y.step_w + c, sum * weight, some);
        }
    });
}

void average_gradient(const AverageGradientJob &job) {
    const auto &g = job.g;
    const auto &x = job.gradient;
    each_window(x, g, job.side, [&](int64_t n, int64_t row, int64_t column, Window window) {
        // The last windows also clear what no window sees beside and below them.
        const int64_t bottom = row + 1 == g.h ? x.h : window.bottom, right = column + 1 == g.w ? x.w : window.right;
        const Floats weight = broadcast(window.weight());
        for (int64_t r = window.top; r < bottom; ++r)
            for (int64_t s = window.left; s < right; ++s) {
                const bool seen = r < window.bottom && s < window.right;
                float *to = x.data + n * x.step_n + r * x.step_h + s * x.step_w;
                const float *from = g.data + n * g.step_n + row * g.step_h + column * g.step_w;
                for (int64_t c = 0; c < x.c; c += lanes<float>) {
                    const int64_t some = min(lanes<float>, x.c - c);
                    store_some(to + c, seen ? load_some(from + c, some) * weight : Floats{}, some);
                }
            }
    });
}

} // namespace convolens::CONVOLENS_ISA
