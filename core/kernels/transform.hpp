// Fourier transforms of as many sequences as a vector has lanes, side by side and in place.
//
// Element i of the sequences is a vector of real parts at `at + i * stride` and one of imaginary parts behind it. The
// forward passes decimate in frequency and leave the spectrum in the order of its digits reversed; the inverse ones
// begin there and leave the natural order, so nothing is ever reordered. Nothing is scaled.
// Cooley & Tukey 1965; Gentleman & Sande 1966.
#pragma once
#include "jobs/blocks.hpp"
#include "kernels/simd.hpp"

namespace convolens::CONVOLENS_ISA {

// The transform of R elements, in order. With re and im exchanged it is the inverse.
template <class T> inline void butterfly2(Vector<T> *re, Vector<T> *im) {
    const Vector<T> r = re[0] - re[1], i = im[0] - im[1];
    re[0] += re[1], im[0] += im[1];
    re[1] = r, im[1] = i;
}

template <class T> inline void butterfly3(Vector<T> *re, Vector<T> *im) {
    const T half = T(0.5), s = T(0.86602540378443864676L);
    const Vector<T> tr = re[1] + re[2], ti = im[1] + im[2];
    const Vector<T> dr = s * (re[1] - re[2]), di = s * (im[1] - im[2]);
    const Vector<T> mr = re[0] - half * tr, mi = im[0] - half * ti;
    re[0] += tr, im[0] += ti;
    re[1] = mr + di, im[1] = mi - dr;
    re[2] = mr - di, im[2] = mi + dr;
}

template <class T> inline void butterfly4(Vector<T> *re, Vector<T> *im) {
    const Vector<T> ar = re[0] + re[2], ai = im[0] + im[2], br = re[0] - re[2], bi = im[0] - im[2];
    const Vector<T> cr = re[1] + re[3], ci = im[1] + im[3], dr = re[1] - re[3], di = im[1] - im[3];
    re[0] = ar + cr, im[0] = ai + ci;
    re[1] = br + di, im[1] = bi - dr;
    re[2] = ar - cr, im[2] = ai - ci;
    re[3] = br - di, im[3] = bi + dr;
}

template <class T> inline void butterfly5(Vector<T> *re, Vector<T> *im) {
    const T c1 = T(0.30901699437494742410L), c2 = T(-0.80901699437494742410L);
    const T s1 = T(0.95105651629515357212L), s2 = T(0.58778525229247312917L);
    const Vector<T> pr = re[1] + re[4], pi = im[1] + im[4], qr = re[2] + re[3], qi = im[2] + im[3];
    const Vector<T> ur = re[1] - re[4], ui = im[1] - im[4], vr = re[2] - re[3], vi = im[2] - im[3];
    const Vector<T> ar = re[0] + c1 * pr + c2 * qr, ai = im[0] + c1 * pi + c2 * qi;
    const Vector<T> br = re[0] + c2 * pr + c1 * qr, bi = im[0] + c2 * pi + c1 * qi;
    const Vector<T> er = s1 * ur + s2 * vr, ei = s1 * ui + s2 * vi;
    const Vector<T> fr = s2 * ur - s1 * vr, fi = s2 * ui - s1 * vi;
    re[0] += pr + qr, im[0] += pi + qi;
    re[1] = ar + ei, im[1] = ai - er;
    re[2] = br + fi, im[2] = bi - fr;
    re[3] = br - fi, im[3] = bi + fr;
    re[4] = ar - ei, im[4] = ai + er;
}

template <class T> inline void butterfly8(Vector<T> *re, Vector<T> *im) {
    const T h = T(0.70710678118654752440L);
    Vector<T> er[4] = {re[0], re[2], re[4], re[6]}, ei[4] = {im[0], im[2], im[4], im[6]};
    Vector<T> or_[4] = {re[1], re[3], re[5], re[7]}, oi[4] = {im[1], im[3], im[5], im[7]};
    butterfly4<T>(er, ei);
    butterfly4<T>(or_, oi);
    const Vector<T> tr[4] = {or_[0], h * (or_[1] + oi[1]), oi[2], h * (oi[3] - or_[3])};
    const Vector<T> ti[4] = {oi[0], h * (oi[1] - or_[1]), -or_[2], -h * (oi[3] + or_[3])};
    for (int k = 0; k < 4; ++k) {
        re[k] = er[k] + tr[k], im[k] = ei[k] + ti[k];
        re[k + 4] = er[k] - tr[k], im[k + 4] = ei[k] - ti[k];
    }
}

template <class T, int R> inline void butterfly(Vector<T> *re, Vector<T> *im) {
    if constexpr (R == 2)
        butterfly2<T>(re, im);
    else if constexpr (R == 3)
        butterfly3<T>(re, im);
    else if constexpr (R == 4)
        butterfly4<T>(re, im);
    else if constexpr (R == 5)
        butterfly5<T>(re, im);
    else
        butterfly8<T>(re, im);
}

// One pass over n elements in runs of `sub`: each run's R parts are combined, and its own length falls by R.
template <class T, int R, bool inverse>
inline void pass(T *at, int64_t stride, int64_t n, int64_t sub, const T *twiddles) {
    constexpr int V = lanes<T>;
    const int64_t places = sub / R, hop = places * stride;
    for (int64_t run = 0; run < n; run += sub) {
        const T *w = twiddles;
        for (int64_t j = 0; j < places; ++j, w += 2 * (R - 1)) {
            T *first = at + (run + j) * stride;
            Vector<T> re[R], im[R];
            for (int q = 0; q < R; ++q)
                re[q] = load(first + q * hop), im[q] = load(first + q * hop + V);
            if constexpr (inverse) {
                if (places > 1)
                    for (int q = 1; q < R; ++q) {
                        const T c = w[2 * q - 2], s = w[2 * q - 1];
                        const Vector<T> r = re[q] * c + im[q] * s;
                        im[q] = im[q] * c - re[q] * s;
                        re[q] = r;
                    }
                butterfly<T, R>(im, re);
            } else {
                butterfly<T, R>(re, im);
                if (places > 1)
                    for (int q = 1; q < R; ++q) {
                        const T c = w[2 * q - 2], s = w[2 * q - 1];
                        const Vector<T> r = re[q] * c - im[q] * s;
                        im[q] = im[q] * c + re[q] * s;
                        re[q] = r;
                    }
            }
            for (int q = 0; q < R; ++q)
                store(first + q * hop, re[q]), store(first + q * hop + V, im[q]);
        }
    }
}

template <class T, bool inverse>
inline void any_pass(T *at, int64_t stride, const Length<T> &length, int p, int64_t sub) {
    const T *w = length.twiddles[p];
    switch (length.radix[p]) {
    case 2:
        return pass<T, 2, inverse>(at, stride, length.n, sub, w);
    case 3:
        return pass<T, 3, inverse>(at, stride, length.n, sub, w);
    case 4:
        return pass<T, 4, inverse>(at, stride, length.n, sub, w);
    case 5:
        return pass<T, 5, inverse>(at, stride, length.n, sub, w);
    default:
        return pass<T, 8, inverse>(at, stride, length.n, sub, w);
    }
}

template <class T> void forward(T *at, int64_t stride, const Length<T> &length) {
    int64_t sub = length.n;
    for (int p = 0; p < length.passes; sub /= length.radix[p++])
        any_pass<T, false>(at, stride, length, p, sub);
}

template <class T> void inverse(T *at, int64_t stride, const Length<T> &length) {
    int64_t sub = 1;
    for (int p = length.passes; p-- > 0;)
        any_pass<T, true>(at, stride, length, p, sub *= length.radix[p]);
}

} // namespace convolens::CONVOLENS_ISA
