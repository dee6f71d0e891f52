// The binding of products of two arrays that each lack axes of the other.
#include "bind/correlation.hpp"

namespace convolens {
namespace {

// Neighbouring axes that all three arrays step through evenly become one.
void join(OuterJob &job) {
    int last = 0;
    for (int d = 1; d < job.count; ++d) {
        OuterAxis &a = job.axes[last];
        const OuterAxis &b = job.axes[d];
        if (a.x == b.size * b.x && a.weights == b.size * b.weights && a.out == b.size * b.out)
            a = {a.size * b.size, b.x, b.weights, b.out};
        else
            job.axes[++last] = b;
    }
    job.count = last + 1;
}

void multiply_outer(const Array &x, const Array &weights, const Output &out) {
    OuterJob job{x.data(), weights.data(), out.data(), scalar_of(out), is_complex(out) ? 2 : 1, 0, {}};
    need(out.ndim() >= 1 && out.ndim() <= max_axes && x.ndim() == out.ndim() && weights.ndim() == out.ndim(),
         "multiply_outer: one to eight axes, the same of all");
    for (const Array *from : {&x, &weights})
        need(scalar_of(*from) == job.scalar && is_complex(*from) == (job.parts == 2), "multiply_outer: one dtype");
    need(is_float(job.scalar) || job.scalar == Scalar::i64, "multiply_outer: dtype");
    for (size_t d = 0; d < out.ndim(); ++d) {
        const int64_t size = int64_t(out.shape(d));
        auto step = [&](const Array &from) {
            need(int64_t(from.shape(d)) == size || from.shape(d) == 1, "multiply_outer: sizes");
            return from.shape(d) == 1 ? 0 : from.stride(d) * job.parts;
        };
        if (size != 1)
            job.axes[job.count++] = {size, step(x), step(weights), out.stride(d) * job.parts};
        else
            need(x.shape(d) == 1 && weights.shape(d) == 1, "multiply_outer: sizes");
    }
    if (job.count == 0)
        job.axes[job.count++] = {1, 0, 0, 0};
    if (out.size() == 0)
        return;
    join(job);
    call(kernels().outer, job, [&] { return Extents::List{reads(x), reads(weights), writes(out)}; });
}

} // namespace

void bind_outer(nb::module_ &m) { m.def("multiply_outer", &multiply_outer, "x"_a, "weights"_a, "out"_a); }

} // namespace convolens
