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

template <class T> inline Vector<T> shuffled(Vector<T> a, Vector<T> b, const Mask<T> &mask) {
#if defined(__clang__) // which makes one instruction of it by itself
    Vector<T> chosen;
    for (int i = 0; i < lanes<T>; ++i)
        chosen[i] = mask.at[i] < lanes<T> ? a[mask.at[i]] : b[mask.at[i] - lanes<T>];
    return chosen;
#else
    typedef typename LanesOf<T>::type Indices __attribute__((vector_size(vector_bytes)));
    Indices indices;
    __builtin_memcpy(&indices, mask.at, sizeof indices);
    return __builtin_shuffle(a, b, indices);
#endif
}

template <class T, int Bit = 1> inline void transpose(Vector<T> *v) {
    static constexpr Mask<T> first = mask<T, Bit>(false), second = mask<T, Bit>(true);
    for (int i = 0; i < lanes<T>; ++i)
        if (!(i & Bit)) {
            const Vector<T> a = v[i], b = v[i + Bit];
            v[i] = shuffled<T>(a, b, first);
            v[i + Bit] = shuffled<T>(a, b, second);
        }
    if constexpr (Bit * 2 < lanes<T>)
        transpose<T, Bit * 2>(v);
}

} // namespace convolens::CONVOLENS_ISA
