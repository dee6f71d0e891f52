// A 64-bit fingerprint of an array at memory speed: whether weights are still those that were transformed.
//
// Each lane takes xxHash's round, (s + word·p) rotated, times q, in several chains to hide the multiplier's latency,
// chunk by chunk. A change of one word always changes its chain; what changes all words in one way, such as their signs
// or their exponents, does not cancel, as it does in a sum of products. Chunks are folded in order, so threads do not
// matter.
#include "kernels/simd.hpp"
#include "runtime/scratch.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t chunk_words = 64 * 1024;
constexpr int chains = 8;
using Words = Vector<uint32_t>;

uint64_t mix(uint64_t h, uint64_t word) {
    h = (h ^ word) * 0x9E3779B97F4A7C15ull;
    return h ^ (h >> 29);
}

inline Words round(Words sums, Words words) {
    sums += words * 0x85EBCA77u;
    return ((sums << 13) | (sums >> 19)) * 0x9E3779B1u;
}

uint64_t chunk_fingerprint(const uint32_t *words, int64_t count) {
    Words sums[chains];
    for (int i = 0; i < chains; ++i)
        sums[i] = broadcast<uint32_t>(uint32_t(i + 1));
    constexpr int64_t step = chains * lanes<uint32_t>;
    int64_t at = 0;
    for (; at + step <= count; at += step)
        for (int i = 0; i < chains; ++i)
            sums[i] = round(sums[i], load(words + at + i * lanes<uint32_t>));
    for (int i = 1; i < chains; ++i)
        sums[0] = round(sums[0], sums[i]);
    uint64_t h = uint64_t(count);
    for (int lane = 0; lane < lanes<uint32_t>; ++lane)
        h = mix(h, sums[0][lane]);
    for (; at < count; ++at)
        h = mix(h, checked(words + at));
    return h;
}

} // namespace

uint64_t fingerprint(const void *data, int64_t words) {
    const uint32_t *from = static_cast<const uint32_t *>(data);
    const int64_t chunks = (words + chunk_words - 1) / chunk_words;
    uint64_t *parts = reinterpret_cast<uint64_t *>(scratch(Scratch::shared, 2 * chunks));
    parallel(chunks, [&](int64_t task, int) {
        const int64_t first = task * chunk_words;
        parts[task] = chunk_fingerprint(from + first, min(chunk_words, words - first));
    });
    uint64_t h = uint64_t(words);
    for (int64_t i = 0; i < chunks; ++i)
        h = mix(h, parts[i]);
    return h;
}

} // namespace convolens::CONVOLENS_ISA
