// The door to the correlations: checks what would corrupt memory, reduces the axes, picks the scalars to sum in.
#include "blocks.hpp"
#include "correlation.hpp"
#include "fourier.hpp"
#include "kernels.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/complex.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

namespace convolens {
namespace {

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using Output = nb::ndarray<nb::device::cpu>;
using Integers = nb::ndarray<const int64_t, nb::c_contig, nb::device::cpu>;

void need(bool condition, const char *what) {
    if (!condition)
        throw std::invalid_argument(what);
}

// One map per axis, checked and searched for its longest run once; then shared by all calls of a plan.
class Maps {
public:
    struct One {
        std::vector<int64_t> at;
        int64_t reach = 0; // one past the largest position it reads
        int64_t run_begin = 0, run_end = 0;
        bool whole = false; // 0, 1, 2, …
    };

    explicit Maps(const std::vector<Integers> &arrays) {
        need(!arrays.empty() && arrays.size() <= max_axes, "Maps: need one to eight axes");
        for (const Integers &array : arrays)
            maps_.push_back(analysed(array));
    }

    size_t count() const { return maps_.size(); }
    const One &operator[](size_t axis) const { return maps_[axis]; }

private:
    static One analysed(const Integers &array) {
        One map;
        need(array.ndim() == 1, "Maps: need one-dimensional arrays");
        map.at.assign(array.data(), array.data() + array.size());
        const int64_t size = int64_t(map.at.size());
        for (int64_t begin = 0, end; begin < size; begin = end) {
            need(map.at[begin] >= -1, "Maps: entries are positions, or -1");
            for (end = begin + 1; end < size && map.at[begin] >= 0 && map.at[end] == map.at[begin] + (end - begin);)
                ++end;
            map.reach = std::max(map.reach, map.at[begin] < 0 ? 0 : map.at[end - 1] + 1);
            if (map.at[begin] >= 0 && end - begin > map.run_end - map.run_begin)
                map.run_begin = begin, map.run_end = end;
        }
        map.whole = map.run_end - map.run_begin == size && (size == 0 || map.at[0] == 0);
        return map;
    }

