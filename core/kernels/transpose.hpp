// A square of lanes × lanes numbers, transposed in registers: log₂ lanes rounds that exchange off-diagonal blocks of 1,
// 2, 4, … numbers.
#pragma once
#include "kernels/simd.hpp"

namespace convolens::CONVOLENS_ISA {

// Which lanes of two vectors, numbered on from the first to the second, an exchange takes.
template <class T> struct LanesOf;
template <> struct LanesOf<float> {
    typedef int32_t type;
};
template <> struct LanesOf<double> {
    typedef int64_t type;
};
template <class T> struct Mask {
    typename LanesOf<T>::type at[lanes<T>];
};
template <class T, int Bit> constexpr Mask<T> mask(bool second) {
    constexpr int V = lanes<T>;
    Mask<T> m{};
    for (int i = 0; i < V; ++i)
        m.at[i] = second ? ((i & Bit) ? V + i : i + Bit) : ((i & Bit) ? V + i - Bit : i);
    return m;
}

template <class T, int Bit = 1> inline void transpose(Vector<T> *v) {
    typedef typename LanesOf<T>::type Indices __attribute__((vector_size(vector_bytes)));
    static constexpr Mask<T> one = mask<T, Bit>(false), two = mask<T, Bit>(true);
    Indices first, second;
    __builtin_memcpy(&first, one.at, sizeof first);
    __builtin_memcpy(&second, two.at, sizeof second);
    for (int i = 0; i < lanes<T>; ++i)
        if (!(i & Bit)) {
            const Vector<T> a = v[i], b = v[i + Bit];
            v[i] = __builtin_shuffle(a, b, first);
            v[i + Bit] = __builtin_shuffle(a, b, second);
        }
    if constexpr (Bit * 2 < lanes<T>)
        transpose<T, Bit * 2>(v);
}

} // namespace convolens::CONVOLENS_ISA
