#include "bind/correlation.hpp"

#include <nanobind/stl/complex.h>

#include <algorithm>
#include <complex>

namespace convolens {

Maps::One Maps::analyzed(const Integers &array) {
    One map;
    need(array.ndim() == 1, "Maps: need one-dimensional arrays");
    map.at.assign(array.data(), array.data() + array.size());
    const int64_t size = int64_t(map.at.size());
    for (int64_t begin = 0, end; begin < size; begin = end) {
        need(map.at[begin] >= -1, "Maps: entries are positions, or -1");
        for (end = begin + 1; end < size && map.at[begin] >= 0 && map.at[end] == map.at[begin] + (end - begin);)
            ++end;
        map.limit = std::max(map.limit, map.at[begin] < 0 ? 0 : map.at[end - 1] + 1);
        if (map.at[begin] >= 0 && end - begin > map.run_end - map.run_begin)
            map.run_begin = begin, map.run_end = end;
    }
    map.whole = map.run_end - map.run_begin == size && (size == 0 || map.at[0] == 0);
    return map;
}

namespace {

// Integers are summed in the narrowest scalars that hold every partial sum exactly.
Scalar summed_in(Scalar out, double bound) {
    if (out != Scalar::i64)
        return out;
    return bound <= 0x1p24 ? Scalar::f32 : bound <= 0x1p53 ? Scalar::f64 : Scalar::i64;
}

void set_fill(Correlation &c, nb::handle fill) {
    if (c.parts == 2) {
        const auto value = nb::cast<std::complex<double>>(fill);
        c.fill[0] = value.real(), c.fill[1] = value.imag();
    } else if (c.to == Scalar::i64) {
        c.integer_fill = nb::cast<int64_t>(fill);
        c.fill[0] = c.fill[1] = double(c.integer_fill);
    } else {
        c.fill[0] = c.fill[1] = nb::cast<double>(fill);
    }
}

void reduce(Correlation &c, const Array &x, const Output &out, const Maps &maps, int64_t max_width,
            std::initializer_list<int> kept) {
    const bool no_x = x.size() == 0, no_out = out.size() == 0; // NumPy's strides of an array without entries are zeros
    auto is_kept = [&](int axis) { return std::find(kept.begin(), kept.end(), axis) != kept.end(); };
    const int scale = c.parts;
    c.block = {scale, 1, 1};
    const char *base = static_cast<const char *>(x.data());
    const int64_t bytes = int64_t(x.itemsize());
    int keep = 0;
    for (size_t d = 0; d < x.ndim(); ++d) {
        const Maps::One &map = maps[d];
        const int64_t size = int64_t(out.shape(d)), kernel_size = int64_t(map.at.size()) - size + 1;
        if (size == 1 && kernel_size == 1 && map.at[0] >= 0 && !is_kept(int(d))) {
            base += map.at[0] * x.stride(d) * bytes;
            continue;
        }
        c.axes[keep++] = {size,        kernel_size,         map.at.data(),         map.run_begin,
                          map.run_end, x.stride(d) * scale, out.stride(d) * scale, int(d)};
    }
    c.x = base;
    static const int64_t zero = 0;
    if (keep == 0)
        c.axes[keep++] = {1, 1, &zero, 0, 1, 0, 0, 0};
    while (keep > 1) {
        const Axis &last = c.axes[keep - 1];
        Block &b = c.block;
        if (last.kernel_size != 1 || is_kept(last.source) || !maps[size_t(last.source)].whole ||
            last.size * b.size > max_width)
            break;
        if (b.size == 1)
            b = {last.size, last.x_stride, last.out_stride};
        else if ((no_x || last.x_stride == b.size * b.x_stride) && (no_out || last.out_stride == b.size * b.out_stride))
            b.size *= last.size;
        else
            break;
        --keep;
    }
    c.count = keep;
}

} // namespace

Correlation prepare(const Array &x, const Output &out, const Maps &maps, nb::handle fill, double bound,
                    int64_t max_width, std::initializer_list<int> kept) {
    need(x.ndim() == maps.count() && out.ndim() == maps.count(), "correlate: number of axes");
    for (size_t d = 0; d < maps.count(); ++d) {
        need(maps[d].limit <= int64_t(x.shape(d)), "correlate: a map reads beyond x");
        need(int64_t(maps[d].at.size()) >= int64_t(out.shape(d)), "correlate: a map is too short");
    }
    Correlation c{};
    c.from = scalar_of(x), c.to = scalar_of(out), c.in = summed_in(c.to, bound);
    c.parts = is_complex(out) ? 2 : 1;
    need(is_float(c.to) || c.to == Scalar::i64, "correlate: out's dtype");
    need(is_complex(x) == is_complex(out), "correlate: x and out must both be real or both complex");
    need(c.parts == 1 || c.from == c.to, "correlate: complex x and out must be of one precision");
    need(c.from == c.to || !is_float(c.from) || (c.from == Scalar::f32 && c.to == Scalar::f64),
         "correlate: out is narrower than x");
    c.out = out.data();
    set_fill(c, fill);
    reduce(c, x, out, maps, max_width, kept);
    return c;
}

} // namespace convolens
