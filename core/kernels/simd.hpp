// What a kernel file needs to be compiled for several instruction sets from one source.
//
// CMake compiles every file in kernels/ once per set with CONVOLENS_ISA = baseline, avx2, avx512 or neon. Everything a
// kernel defines lives in convolens::CONVOLENS_ISA, so that no code for one set can stand in for another's at link
// time; for the same reason kernels use no templates of the standard library.
#pragma once
#include "runtime/extents.hpp"

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef CONVOLENS_ISA
#error "kernels are compiled with CONVOLENS_ISA set to the name of an instruction set"
#endif

namespace convolens::CONVOLENS_ISA {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

inline int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t n, int64_t to) { return ceil_div(n, to) * to; }

template <class T> struct VectorOf {
    typedef T type __attribute__((vector_size(vector_bytes)));
    static constexpr int lanes = vector_bytes / int(sizeof(T));
};
template <class T> using Vector = typename VectorOf<T>::type;
template <class T> constexpr int lanes = VectorOf<T>::lanes;
using Floats = Vector<float>;

// Says what is about to be touched; nothing but in a build that checks it.
template <class T> inline void will_read(const T *from, int64_t count) {
    check_touched(from, count * int64_t(sizeof(T)), false);
}
template <class T> inline void will_write(T *to, int64_t count) { check_touched(to, count * int64_t(sizeof(T)), true); }

// One number of an array.
template <class T> inline const T &checked(const T *at) {
    will_read(at, 1);
    return *at;
}
template <class T> inline T &checked(T *at) {
    will_write(at, 1);
    return *at;
}

template <class T> inline void clear(T *at, int64_t count) {
    will_write(at, count);
    __builtin_memset(at, 0, size_t(count) * sizeof(T));
}

template <class T> inline Vector<T> load(const T *from) {
    will_read(from, lanes<T>);
    Vector<T> v;
    __builtin_memcpy(&v, from, sizeof v);
    return v;
}

template <class T> inline void store(T *to, Vector<T> v) {
    will_write(to, lanes<T>);
    __builtin_memcpy(to, &v, sizeof v);
}

template <class T> inline Vector<T> broadcast(T value) { return value - Vector<T>{}; }

// Holds a loaded vector in a register: the compiler would otherwise load it again at each of its uses.
template <class T> inline void hold(Vector<T> &v) {
#if defined(__x86_64__)
    asm("" : "+v"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#endif
}

// A vector of int32 from as many smaller integers, and back where they fit. Said in intrinsics, as GCC takes
// __builtin_convertvector apart lane by lane here.
template <class In> inline Vector<int32_t> widen(const In *from) {
    will_read(from, lanes<int32_t>);
    [[maybe_unused]] constexpr bool bytes = sizeof(In) == 1;
#if defined(__AVX512F__)
    return (Vector<int32_t>)(bytes ? _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from))
                                   : _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from)));
#elif defined(__AVX2__)
    return (Vector<int32_t>)(bytes ? _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from))
                                   : _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)from)));
#elif defined(__aarch64__)
    uint64_t few = 0; // 4 or 8 bytes
    __builtin_memcpy(&few, from, 4 * sizeof(In));
    const uint8x8_t part = vcreate_u8(few);
    const uint16x4_t words = bytes ? vget_low_u16(vmovl_u8(part)) : vreinterpret_u16_u8(part);
    return (Vector<int32_t>)vmovl_u16(words);
#else
    Vector<int32_t> wide;
    for (int i = 0; i < lanes<int32_t>; ++i)
        wide[i] = from[i];
    return wide;
#endif
}

template <class Out> inline void narrow(Vector<int32_t> wide, Out *to) {
    will_write(to, lanes<int32_t>);
#if defined(__AVX512F__)
    if constexpr (sizeof(Out) == 1)
        _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8((__m512i)wide));
    else
        _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16((__m512i)wide));
