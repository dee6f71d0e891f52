// What all correlations' bindings share: maps are analyzed, axes reduced, the scalars to sum in picked.
#pragma once
#include "bind/bind.hpp"
#include "jobs/correlation.hpp"

#include <initializer_list>
#include <vector>

namespace convolens {

using Integers = nb::ndarray<const int64_t, nb::c_contig, nb::device::cpu>;

// One map per axis, checked and searched for its longest run once; then shared by all calls of a plan.
class Maps {
public:
    struct One {
        std::vector<int64_t> at;
        int64_t limit = 0; // one past the largest position it reads
        int64_t run_begin = 0, run_end = 0;
        bool whole = false; // 0, 1, 2, …
    };

    explicit Maps(const std::vector<Integers> &arrays) {
        need(!arrays.empty() && arrays.size() <= max_axes, "Maps: need one to eight axes");
        for (const Integers &array : arrays)
            maps_.push_back(analyzed(array));
    }

    size_t count() const { return maps_.size(); }
    const One &operator[](size_t axis) const { return maps_[axis]; }

private:
    static One analyzed(const Integers &array);

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

inline bool is_float(Scalar s) { return s == Scalar::f32 || s == Scalar::f64; }

inline int64_t bytes_of_sums(Scalar in) { return in == Scalar::f32 ? 4 : 8; }

// Trailing axes that the kernel does not reach along move as one block, as far as their strides allow and while it is
// narrower than this: a wider one is a good line by itself.
constexpr int64_t max_block = 128;

// A correlation of everything but its weights. `max_width` bounds its block; axes named in `kept` neither vanish nor
// join it.
Correlation prepare(const Array &x, const Output &out, const Maps &maps, nb::handle fill, double bound,
                    int64_t max_width = max_block, std::initializer_list<int> kept = {});

// The weights in the scalars that are summed; complex ones as all real parts, then all imaginary ones.
class Packed {
public:
    Packed(const Array &kernel, const Correlation &c) {
        const size_t n = kernel.size();
        need(scalar_of(kernel) == c.to && is_complex(kernel) == (c.parts == 2), "correlate: kernel's dtype");
        bytes_ = int64_t(n) * c.parts * bytes_of_sums(c.in);
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
    Extent extent() const { return {data_, bytes_, false}; }

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
    int64_t bytes_ = 0;
};

} // namespace convolens