    std::vector<One> maps_;
};

template <class A> Scalar scalar_of(const A &array) {
    const auto dtype = array.dtype();
    switch (nb::dlpack::dtype_code(dtype.code)) {
    case nb::dlpack::dtype_code::Bool:
        need(dtype.bits == 8, "correlate: dtype");
        return Scalar::u8;
    case nb::dlpack::dtype_code::UInt:
        need(dtype.bits <= 32, "correlate: dtype");
        return dtype.bits == 8 ? Scalar::u8 : dtype.bits == 16 ? Scalar::u16 : Scalar::u32;
    case nb::dlpack::dtype_code::Int:
        return dtype.bits == 8    ? Scalar::i8
               : dtype.bits == 16 ? Scalar::i16
               : dtype.bits == 32 ? Scalar::i32
                                  : Scalar::i64;
    case nb::dlpack::dtype_code::Float:
        need(dtype.bits == 32 || dtype.bits == 64, "correlate: dtype");
        return dtype.bits == 32 ? Scalar::f32 : Scalar::f64;
    case nb::dlpack::dtype_code::Complex:
        need(dtype.bits == 64 || dtype.bits == 128, "correlate: dtype");
        return dtype.bits == 64 ? Scalar::f32 : Scalar::f64;
    default:
        throw std::invalid_argument("correlate: dtype");
    }
}

template <class A> bool is_complex(const A &array) {
    return array.dtype().code == uint8_t(nb::dlpack::dtype_code::Complex);
}

bool is_float(Scalar s) { return s == Scalar::f32 || s == Scalar::f64; }

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

// Trailing axes that the kernel does not reach along move as one block, as far as their strides allow and while it is
// narrower than this: a wider one is a good line by itself.
constexpr int64_t widest_block = 128;
constexpr int64_t widest_separable_block = 4096; // there the second axis must be the line

// `widest` bounds the block; axes named in `kept` neither vanish nor join it.
void reduce(Correlation &c, const Array &x, const Output &out, const Maps &maps, int64_t widest,
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
        const int64_t size = int64_t(out.shape(d)), taps = int64_t(map.at.size()) - size + 1;
        if (size == 1 && taps == 1 && map.at[0] >= 0 && !is_kept(int(d))) {
            base += map.at[0] * x.stride(d) * bytes;
            continue;
        }
        c.axes[keep++] = {
            size, taps, map.at.data(), map.run_begin, map.run_end, x.stride(d) * scale, out.stride(d) * scale, int(d)};
    }
    c.x = base;
    static const int64_t zero = 0;
    if (keep == 0)
        c.axes[keep++] = {1, 1, &zero, 0, 1, 0, 0, 0};
    while (keep > 1) {
        const Axis &last = c.axes[keep - 1];
        Block &b = c.block;
        if (last.taps != 1 || is_kept(last.source) || !maps[size_t(last.source)].whole || last.size * b.size > widest)
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

Correlation prepare(const Array &x, const Output &out, const Maps &maps, nb::handle fill, double bound,
                    int64_t widest = widest_block, std::initializer_list<int> kept = {}) {
    need(x.ndim() == maps.count() && out.ndim() == maps.count(), "correlate: number of axes");
    for (size_t d = 0; d < maps.count(); ++d) {
        need(maps[d].reach <= int64_t(x.shape(d)), "correlate: a map reads beyond x");
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
    reduce(c, x, out, maps, widest, kept);
    return c;
}

// The weights in the scalars that are summed; complex ones as all real parts, then all imaginary ones.
class Packed {
public:
    Packed(const Array &kernel, const Correlation &c) {
        const size_t n = kernel.size();
        need(scalar_of(kernel) == c.to && is_complex(kernel) == (c.parts == 2), "correlate: kernel's dtype");
        int64_t stride = 1;
        for (size_t d = kernel.ndim(); d-- > 0; stride *= int64_t(kernel.shape(d)))
            need(kernel.shape(d) == 1 || kernel.stride(d) == stride, "correlate: need a C-contiguous kernel");
        if (c.parts == 2)
            c.in == Scalar::f32 ? split<float>(kernel.data(), n) : split<double>(kernel.data(), n);
        else if (c.in == c.to)
            data_ = kernel.data();
        else
            c.in == Scalar::f32 ? convert<float>(kernel.data(), n) : convert<double>(kernel.data(), n);
    }
    const void *data() const { return data_; }

private:
    template <class T> void split(const void *from, size_t n) {
        own_.resize(2 * n * sizeof(T) / sizeof(float));
        T *to = reinterpret_cast<T *>(own_.data());
        const T *pairs = static_cast<const T *>(from);
        for (size_t i = 0; i < n; ++i)
            to[i] = pairs[2 * i], to[n + i] = pairs[2 * i + 1];
        data_ = to;
    }
    template <class T> void convert(const void *from, size_t n) {
        own_.resize(n * sizeof(T) / sizeof(float));
        T *to = reinterpret_cast<T *>(own_.data());
        for (size_t i = 0; i < n; ++i)
            to[i] = T(static_cast<const int64_t *>(from)[i]);
        data_ = to;
    }

    std::vector<float> own_;
    const void *data_ = nullptr;
};

void correlate_direct(const Array &x, const Array &kernel, const Output &out, const Maps &maps, nb::handle fill,
                      double bound) {
    DirectJob job{prepare(x, out, maps, fill, bound), nullptr};
    need(kernel.ndim() == x.ndim(), "correlate: number of axes");
    for (size_t d = 0; d < x.ndim(); ++d)
        need(kernel.shape(d) > 0 && maps[d].at.size() == out.shape(d) + kernel.shape(d) - 1,
             "correlate: a map must have out + kernel - 1 entries");
    const Packed weights(kernel, job.correlation);
    job.weights = weights.data();
    if (out.size() == 0)
        return; // the kernels divide by widths
    nb::gil_scoped_release release;
    kernels().direct(job);
}

void correlate_sparse(const Array &x, const Integers &offsets, const Array &values, const Output &out, const Maps &maps,
                      nb::handle fill, double bound) {
    SparseJob job{prepare(x, out, maps, fill, bound), nullptr, offsets.data(), 0, int(x.ndim())};
    need(offsets.ndim() == 2 && offsets.shape(1) == x.ndim(), "correlate: offsets are (taps, axes)");
    need(values.ndim() == 1 && values.shape(0) == offsets.shape(0) && values.size() > 0, "correlate: one weight a tap");
    job.taps = int64_t(values.size());
    for (int64_t t = 0; t < job.taps; ++t)
        for (size_t d = 0; d < x.ndim(); ++d) {
            const int64_t o = job.offsets[t * job.ndim + int64_t(d)];
            need(o >= 0 && o + int64_t(out.shape(d)) <= int64_t(maps[d].at.size()),
                 "correlate: offset outside the map");
        }
    const Packed weights(values, job.correlation);
    job.weights = weights.data();
    if (out.size() == 0)
        return; // the kernels divide by widths
    nb::gil_scoped_release release;
    kernels().sparse(job);
}

// The two axes are those along which the kernel reaches; the others' maps have out's size.
void correlate_separable(const Array &x, const Array &first, const Array &second, const Output &out, const Maps &maps,
                         std::pair<int, int> axes, nb::handle fill, double bound) {
    const int ndim = int(x.ndim()), a = axes.first, b = axes.second;
    need(0 <= a && a < b && b < ndim, "correlate: need two axes in order");
    SeparableJob job{prepare(x, out, maps, fill, bound, widest_separable_block, {a, b}), nullptr, nullptr, 0, a};
    need(job.correlation.axes[job.correlation.count - 1].source == b,
         "correlate: axes after the second must be contiguous, and 4096 scalars or fewer");
    need(first.ndim() == 2 && second.ndim() == 2 && first.shape(0) == second.shape(0) && first.shape(0) > 0 &&
             first.shape(0) <= most_rank,
         "correlate: factors are (rank, taps), of one rank, at most 16");
    for (int d = 0; d < ndim; ++d) {
        const size_t taps = d == a ? first.shape(1) : d == b ? second.shape(1) : 1;
        need(taps > 0 && maps[size_t(d)].at.size() == out.shape(size_t(d)) + taps - 1,
             "correlate: a map must have out + kernel - 1 entries");
    }
    job.rank = int64_t(first.shape(0));
    const Packed down(first, job.correlation), along(second, job.correlation);
    job.first = down.data(), job.second = along.data();
    if (out.size() == 0)
        return; // the kernels divide by widths
    nb::gil_scoped_release release;
    kernels().separable(job);
}

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
    nb::gil_scoped_release release;
    kernels().outer(job);
}

// The transform of a kernel, for blocks of one shape: made once, used on any number of signals.
class Spectrum {
public:
    Spectrum(const Array &kernel, const std::vector<int64_t> &sizes) : kernel_axes_(kernel.ndim()) {
        parts_ = is_complex(kernel) ? 2 : 1;
        to_ = scalar_of(kernel);
        need(is_float(to_) || to_ == Scalar::i64, "Spectrum: the kernel's dtype");
        Correlation c{};
        c.parts = parts_, c.to = to_, c.in = to_ == Scalar::f32 ? Scalar::f32 : Scalar::f64;
        const Packed weights(kernel, c);
        SpectrumJob job{};
        job.parts = parts_, job.weights = weights.data();
        for (size_t d = 0; d < kernel.ndim(); ++d)
            if (kernel.shape(d) != 1)
                axes_.push_back(int(d)), job.taps[job.axes++] = int64_t(kernel.shape(d));
        need(kernel.ndim() <= max_axes && job.axes >= 1, "Spectrum: need a kernel of two weights or more");
        need(sizes.size() == size_t(std::max(job.axes, 2)),
             "Spectrum: need a size for each axis, or rows and columns of a line");
        shape_.in = c.in;
        c.in == Scalar::f32 ? measure<float>(job, sizes) : measure<double>(job, sizes);
        const size_t scalars = size_t(kernels().spectrum_scalars(shape_));
        memory_.reset(std::aligned_alloc(64, (scalars * size_t(bytes()) + 63) / 64 * 64));
        if (!memory_)
            throw std::bad_alloc();
        vector_bytes_ = kernels().vector_bytes;
        job.shape = shape_, job.spectrum = memory_.get();
        nb::gil_scoped_release release;
        kernels().spectrum(job);
    }

    // out[i] = Σ_k kernel[k] · X[i + k]; returns the numbers of the tasks whose blocks hold a NaN or infinity.
    std::vector<int64_t> correlate(const Array &x, const Output &out, const Maps &maps, nb::handle fill) const {
        BlocksJob job{prepare(x, out, maps, fill, 0, 0), 0, shape_, memory_.get(), 1, nullptr};
        Correlation &c = job.correlation;
        need(vector_bytes_ == kernels().vector_bytes, "Spectrum: made for another instruction set");
        need(x.ndim() == kernel_axes_ && c.to == to_ && c.parts == parts_, "Spectrum: made for another dtype or rank");
        c.in = shape_.in;
        auto convolved = [&](const Axis &axis) { return taps_at(axis.source) > 1; };
        std::stable_partition(c.axes, c.axes + c.count, [&](const Axis &axis) { return !convolved(axis); });
        for (int d = 0; d < c.count; ++d) {
            const Axis &axis = c.axes[d];
            need(axis.taps == taps_at(axis.source), "Spectrum: a map must have out + kernel - 1 entries");
            const int64_t step = convolved(axis) ? sizes_[job.convolved++] - axis.taps + 1 : 1;
            job.tasks *= (axis.size + step - 1) / step;
        }
        need(job.convolved == int(axes_.size()), "Spectrum: the signal lacks an axis");
        if (out.size() == 0)
            return {};
        if (parts_ == 1)
            job.tasks = (job.tasks + 1) / 2;
        std::vector<uint8_t> spoiled(size_t(job.tasks), 0);
        job.spoiled = spoiled.data();
        {
            nb::gil_scoped_release release;
            kernels().blocks(job);
        }
        std::vector<int64_t> numbers;
        for (int64_t task = 0; task < job.tasks; ++task)
            if (spoiled[size_t(task)])
                numbers.push_back(task);
        return numbers;
    }

private:
    int64_t bytes() const { return shape_.in == Scalar::f32 ? 4 : 8; }

    int64_t taps_at(int source) const {
        for (size_t i = 0; i < axes_.size(); ++i)
            if (axes_[i] == source)
                return taps_[i];
        return 1;
    }

    template <class T> void measure(const SpectrumJob &job, const std::vector<int64_t> &sizes) {
        const int64_t lanes = kernels().vector_bytes / int64_t(sizeof(T));
        shape_.axes = int(sizes.size());
        for (int d = 0; d < shape_.axes; ++d) {
            need(sizes[size_t(d)] > 0 && (d < shape_.axes - 2 || sizes[size_t(d)] % lanes == 0),
                 "Spectrum: rows and columns must be multiples of a vector's lanes");
            shape_.lengths[d] = &length_of<T>(sizes[size_t(d)]);
        }
        taps_.assign(job.taps, job.taps + job.axes);
        sizes_ = sizes;
        if (job.axes == 1) {
            auto table = turns<T>(sizes[0], sizes[1], lanes);
            shape_.turns = table.get(), turns_ = table;
            sizes_ = {sizes[0] * sizes[1]};
        }
        for (size_t d = 0; d < taps_.size(); ++d)
            need(taps_[d] <= sizes_[d], "Spectrum: a block is shorter than the kernel");
    }

    struct Free {
        void operator()(void *p) const { std::free(p); }
    };
    size_t kernel_axes_;
    int parts_, vector_bytes_;
    Scalar to_;
    BlockShape shape_{};
    std::vector<int> axes_;             // those of the kernel that have more than one weight
    std::vector<int64_t> taps_, sizes_; // along them
    std::shared_ptr<const void> turns_;
    std::unique_ptr<void, Free> memory_;
};

} // namespace

void bind_correlation(nb::module_ &m) {
    const double unbounded = std::numeric_limits<double>::infinity();
    m.def("multiply_outer", &multiply_outer, "x"_a, "weights"_a, "out"_a);
    nb::class_<Spectrum>(m, "Spectrum")
        .def(nb::init<const Array &, const std::vector<int64_t> &>(), "kernel"_a, "sizes"_a)
        .def("correlate", &Spectrum::correlate, "x"_a, "out"_a, "maps"_a, "fill"_a = 0);
    nb::class_<Maps>(m, "Maps").def(nb::init<const std::vector<Integers> &>(), "maps"_a);
    m.def("correlate_direct", &correlate_direct, "x"_a, "kernel"_a, "out"_a, "maps"_a, "fill"_a = 0,
          "bound"_a = unbounded);
    m.def("correlate_sparse", &correlate_sparse, "x"_a, "offsets"_a, "weights"_a, "out"_a, "maps"_a, "fill"_a = 0,
          "bound"_a = unbounded);
    m.def("correlate_separable", &correlate_separable, "x"_a, "first"_a, "second"_a, "out"_a, "maps"_a, "axes"_a,
          "fill"_a = 0, "bound"_a = unbounded);
}

} // namespace convolens
