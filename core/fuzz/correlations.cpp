// Correlations by the definition, sparse and separable ones, and outer products, as bind/correlation.cpp reduces them.
#include "fuzz.hpp"
#include "jobs/correlation.hpp"

#include <algorithm>

namespace convolens::fuzzing {
namespace {

struct Problem {
    std::vector<int64_t> maps[max_axes];
    int64_t x_scalars = 0, x_origin = 0, out_scalars = 0, weights = 1;
    Correlation c{};
};

// Axes with strides of any order and sign, with gaps, around a block that moves as one.
void lay_out(Data &data, Problem &p, int reached, int64_t longest) {
    Correlation &c = p.c;
    const int64_t wide = in(data, 1, 5);
    c.block = {c.parts * wide, 1, 1};
    int64_t x_step = c.block.size, out_step = c.block.size, sizes[max_axes], below = 0;
    c.count = int(in(data, 1, 4));
    for (int d = c.count; d-- > 0;) {
        const bool line = d == c.count - 1;
        const int64_t size = in(data, 1, line ? longest : 9);
        const bool reaches = reached == 0 || (reached == 1 ? line : d >= c.count - 2);
        const int64_t kernel = reaches ? in(data, 1, line ? 24 : 5) : 1;
        sizes[d] = in(data, 1, line ? longest : 9);
        p.maps[d] = a_map(data, sizes[d], size + kernel - 1);
        c.axes[d] = {size, kernel, p.maps[d].data(), 0, 0, 0, 0, d};
        find_run(c.axes[d], p.maps[d]);
        p.weights *= kernel;
    }
    bool done[max_axes] = {};
    for (int placed = 0; placed < c.count; ++placed) {
        int d = int(in(data, 0, c.count - 1));
        while (done[d])
            d = (d + 1) % c.count;
        done[d] = true;
        x_step += in(data, 0, 1) * c.parts * in(data, 0, 3), out_step += in(data, 0, 1) * c.parts * in(data, 0, 3);
        const int64_t sign = data.coin() ? -1 : 1;
        c.axes[d].x_stride = sign * x_step, c.axes[d].out_stride = out_step;
        if (sign < 0)
            below += x_step * (sizes[d] - 1);
        p.x_scalars += x_step * (sizes[d] - 1), p.out_scalars += out_step * (c.axes[d].size - 1);
        x_step *= sizes[d], out_step *= c.axes[d].size;
    }
    p.x_origin = below, p.x_scalars += c.block.size, p.out_scalars += c.block.size;
}

template <class From, class In, class To> void run(Data &data, Scalar from, Scalar inner, Scalar to, bool pairs) {
    Problem p;
    Correlation &c = p.c;
    c.from = from, c.in = inner, c.to = to, c.parts = pairs ? 2 : 1;
    const int kind = int(in(data, 0, 2));
    lay_out(data, p, kind == 2 ? 2 : 0, kind == 0 ? 150 : 60);
    if (kind == 2 && c.count < 2)
        return;
    const int64_t rank = in(data, 1, 4), nonzeros = in(data, 1, 9);
    const int64_t rows = c.count < 2 ? 1 : c.axes[c.count - 2].kernel_size, columns = c.axes[c.count - 1].kernel_size;
    Exactly<From> x(p.x_scalars, data.coin());
    x.fill_from(data);
    Exactly<In> weights((kind == 0 ? p.weights : kind == 1 ? nonzeros : rank * rows) * c.parts);
    Exactly<In> second(rank * columns * c.parts);
    weights.fill_finite(data), second.fill_finite(data);
    Exactly<int64_t> offsets(nonzeros * c.count);
    for (int64_t i = 0; i < offsets.size(); ++i)
        offsets[i] = in(data, 0, c.axes[i % c.count].kernel_size - 1);
    c.integer_fill = in(data, -3, 3);
    c.fill[0] = double(c.integer_fill), c.fill[1] = pairs ? double(in(data, -3, 3)) : c.fill[0];
    on_each_set(kind == 0   ? "direct"
                : kind == 1 ? "sparse"
                            : "separable",
                0, [&] {
                    Exactly<To> out(p.out_scalars);
                    std::fill_n(out.data(), out.size(), To(77));
                    c.x = x.data() + p.x_origin, c.out = out.data();
                    if (kind == 0)
                        kernels().direct({c, weights.data()});
                    else if (kind == 1)
                        kernels().sparse({c, weights.data(), offsets.data(), nonzeros, c.count});
                    else
                        kernels().separable({c, weights.data(), second.data(), rank, c.count - 2});
                    return result_of(out);
                });
}

template <class T> void outer(Data &data, Scalar scalar) {
    OuterJob job{nullptr, nullptr, nullptr, scalar, 1, int(in(data, 1, 4)), {}};
    job.parts = scalar != Scalar::i64 && data.coin() ? 2 : 1;
    int64_t x = job.parts, weights = job.parts, out = job.parts, sizes[3] = {x, x, x};
    for (int d = job.count; d-- > 0;) {
        const int64_t size = in(data, 1, d == job.count - 1 ? 90 : 7), missing = in(data, 0, 2);
        job.axes[d] = {size, missing == 1 ? 0 : x, missing == 2 ? 0 : weights, out};
        sizes[0] += job.axes[d].x * (size - 1), sizes[1] += job.axes[d].weights * (size - 1);
        sizes[2] += out * (size - 1);
        x *= missing == 1 ? 1 : size, weights *= missing == 2 ? 1 : size, out = out * size + job.parts * in(data, 0, 2);
    }
    Exactly<T> a(sizes[0], data.coin()), b(sizes[1]);
    a.fill_from(data), b.fill_from(data);
    on_each_set("outer", 0, [&] {
        Exactly<T> result(sizes[2]);
        job.x = a.data(), job.weights = b.data(), job.out = result.data();
        kernels().outer(job);
        return result_of(result);
    });
}

} // namespace

void correlations(Data &data) {
    using S = Scalar;
    switch (in(data, 0, 13)) {
    case 0:
        return run<float, float, float>(data, S::f32, S::f32, S::f32, false);
    case 1:
        return run<float, float, float>(data, S::f32, S::f32, S::f32, true);
    case 2:
        return run<double, double, double>(data, S::f64, S::f64, S::f64, false);
    case 3:
        return run<double, double, double>(data, S::f64, S::f64, S::f64, true);
    case 4:
        return run<float, double, double>(data, S::f32, S::f64, S::f64, false);
    case 5:
        return run<uint8_t, float, float>(data, S::u8, S::f32, S::f32, false);
    case 6:
        return run<int16_t, float, float>(data, S::i16, S::f32, S::f32, false);
    case 7:
        return run<int32_t, double, double>(data, S::i32, S::f64, S::f64, false);
    case 8:
        return run<uint16_t, float, int64_t>(data, S::u16, S::f32, S::i64, false);
    case 9:
        return run<int8_t, double, int64_t>(data, S::i8, S::f64, S::i64, false);
    case 10:
        return run<uint32_t, int64_t, int64_t>(data, S::u32, S::i64, S::i64, false);
    case 11:
        return run<int64_t, int64_t, int64_t>(data, S::i64, S::i64, S::i64, false);
    case 12:
        return outer<float>(data, S::f32);
    default:
        return data.coin() ? outer<double>(data, S::f64) : outer<int64_t>(data, S::i64);
    }
}

} // namespace convolens::fuzzing
