// The gradient in the weights of a 3×3 convolution, stride 1, by the adjoint of Winograd's algorithm F(4×4, 3×3).
//
//   for each block of tiles
//     v[p][tile][channel] = Bᵀ d B        d: 6×6 inputs          h[p][tile][filter] = A g Aᵀ      g: 4×4 upstream
//     values for each place p and block of channels
//       s[p][channel][filter] += Σ_tile v · h                     36 matrix products, summed over all tiles
//   gradient = Gᵀ s G                                             once, 6×6 → 3×3
//
// All threads transform one block, then share the places; a sum always runs over the tiles in the same order.
//
// Many channels and filters: s is the large thing (38 MB at 512 × 512). Where v and h of all tiles are not, a task
// takes 64 channels and filters through all places and back, while their part of s stays in its second-level cache.
#include "jobs/layers.hpp"
#include "kernels/gemm.hpp"
#include "kernels/winograd.hpp"
#include "runtime/scratch.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

using F4 = Winograd<4>;
constexpr int side = F4::side, places = side * side, tile = 4;
constexpr int64_t block_floats = 2 * 1024 * 1024; // v and h of a block: 8 MiB, some way below a third-level cache
constexpr int64_t all_floats = 16 * 1024 * 1024;  // v and h of all tiles, so that s need not be kept: 64 MiB
constexpr int64_t min_parts = 16;                 // 64 × 64 parts of s for the threads to share
constexpr int64_t tiles_per_transform = 8;

// Values of a square of pixels, zero outside the picture, `count` channels from c.
template <int Side>
void load_square(const Pictures<const float> &x, int64_t n, int64_t row, int64_t column, int64_t c, Floats *d) {
    for (int r = 0; r < Side; ++r)
        for (int s = 0; s < Side; ++s) {
            const int64_t y = row + r, z = column + s;
            const bool inside = y >= 0 && y < x.h && z >= 0 && z < x.w;
            d[r * Side + s] =
                inside ? load_some(x.data + n * x.step_n + y * x.step_h + z * x.step_w + c, x.c - c) : Floats{};
        }
}

// One tile of v or h, at `slot` of `slots`: [p][block of depth_block][slot][depth_block].
template <int Side, class Line>
void transform(const Pictures<const float> &x, int64_t n, int64_t row, int64_t column, float *to, int64_t slot,
               int64_t slots, const Line &line) {
    const int64_t place_stride = round_up(x.c, depth_block) * slots;
    for (int64_t c = 0; c < x.c; c += lanes<float>) {
        Floats d[Side * Side], t[places];
        load_square<Side>(x, n, row, column, c, d);
        both_ways<Side, side>(d, t, line);
        float *out = to + (c / depth_block * slots + slot) * depth_block + c % depth_block;
        for (int p = 0; p < places; ++p)
            store(out + p * place_stride, t[p]);
    }
}

// s(channels × filters) += vᵀ · h over `tiles`, for one block of channels and one of filters.
void accumulate(const float *v, const float *h, int64_t tiles, int64_t channels, int64_t filters, float *s,
                int64_t stride) {
    for (int64_t f = 0; f < filters; f += panel)
        row_blocks(channels, [&](int64_t first, int64_t count) {
            with_rows(count, [&](auto constant) {
                constexpr int R = decltype(constant)::value;
                Sums<R> sums;
                float *to = s + first * stride + f;
                for (int i = 0; i < R; ++i)
                    for (int k = 0; k < panel_vectors; ++k)
                        sums.at[i][k] = load(to + i * stride + k * lanes<float>);
                multiply<R, 1, depth_block, depth_block>(v + first, h + f, tiles, sums);
                for (int i = 0; i < R; ++i)
                    for (int k = 0; k < panel_vectors; ++k)
                        store(to + i * stride + k * lanes<float>, sums.at[i][k]);
            });
        });
}

// Gᵀ s G of one channel and some filters, from s: a place's number of the channel and filter every place_stride.
void transform_back(const WinogradWeightGradientJob &job, const float *s, int64_t place_stride, int64_t c,
                    int64_t first, int64_t last) {
    for (int64_t f = first; f < last; f += lanes<float>) {
        Floats in[places], out[9];
        for (int p = 0; p < places; ++p)
            in[p] = load(s + p * place_stride + f - first);
        both_ways<side, 3>(in, out, [](const Floats *u, Floats *w) { F4::weights_adjoint(u, w); });
        for (int64_t i = 0; i < min(lanes<float>, last - f); ++i)
            for (int k = 0; k < 9; ++k)
                checked(job.gradient + ((f + i) * job.x.c + c) * 9 + k) = out[k][i];
    }
}

