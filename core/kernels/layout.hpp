// How a block lies in memory for its transforms: as panels of as many columns as a vector has lanes. The rows'
// transforms run down a panel, which is contiguous and fits the first cache. For the columns' transforms as many rows
// are transposed into lanes, a group.
#pragma once
#include "kernels/transform.hpp"
#include "kernels/transpose.hpp"

namespace convolens::CONVOLENS_ISA {

// Where the elements of a block lie.
template <class T> struct Layout {
    static constexpr int V = lanes<T>;
    int64_t rows, columns, panels, groups, panel, plane, planes; // panel, plane: scalars from one to the next
    int leading;
    int64_t sizes[max_axes], strides[max_axes]; // of the leading axes, strides in planes
    const Length<T> *of_rows, *of_columns, *of_leading[max_axes];
    const T *twiddles;

    explicit Layout(const BlockShape &shape) {
        leading = shape.axes - 2;
        auto length = [&](int axis) { return static_cast<const Length<T> *>(shape.lengths[axis]); };
        of_rows = length(leading), of_columns = length(leading + 1);
        twiddles = static_cast<const T *>(shape.twiddles);
        rows = of_rows->n, columns = of_columns->n;
        panels = columns / V, groups = rows / V;
        panel = rows * 2 * V;
        planes = 1;
        for (int d = leading; d-- > 0;) {
            of_leading[d] = length(d);
            sizes[d] = of_leading[d]->n, strides[d] = planes;
            planes *= sizes[d];
        }
        plane = panels * panel + (leading ? 2 * V : 0); // planes a power of two apart would share a cache's sets
    }
    int64_t scalars() const { return planes * plane; }
    int64_t spectrum_scalars() const { return planes * rows * columns * 2; }
};

// As many rows as a vector has lanes, from panels into lanes or back.
template <class T, bool back> void regroup(T *plane, int64_t g, T *group, const Layout<T> &at) {
    constexpr int V = lanes<T>;
    for (int64_t p = 0; p < at.panels; ++p) {
        T *tile = plane + p * at.panel + g * V * 2 * V, *lined = group + p * V * 2 * V;
        for (int part = 0; part < 2; ++part) {
            Vector<T> v[V];
            for (int i = 0; i < V; ++i)
                v[i] = load((back ? lined : tile) + (2 * i + part) * V);
            transpose<T>(v);
            for (int i = 0; i < V; ++i)
                store((back ? tile : lined) + (2 * i + part) * V, v[i]);
        }
    }
}

// Every complex element of `group` times that of `factors`, or its conjugate.
template <class T, bool conjugate> void multiply_spectrum(T *group, const T *factors, int64_t elements) {
    constexpr int V = lanes<T>;
    for (int64_t i = 0; i < elements; ++i, group += 2 * V, factors += 2 * V) {
        const Vector<T> re = load(group), im = load(group + V), c = load(factors);
        const Vector<T> s = conjugate ? -load(factors + V) : load(factors + V);
        store(group, re * c - im * s);
        store(group + V, re * s + im * c);
    }
}

// Forward transform of V rows into `group`, whose rows' transforms are done.
template <class T> void columns_forward(T *plane, int64_t g, T *group, const Layout<T> &at) {
    regroup<T, false>(plane, g, group, at);
    if (at.twiddles)
        multiply_spectrum<T, false>(group, at.twiddles + g * at.columns * 2 * at.V, at.columns);
    forward<T>(group, 2 * at.V, *at.of_columns);
}

// The way back, by which `group` is overwritten; the rows' transforms are still to come.
template <class T> void columns_inverse(T *plane, int64_t g, T *group, const Layout<T> &at) {
    inverse<T>(group, 2 * at.V, *at.of_columns);
    if (at.twiddles)
        multiply_spectrum<T, true>(group, at.twiddles + g * at.columns * 2 * at.V, at.columns);
    regroup<T, true>(plane, g, group, at);
}

} // namespace convolens::CONVOLENS_ISA
