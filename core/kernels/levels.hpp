// Numbers as the levels of 8-bit integers: what a layer in them reads (int8.cpp), and what the layer before may store.
#pragma once
#include "jobs/layers.hpp"
#include "kernels/simd.hpp"

namespace convolens::CONVOLENS_ISA {

using Ints = Vector<int32_t>;
constexpr int64_t highest_level = 255; // counted from the lowest

// The lowest 8 bits of each.
inline void store_levels(Ints levels, uint8_t *to) {
    will_write(to, lanes<int32_t>);
#if defined(__AVX512F__)
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8((__m512i)levels));
#elif defined(__AVX2__)
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128((__m256i)levels), _mm256_extracti128_si256((__m256i)levels, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(words, words));
#else
    for (int i = 0; i < lanes<int32_t>; ++i)
        to[i] = uint8_t(levels[i]);
#endif
}

// The lowest 16 bits of each.
inline void store_levels(Ints levels, int16_t *to) {
    will_write(to, lanes<int32_t>);
#if defined(__AVX512F__)
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi32_epi16((__m512i)levels));
#elif defined(__AVX2__)
    _mm_storeu_si128((__m128i *)to, _mm_packs_epi32(_mm256_castsi256_si128((__m256i)levels),
                                                    _mm256_extracti128_si256((__m256i)levels, 1)));
#elif defined(__x86_64__)
    _mm_storel_epi64((__m128i *)to, _mm_packs_epi32((__m128i)levels, (__m128i)levels));
#elif defined(__aarch64__)
    vst1_s16(to, vmovn_s32((int32x4_t)levels));
#else
    for (int i = 0; i < lanes<int32_t>; ++i)
        to[i] = int16_t(levels[i]);
#endif
}

// The first `count` of them, of which there may be fewer than lanes.
template <class Level> inline void store_some_levels(Ints levels, Level *to, int64_t count) {
    if (count >= lanes<int32_t>)
        return store_levels(levels, to);
    Level all[lanes<int32_t>];
    store_levels(levels, all);
    will_write(to, count);
    __builtin_memcpy(to, all, size_t(count) * sizeof(Level));
}

// How numbers become levels: the nearest, counted from the lowest where a level is a byte.
struct Rounding {
    Floats steps, first, last; // levels in one unit; the lowest and highest level
    int32_t below;             // what is taken from a level's number

    Rounding(const Levels &levels, bool from_lowest)
        : steps(broadcast(1.0f / levels.step)), first(broadcast(float(levels.lowest))),
          last(broadcast(float(levels.lowest + highest_level))), below(from_lowest ? levels.lowest : 0) {}

    // Beyond 2^23 there are no fractions: what is added rounds to the nearest, ties to even.
    Ints operator()(Floats x) const {
        constexpr float whole = 12582912.0f; // 1.5 · 2^23
        x *= steps;
        x = x < first ? first : x;
        x = x > last ? last : x;
        return (Ints)(x + whole) - (Ints)broadcast(whole) - below;
    }
};

inline bool any_lane(Ints mask) {
    int32_t any = 0;
    for (int lane = 0; lane < lanes<int32_t>; ++lane)
        any |= mask[lane];
    return any != 0;
}

inline void tell(bool *flag) { __atomic_store_n(flag, true, __ATOMIC_RELAXED); }

} // namespace convolens::CONVOLENS_ISA
