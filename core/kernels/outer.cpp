// Products of two arrays that each lack axes of the other: out[i] = x[i] · weights[i], with steps of 0 where one of
// them has a single entry. Nothing is summed, so it is all about memory.
#include "jobs/correlation.hpp"
#include "kernels/simd.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {

namespace {

constexpr int64_t scalars_per_task = 1 << 15;

template <class T> void real_row(const T *x, int64_t dx, const T *w, int64_t dw, T *out, int64_t step, int64_t n) {
    if (step == 1 && dx == 1 && dw == 0)
        for (int64_t i = 0; i < n; ++i)
            checked(out + i) = checked(x + i) * checked(w);
    else if (step == 1 && dx == 0 && dw == 1)
        for (int64_t i = 0; i < n; ++i)
            checked(out + i) = checked(x) * checked(w + i);
    else
        for (int64_t i = 0; i < n; ++i)
            checked(out + i * step) = checked(x + i * dx) * checked(w + i * dw);
}

template <class T> void complex_row(const T *x, int64_t dx, const T *w, int64_t dw, T *out, int64_t step, int64_t n) {
    for (int64_t i = 0; i < n; ++i, x += dx, w += dw, out += step) {
        will_read(x, 2), will_read(w, 2), will_write(out, 2);
        const T re = x[0] * w[0] - x[1] * w[1], im = x[0] * w[1] + x[1] * w[0];
        out[0] = re, out[1] = im;
    }
}

template <class T> void run(const OuterJob &job) {
    const OuterAxis &line = job.axes[job.count - 1];
    const int64_t strip = min(line.size, scalars_per_task), strips = ceil_div(line.size, strip);
    int64_t rows = strips;
    for (int d = 0; d < job.count - 1; ++d)
        rows *= job.axes[d].size;
    const int64_t each = max(scalars_per_task / strip, 1);
    parallel(ceil_div(rows, each), [&](int64_t task, int) {
        for (int64_t row = task * each; row < min((task + 1) * each, rows); ++row) {
            const int64_t begin = row % strips * strip, n = min(strip, line.size - begin);
            int64_t rest = row / strips, x = begin * line.x, w = begin * line.weights, out = begin * line.out;
            for (int d = job.count - 1; d-- > 0; rest /= job.axes[d].size) {
                const int64_t i = rest % job.axes[d].size;
                x += i * job.axes[d].x, w += i * job.axes[d].weights, out += i * job.axes[d].out;
            }
            (job.parts == 2 ? complex_row<T> : real_row<T>)(static_cast<const T *>(job.x) + x, line.x,
                                                            static_cast<const T *>(job.weights) + w, line.weights,
                                                            static_cast<T *>(job.out) + out, line.out, n);
        }
    });
}

} // namespace

void outer(const OuterJob &job) {
    job.scalar == Scalar::f32   ? run<float>(job)
    : job.scalar == Scalar::f64 ? run<double>(job)
                                : run<uint64_t>(job); // unsigned, as the products' bits are the same
}

} // namespace convolens::CONVOLENS_ISA
