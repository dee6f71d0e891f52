// What a ReLU lets through, kept as one byte a value instead of the value: a quarter of the memory until the gradient
// comes back, and the gradient's pass over it.
//
//   relu_mask: mask[i] = !(y[i] <= 0), so that NaN passes    apply_mask: g[i] = mask[i] ? g[i] : 0
//
// Both run at memory speed; a task takes a stretch of values.
#include "jobs/layers.hpp"
#include "kernels/simd.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t stretch = 1 << 15; // values a task takes: they and their mask fit a second-level cache

template <class F> void in_stretches(int64_t count, const F &f) {
    parallel((count + stretch - 1) / stretch, [&](int64_t task, int) {
        const int64_t first = task * stretch, last = min(first + stretch, count);
        const int64_t whole = first + (last - first) / lanes<float> * lanes<float>;
        f(first, whole, last);
    });
}

} // namespace

void relu_mask(const float *y, uint8_t *mask, int64_t count) {
    in_stretches(count, [=](int64_t first, int64_t whole, int64_t last) {
        for (int64_t i = first; i < whole; i += lanes<float>)
            narrow(~(load(y + i) <= Floats{}) & broadcast(int32_t(1)), mask + i);
        for (int64_t i = whole; i < last; ++i)
            checked(mask + i) = !(checked(y + i) <= 0);
    });
}

void apply_mask(float *g, const uint8_t *mask, int64_t count) {
    in_stretches(count, [=](int64_t first, int64_t whole, int64_t last) {
        for (int64_t i = first; i < whole; i += lanes<float>)
            store(g + i, widen(mask + i) != Vector<int32_t>{} ? load(g + i) : Floats{});
        for (int64_t i = whole; i < last; ++i)
            checked(g + i) = checked(mask + i) ? g[i] : 0;
    });
}

} // namespace convolens::CONVOLENS_ISA