#elif defined(__AVX2__)
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128((__m256i)wide), _mm256_extracti128_si256((__m256i)wide, 1));
    if constexpr (sizeof(Out) == 1)
        _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(words, words));
    else
        _mm_storeu_si128((__m128i *)to, words);
#elif defined(__aarch64__)
    const uint16x4_t words = vmovn_u32((uint32x4_t)wide);
    const uint8x8_t few = sizeof(Out) == 1 ? vmovn_u16(vcombine_u16(words, words)) : vreinterpret_u8_u16(words);
    __builtin_memcpy(to, &few, 4 * sizeof(Out));
#else
    for (int i = 0; i < lanes<int32_t>; ++i)
        to[i] = Out(wide[i]);
#endif
}

// Outputs above this size are written past the caches.
constexpr int64_t stream_above_bytes = 8 << 20;

// A store past the caches, which saves reading the line first. `to` must be aligned to vector_bytes; call fence()
// before another thread reads.
template <class T> inline void stream(T *to, Vector<T> v) {
    will_write(to, lanes<T>);
#if defined(__AVX512F__)
    _mm512_stream_si512((__m512i *)to, (__m512i)v);
#elif defined(__AVX2__)
    _mm256_stream_si256((__m256i *)to, (__m256i)v);
#elif defined(__x86_64__)
    _mm_stream_si128((__m128i *)to, (__m128i)v);
#else
    store(to, v);
#endif
}

inline void fence() {
#if defined(__x86_64__)
    _mm_sfence();
#endif
}

#if defined(__AVX512F__)
// One bit for each of the first `count` lanes.
inline uint32_t first_lanes(int64_t count) { return (1u << max(count, 0)) - 1; }
#endif

// One bit for each lane of a comparison, the first lane's lowest; and the lanes whose bit is set, the others zero.
inline uint32_t bits_of(Vector<int32_t> compared) {
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)compared, (__m512i)compared);
#elif defined(__AVX2__)
    return uint32_t(_mm256_movemask_ps((__m256)compared));
#elif defined(__x86_64__)
    return uint32_t(_mm_movemask_ps((__m128)compared));
#else
    uint32_t bits = 0;
    for (int i = 0; i < lanes<int32_t>; ++i)
        bits |= uint32_t(compared[i] != 0) << i;
    return bits;
#endif
}

inline Floats where_bits(uint32_t bits, Floats v) {
#if defined(__AVX512F__)
    return (Floats)_mm512_maskz_mov_ps(__mmask16(bits), (__m512)v);
#else
    Vector<int32_t> own;
    for (int i = 0; i < lanes<int32_t>; ++i)
        own[i] = 1 << i;
    return (broadcast(int32_t(bits)) & own) == own ? v : Floats{};
#endif
}

// The first `count` lanes from memory, the rest zero; and back. By a mask where there are some, as a copy of so few
// bytes is a call.
template <class T> inline Vector<T> load_some(const T *from, int64_t count) {
    if (count >= lanes<T>)
        return load(from);
    will_read(from, count);
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return (Vector<T>)_mm512_maskz_loadu_epi32(__mmask16(first_lanes(count)), from);
    else
        return (Vector<T>)_mm512_maskz_loadu_epi64(__mmask8(first_lanes(count)), from);
#else
    Vector<T> v{};
    __builtin_memcpy(&v, from, size_t(max(count, 0)) * sizeof(T));
    return v;
#endif
}

template <class T> inline void store_some(T *to, Vector<T> v, int64_t count) {
    if (count >= lanes<T>)
        return store(to, v);
    will_write(to, count);
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_epi32(to, __mmask16(first_lanes(count)), (__m512i)v);
    else
        _mm512_mask_storeu_epi64(to, __mmask8(first_lanes(count)), (__m512i)v);
#else
    __builtin_memcpy(to, &v, size_t(max(count, 0)) * sizeof(T));
#endif
}

} // namespace convolens::CONVOLENS_ISA
