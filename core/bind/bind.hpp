// What the bindings share. Arguments were checked in Python, where the errors are worded; here only what would corrupt
// memory is checked again, the GIL is released, and a kernel called.
#pragma once
#include "jobs/scalar.hpp"
#include "runtime/extents.hpp"
#include "runtime/kernels.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <stdexcept>

namespace convolens {

namespace nb = nanobind;
using namespace nb::literals;

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using Output = nb::ndarray<nb::device::cpu>;

inline void need(bool condition, const char *what) {
    if (!condition)
        throw std::invalid_argument(what);
}

// A picture's numbers: uint8, uint16, float32 or float64.
template <class A> Scalar picture_scalar(const A &array, const char *what) {
    if (array.dtype() == nb::dtype<uint8_t>())
        return Scalar::u8;
    if (array.dtype() == nb::dtype<uint16_t>())
        return Scalar::u16;
    if (array.dtype() == nb::dtype<float>())
        return Scalar::f32;
    need(array.dtype() == nb::dtype<double>(), what);
    return Scalar::f64;
}

// The memory between an array's first and last number, whatever its strides.
template <class A> Extent extent_of(const A &array, bool written) {
    if (array.size() == 0)
        return {nullptr, 0, written};
    int64_t below = 0, above = 0; // in numbers, from the one with the indices 0
    for (size_t d = 0; d < array.ndim(); ++d) {
        const int64_t last = (int64_t(array.shape(d)) - 1) * array.stride(d);
        below += std::min(last, int64_t(0)), above += std::max(last, int64_t(0));
    }
    const int64_t bytes = int64_t(array.itemsize());
    return {static_cast<const char *>(static_cast<const void *>(array.data())) + below * bytes,
            (above - below + 1) * bytes, written};
}

template <class A> Extent reads(const A &array) { return extent_of(array, false); }
template <class A> Extent writes(const A &array) { return extent_of(array, true); }

// `count` numbers on end, or none at all where `at` is null.
template <class T> Extent reads(const T *at, int64_t count) { return {at, at ? count * int64_t(sizeof(T)) : 0, false}; }
template <class T> Extent writes(T *at, int64_t count) { return {at, at ? count * int64_t(sizeof(T)) : 0, true}; }

// Calls a kernel with the GIL released; `touched` lists the memory that it may touch, where that is checked.
template <class Job, class Touched> void call(void (*kernel)(const Job &), const Job &job, const Touched &touched) {
    const Extents extents(touched);
    nb::gil_scoped_release release;
    kernel(job);
}

// A class of the module. nanobind knows a type once in a process: a module that is imported anew, after it was removed
// from sys.modules, gets the class that there is.
template <class T, class Define> void bind_class(nb::module_ &m, const char *name, const Define &define) {
    if (const nb::handle known = nb::type<T>(); known.is_valid())
        m.attr(name) = known;
    else
        define(nb::class_<T>(m, name));
}

void bind_correlate(nb::module_ &m); // one file each, of that name
void bind_layers(nb::module_ &m);
void bind_nms(nb::module_ &m);
void bind_outer(nb::module_ &m);
void bind_program(nb::module_ &m);
void bind_resample(nb::module_ &m);
void bind_sobel(nb::module_ &m);
void bind_spectrum(nb::module_ &m);
void bind_stream(nb::module_ &m);

} // namespace convolens