// v and h of tiles [first, first + tiles).
void transform_tiles(const WinogradWeightGradientJob &job, int64_t first, int64_t tiles, float *v, float *h) {
    const auto &x = job.x, &g = job.g;
    const int64_t across = (g.w + tile - 1) / tile, down = (g.h + tile - 1) / tile;
    parallel((tiles + tiles_per_transform - 1) / tiles_per_transform, [&](int64_t task, int) {
        for (int64_t i = task * tiles_per_transform; i < min((task + 1) * tiles_per_transform, tiles); ++i) {
            const int64_t at = first + i, n = at / (down * across), in_picture = at % (down * across);
            const int64_t row = in_picture / across * tile, column = in_picture % across * tile;
            transform<side>(x, n, row - job.pad_top, column - job.pad_left, v, i, tiles,
                            [](const Floats *d, Floats *t) { F4::input(d, t); });
            transform<tile>(g, n, row, column, h, i, tiles,
                            [](const Floats *y, Floats *m) { F4::output_adjoint(y, m); });
        }
    });
}

// Block after block of tiles into one s, then back.
void by_blocks(const WinogradWeightGradientJob &job, int64_t count, int64_t deep, int64_t wide) {
    const int64_t channels = job.x.c, filters = job.g.c;
    const int64_t fitting = max(block_floats / (places * (deep + wide)), tiles_per_transform);
    const int64_t blocks = (count + fitting - 1) / fitting, slots = min(fitting, count);
    float *s = scratch(Scratch::shared, places * (channels * wide + slots * (deep + wide)));
    float *v = s + places * channels * wide, *h = v + places * deep * slots;
    clear(s, places * channels * wide);
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t first = count * block / blocks, tiles = count * (block + 1) / blocks - first;
        transform_tiles(job, first, tiles, v, h);
        const int64_t channel_blocks = deep / depth_block;
        parallel(places * channel_blocks, [&](int64_t task, int) {
            const int64_t p = task / channel_blocks, c = task % channel_blocks * depth_block;
            for (int64_t f = 0; f < filters; f += depth_block)
                accumulate(v + (p * deep + c) * tiles, h + (p * wide + f) * tiles, tiles,
                           min(depth_block, channels - c), round_up(min(depth_block, filters - f), panel),
                           s + (p * channels + c) * wide + f, wide);
        });
    }
    parallel(channels, [&](int64_t c, int) { transform_back(job, s + c * wide, channels * wide, c, 0, filters); });
}

// All tiles at once, a part of s after the other.
void by_parts(const WinogradWeightGradientJob &job, int64_t tiles, int64_t deep, int64_t wide) {
    float *v = scratch(Scratch::shared, places * tiles * (deep + wide)), *h = v + places * deep * tiles;
    transform_tiles(job, 0, tiles, v, h);
    parallel(deep * wide / (depth_block * depth_block), [&](int64_t task, int) {
        constexpr int64_t place_stride = depth_block * depth_block;
        const int64_t c = task / (wide / depth_block) * depth_block, f = task % (wide / depth_block) * depth_block;
        const int64_t channels = min(depth_block, job.x.c - c), filters = min(depth_block, job.g.c - f);
        float *s = scratch(Scratch::own, places * place_stride);
        clear(s, places * place_stride);
        for (int64_t p = 0; p < places; ++p)
            accumulate(v + (p * deep + c) * tiles, h + (p * wide + f) * tiles, tiles, channels,
                       round_up(filters, panel), s + p * place_stride, depth_block);
        for (int64_t i = 0; i < channels; ++i)
            transform_back(job, s + i * depth_block, place_stride, c + i, f, f + filters);
    });
}

} // namespace

void winograd_weight_gradient(const WinogradWeightGradientJob &job) {
    const auto &g = job.g;
    const int64_t count = g.n * ((g.h + tile - 1) / tile) * ((g.w + tile - 1) / tile);
    const int64_t deep = round_up(job.x.c, depth_block), wide = round_up(g.c, depth_block);
    const int64_t parts = deep * wide / (depth_block * depth_block);
    if (parts >= min_parts && places * count * (deep + wide) <= all_floats)
        by_parts(job, count, deep, wide);
    else
        by_blocks(job, count, deep, wide);
}

} // namespace convolens::CONVOLENS_ISA
