// Winograd's transforms F(m×m, 3×3): m outputs of a correlation with 3 weights from m + 2 products instead of 3·m.
//
//   y = Aᵀ[(G w) ∘ (Bᵀ d)]        Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2015
//
// with the points 0, ±1 (and ±2 for m = 4) and ∞. Each function is one matrix on one line of values; `both_ways`
// applies it to the columns and then the rows of a square.
#pragma once
#include "kernels/simd.hpp"

namespace convolens::CONVOLENS_ISA {

template <int M> struct Winograd;

template <> struct Winograd<2> {
    static constexpr int side = 4;

    template <class T> static void input(const T *d, T *t) { // Bᵀ
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[3] - d[1];
    }
    template <class T> static void output(const T *m, T *y) { // Aᵀ
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] + m[3];
    }
    template <class T> static void output_adjoint(const T *y, T *m) { // A
        m[0] = y[0];
        m[1] = y[0] + y[1];
        m[2] = y[0] - y[1];
        m[3] = y[1];
    }
    template <class T> static void weights(const T *w, T *u) { // G
        const T even = .5f * (w[0] + w[2]), odd = .5f * w[1];
        u[0] = w[0];
        u[1] = even + odd;
        u[2] = even - odd;
        u[3] = w[2];
    }
    template <class T> static void weights_adjoint(const T *u, T *w) { // Gᵀ
        const T even = .5f * (u[1] + u[2]);
        w[0] = u[0] + even;
        w[1] = .5f * (u[1] - u[2]);
        w[2] = u[3] + even;
    }
};

template <> struct Winograd<4> {
    static constexpr int side = 6;

    template <class T> static void input(const T *d, T *t) {
        const T a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], c = d[4] - d[2], e = 2 * (d[3] - d[1]);
        t[0] = 4 * d[0] - 5 * d[2] + d[4];
        t[1] = a + b;
        t[2] = a - b;
        t[3] = c + e;
        t[4] = c - e;
        t[5] = 4 * d[1] - 5 * d[3] + d[5];
    }
    template <class T> static void output(const T *m, T *y) {
        const T near = m[1] + m[2], near_odd = m[1] - m[2], far = m[3] + m[4], far_odd = m[3] - m[4];
        y[0] = m[0] + near + far;
        y[1] = near_odd + 2 * far_odd;
        y[2] = near + 4 * far;
        y[3] = near_odd + 8 * far_odd + m[5];
    }
    template <class T> static void output_adjoint(const T *y, T *m) {
        const T even = y[0] + y[2], odd = y[1] + y[3], far_even = y[0] + 4 * y[2], far_odd = 2 * y[1] + 8 * y[3];
        m[0] = y[0];
        m[1] = even + odd;
        m[2] = even - odd;
        m[3] = far_even + far_odd;
        m[4] = far_even - far_odd;
        m[5] = y[3];
    }
    template <class T> static void weights(const T *w, T *u) {
        const T near = (w[0] + w[2]) / -6.f, near_odd = w[1] / -6.f;
        const T far = w[0] / 24.f + w[2] / 6.f, far_odd = w[1] / 12.f;
        u[0] = w[0] / 4.f;
        u[1] = near + near_odd;
        u[2] = near - near_odd;
        u[3] = far + far_odd;
        u[4] = far - far_odd;
        u[5] = w[2];
    }
    template <class T> static void weights_adjoint(const T *u, T *w) {
        const T near = (u[1] + u[2]) / -6.f, far = u[3] + u[4];
        w[0] = u[0] / 4.f + near + far / 24.f;
        w[1] = (u[2] - u[1]) / 6.f + (u[3] - u[4]) / 12.f;
        w[2] = near + far / 6.f + u[5];
    }
};

// A line function from `In` to `Out` values on a square In × In (row by row), in place of `square`'s first Out × Out.
template <int In, int Out, class T, class Line> inline void both_ways(const T *from, T *to, const Line &line) {
    T half[Out * In]; // Out rows of In
#pragma GCC unroll 8
    for (int column = 0; column < In; ++column) {
        T d[In], t[Out];
#pragma GCC unroll 8
        for (int row = 0; row < In; ++row)
            d[row] = from[row * In + column];
        line(d, t);
#pragma GCC unroll 8
        for (int row = 0; row < Out; ++row)
            half[row * In + column] = t[row];
    }
#pragma GCC unroll 8
    for (int row = 0; row < Out; ++row)
        line(half + row * In, to + row * Out);
}

} // namespace convolens::CONVOLENS_ISA
