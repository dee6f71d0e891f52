// 3×3 convolution, stride 1, by Winograd's transforms: a quarter (tile 4) or 4/9 (tile 2) of the multiplications.
//
//   weights, once:           u[p][filters][channels]   for each of the p = side² places of the transformed tile
//   for each block of tiles
//     v[p][tile][channel] = Bᵀ d B                     d: side × side inputs, overlapping its neighbours by 2
//     for each panel of filters
//       m[p][tile][filter] = Σ_channel v · u           p small matrix products
//       y = Aᵀ m A + bias + residual, ReLU, 2×2 max    m never leaves the cache
//
// Trainable weights are transformed for one use: a panel's where it is used, so that u need not go through
// memory.
//
// Two ways to share this among threads. Few channels: a task takes a block of tiles through all of it while v stays in
// its second-level cache; u is read again for each block. Many channels: u is too large for that (38 MB at 512 × 512),
// so all threads transform one large block of tiles, then share the panels, and u is read once.
//
// A tile whose sums are not all finite is recomputed by the definition: the transforms mix the tile's inputs, so one
// infinity or NaN (or an overflow) would reach outputs that do not see it.
#include "kernels/winograd.hpp"
#include "jobs/layers.hpp"
#include "kernels/epilogue.hpp"
#include "kernels/gemm.hpp"
#include "runtime/scratch.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t cache_floats = 160 * 1024;       // a task's part of v: 640 KiB of a second-level cache
constexpr int64_t shared_floats = 3 * 1024 * 1024; // v for all threads: 12 MiB, about a third-level cache
constexpr int64_t own_channels = 128;              // up to here a task keeps v to itself
constexpr int64_t chunk_tiles = 4 * max_rows;      // tiles a task takes from the shared v
constexpr int64_t task_panels = 2;                 // panels it computes for them
constexpr int64_t tiles_per_transform = 8;         // tiles a task adds to the shared v
constexpr int64_t even_tasks = 4;                  // their number is a multiple of this, where there are enough tiles
constexpr int64_t channels_ahead = 6;              // whose filters are asked for before they are transformed

struct Tiling {
    int64_t down, across, count; // tiles in a picture; in all of them
};

// Outputs that one value of y is made of, along an axis.
inline int64_t outputs_each(const WinogradJob &job) { return job.pool ? 2 : 1; }

template <int M> Tiling tiling(const WinogradJob &job) {
    const int64_t each = outputs_each(job);
    const int64_t down = (job.y.h * each + M - 1) / M, across = (job.y.w * each + M - 1) / M;
    return {down, across, job.y.n * down * across};
}

struct Place {
    int64_t n, row, column; // a tile's first output
};

template <int M> Place place(const Tiling &tiles, int64_t tile) {
    const int64_t in_picture = tile % (tiles.down * tiles.across);
    return {tile / (tiles.down * tiles.across), in_picture / tiles.across * M, in_picture % tiles.across * M};
}

struct Spot {
    int64_t row, column;
    bool inside;
};

// The pixel that stands at a place of the padded picture.
inline Spot seen(const WinogradJob &job, int64_t row, int64_t column) {
    const auto &x = job.x;
    row -= job.pad_top;
    column -= job.pad_left;
    const bool inside = row >= 0 && row < x.h && column >= 0 && column < x.w;
    // Two past the border only in tiles that hang over the end, whose outputs there are dropped.
    return {max(0, min(row, x.h - 1)), max(0, min(column, x.w - 1)), inside || job.edge};
}

// v for one tile, at `slot` of a block of `slots`: [p][channel block][slot][depth_block].
template <int M>
void transform_tile(const WinogradJob &job, Place at, const float *zeros, float *v, int64_t slot, int64_t slots) {
    constexpr int side = Winograd<M>::side;
    const float *pixels[side * side];
    const auto &x = job.x;
    for (int r = 0; r < side; ++r)
        for (int c = 0; c < side; ++c) {
            const Spot spot = seen(job, at.row + r, at.column + c);
            pixels[r * side + c] =
                spot.inside ? x.data + at.n * x.step_n + spot.row * x.step_h + spot.column * x.step_w : zeros;
        }
    const int64_t place_stride = round_up(x.c, depth_block) * slots;
    for (int64_t c = 0; c < x.c; c += lanes<float>) {
        for (int p = 0; p < side * side; ++p)
            if (p % side >= 2) // what the next tile sees and this one does not
                __builtin_prefetch(pixels[p] + c + M * x.step_w);
        Floats d[side * side];
        if (c + lanes<float> <= x.c)
            for (int p = 0; p < side * side; ++p)
                d[p] = load(pixels[p] + c);
        else
            for (int p = 0; p < side * side; ++p)
                d[p] = load_some(pixels[p] + c, x.c - c);
        both_ways<side, side>(d, d, [](const Floats *in, Floats *out) { Winograd<M>::input(in, out); });
        float *to = v + (c / depth_block * slots + slot) * depth_block + c % depth_block;
        for (int p = 0; p < side * side; ++p)
            store(to + p * place_stride, d[p]);
    }
}

// One tile of `count` filters by the definition.
template <int M>
void direct_tile(const WinogradJob &job, Place at, int64_t filter, int64_t count, float (*sums)[panel]) {
    const auto &x = job.x;
    const auto &w = job.weights;
    for (int out = 0; out < M * M; ++out)
        for (int64_t f = 0; f < count; ++f) {
            float sum = 0;
            for (int r = 0; r < 3; ++r)
                for (int s = 0; s < 3; ++s) {
                    const Spot spot = seen(job, at.row + out / M + r, at.column + out % M + s);
                    if (!spot.inside)
                        continue;
                    const float *pixel = x.data + at.n * x.step_n + spot.row * x.step_h + spot.column * x.step_w;
                    const float *weight = w.data + (filter + f) * w.step_filter + r * w.step_row + s * w.step_column;
                    for (int64_t c = 0; c < x.c; ++c)
                        sum += checked(pixel + c) * checked(weight + c * w.step_channel);
                }
            sums[out][f] = sum;
        }
}

inline Floats larger(Floats a, Floats b) { return (b > a) | (b != b) ? b : a; } // NaN is the largest

inline bool all_zero(Floats v) {
    for (int i = 0; i < lanes<float>; ++i)
        if (!(v[i] == 0))
            return false;
    return true;
}

// A tile's outputs for one panel of filters, from m: [p][slot][panel].
template <int M> void tile_outputs(const WinogradJob &job, Place at, int64_t filter, const float *m, int64_t slots) {
    constexpr int side = Winograd<M>::side;
    const auto &y = job.y;
    const int64_t count = min(panel, y.c - filter), each = outputs_each(job);
    float sums[M * M][panel];
    Floats contaminated{}; // stays zero while everything is finite: ∞ - ∞ and NaN - NaN are NaN
    for (int v = 0; v < panel_vectors; ++v) {
        Floats in[side * side], out[side * side];
        for (int p = 0; p < side * side; ++p)
            in[p] = load(m + p * slots * panel + v * lanes<float>);
        both_ways<side, M>(in, out, [](const Floats *from, Floats *to) { Winograd<M>::output(from, to); });
        for (int p = 0; p < M * M; ++p) {
            contaminated += out[p] - out[p];
            store(sums[p] + v * lanes<float>, out[p]);
        }
    }
    if (!all_zero(contaminated))
        direct_tile<M>(job, at, filter, count, sums);

    for (int v = 0; v < panel_vectors; ++v) {
        const int64_t first = filter + v * lanes<float>, some = y.c - first;
        if (some <= 0)
            break;
        const Floats scale = scale_of(job.epilogue, first, some), bias = bias_of(job.epilogue, first, some);
        const auto output = [&](int64_t r, int64_t c) { return scale * load(sums[r * M + c] + v * lanes<float>); };
        for (int64_t r = 0; r < min(M, y.h * each - at.row); r += each)
            for (int64_t c = 0; c < min(M, y.w * each - at.column); c += each) {
                const int64_t to =
                    at.n * y.step_n + (at.row + r) / each * y.step_h + (at.column + c) / each * y.step_w + first;
                Floats sum = output(r, c);
                if (job.pool)
                    sum = larger(larger(sum, output(r, c + 1)), larger(output(r + 1, c), output(r + 1, c + 1)));
                store_output(job.epilogue, sum + bias, y.data, to, some);
            }
    }
}

// One channel of a panel of u, [p][channel][panel]; filters beyond the last are zero.
template <int M> void transform_filters(const Weights &w, int64_t first, int64_t c, float *u) {
    constexpr int side = Winograd<M>::side, places = side * side;
    const float *from = w.data + first * w.step_filter + c * w.step_channel;
    float kernels[9][panel] = {};
    for (int64_t f = 0; f < min(panel, w.filters - first); ++f) {
        __builtin_prefetch(from + f * w.step_filter + channels_ahead * w.step_channel);
        for (int k = 0; k < 9; ++k)
            kernels[k][f] = checked(from + f * w.step_filter + k / 3 * w.step_row + k % 3 * w.step_column);
    }
    for (int v = 0; v < panel_vectors; ++v) {
        Floats in[9], out[places];
        for (int k = 0; k < 9; ++k)
            in[k] = load(kernels[k] + v * lanes<float>);
        both_ways<3, side>(in, out, [](const Floats *d, Floats *t) { Winograd<M>::weights(d, t); });
        for (int p = 0; p < places; ++p)
            store(u + (p * w.channels + c) * panel + v * lanes<float>, out[p]);
    }
}

// All panels of u, one after the other.
template <int M> void transform_weights(const Weights &w, float *u) {
    constexpr int64_t places = Winograd<M>::side * Winograd<M>::side;
    const int64_t panels = (w.filters + panel - 1) / panel;
    parallel(panels * w.channels, [&](int64_t task, int) {
        const int64_t first = task / w.channels * panel;
        transform_filters<M>(w, first, task % w.channels, u + first * w.channels * places);
    });
}

// Products and inverse transforms of tiles [first, first + count) of a block of `slots`, for `panels` panels from u on.
template <int M>
void some_panels(const WinogradJob &job, const Tiling &tiles, int64_t block, const float *v, int64_t slots,
                 int64_t first, int64_t count, int64_t filter, int64_t panels, const float *u, float *m) {
    constexpr int places = Winograd<M>::side * Winograd<M>::side;
    const int64_t depth = job.x.c, place_stride = round_up(depth, depth_block) * slots;
    for (int p = 0; p < places; ++p)
        for (int64_t q = 0; q < panels; ++q) {
            float *m_p = m + (q * places + p) * count * panel;
            const float *u_p = u + (q * places + p) * depth * panel;
            const float *next = q + 1 < panels ? u_p + places * depth * panel : u + (p + 1) * depth * panel;
            multiply_rows(v + p * place_stride + first * depth_block, slots, u_p, depth, count,
                          Ahead(next, p + 1 < places ? depth * panel : 0, steps_ahead(depth, count)),
                          [m_p](int64_t first, auto &sums) {
                              each_sum(sums, [=](int row, int vector, Floats sum) {
                                  store(m_p + (first + row) * panel + vector * lanes<float>, sum);
                              });
                          });
        }
    for (int64_t i = 0; i < count; ++i)
        for (int64_t q = 0; q < panels; ++q)
            tile_outputs<M>(job, place<M>(tiles, block + first + i), filter + q * panel,
                            m + (q * places * count + i) * panel, count);
}

// Few channels: each task takes a block of tiles through everything.
template <int M> void by_blocks(const WinogradJob &job, const Tiling &tiles, const float *zeros, const float *u) {
    constexpr int64_t places = Winograd<M>::side * Winograd<M>::side;
    const int64_t deep = round_up(job.x.c, depth_block);
    const int64_t fitting = max(cache_floats / (places * deep) / max_rows, 1) * max_rows;
    const int64_t slots = min(fitting, chunk_tiles), fewest = ceil_div(tiles.count, slots);
    // A few large tasks would leave threads without one at the end.
    const int64_t tasks = max(fewest, min(round_up(fewest, even_tasks), tiles.count / max_rows));
    parallel(tasks, [&](int64_t task, int) {
        const int64_t first = tiles.count * task / tasks, count = tiles.count * (task + 1) / tasks - first;
        float *v = scratch(Scratch::own, places * count * (deep + task_panels * panel)), *m = v + places * count * deep;
        for (int64_t i = 0; i < count; ++i)
            transform_tile<M>(job, place<M>(tiles, first + i), zeros, v, i, count);
        const int64_t panels = (job.y.c + panel - 1) / panel;
        for (int64_t q = 0; q < panels; q += task_panels)
            some_panels<M>(job, tiles, first, v, count, 0, count, q * panel, min(task_panels, panels - q),
                           u + q * panel * job.x.c * places, m);
    });
}

// Tiles of which all threads have v at once, where there are many channels.
template <int M> int64_t fitting_tiles(int64_t channels) {
    constexpr int64_t places = Winograd<M>::side * Winograd<M>::side;
    return max(shared_floats / (places * round_up(channels, depth_block)), chunk_tiles);
}

// Many channels: all threads fill one large v, then share the panels, so that each u is read once a block. Without u a
// task makes one panel of it, for all tiles of the only block.
template <int M>
void by_panels(const WinogradJob &job, const Tiling &tiles, const float *zeros, const float *all_u, float *v) {
    constexpr int64_t places = Winograd<M>::side * Winograd<M>::side;
    const int64_t u_panel = places * job.x.c * panel, fitting = fitting_tiles<M>(job.x.c);
    const int64_t blocks = (tiles.count + fitting - 1) / fitting, panels = (job.y.c + panel - 1) / panel;
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t first = tiles.count * block / blocks, slots = tiles.count * (block + 1) / blocks - first;
        parallel((slots + tiles_per_transform - 1) / tiles_per_transform, [&](int64_t task, int) {
            for (int64_t i = task * tiles_per_transform; i < min((task + 1) * tiles_per_transform, slots); ++i)
                transform_tile<M>(job, place<M>(tiles, first + i), zeros, v, i, slots);
        });
        const int64_t chunks = (slots + chunk_tiles - 1) / chunk_tiles;
        auto chunk_of = [&](int64_t chunk, int64_t q, int64_t many, const float *u, float *m) {
            const int64_t from = slots * chunk / chunks, to = slots * (chunk + 1) / chunks;
            some_panels<M>(job, tiles, first, v, slots, from, to - from, q * panel, min(many, panels - q), u, m);
        };
        if (all_u)
            parallel(chunks * ((panels + task_panels - 1) / task_panels), [&](int64_t task, int) {
                const int64_t q = task / chunks * task_panels;
                float *m = scratch(Scratch::own, places * chunk_tiles * task_panels * panel);
                chunk_of(task % chunks, q, task_panels, all_u + q * u_panel, m);
            });
        else
            parallel(panels, [&](int64_t q, int) {
                float *u = scratch(Scratch::own, u_panel + places * chunk_tiles * panel);
                for (int64_t c = 0; c < job.x.c; ++c)
                    transform_filters<M>(job.weights, q * panel, c, u);
                for (int64_t chunk = 0; chunk < chunks; ++chunk)
                    chunk_of(chunk, q, 1, u, u + u_panel);
            });
    }
}

template <int M> void run(const WinogradJob &job) {
    constexpr int64_t places = Winograd<M>::side * Winograd<M>::side;
    const Tiling tiles = tiling<M>(job);
    const int64_t deep = round_up(job.x.c, depth_block);
    const bool few = job.x.c <= own_channels;
    const int64_t fitting = fitting_tiles<M>(job.x.c);
    const int64_t v = few ? 0 : places * deep * min(fitting, tiles.count);
    // Without u, all of it is made once where several blocks of tiles read it.
    const bool makes_u = !job.transformed && (few || tiles.count > fitting);
    const int64_t u_size = makes_u ? round_up(job.y.c, panel) * job.x.c * places : 0;
    float *zeros = scratch(Scratch::shared, deep + u_size + v), *u = zeros + deep;
    clear(zeros, deep);
    if (makes_u)
        transform_weights<M>(job.weights, u);
    const float *const all_u = makes_u ? u : job.transformed;
    if (few)
        by_blocks<M>(job, tiles, zeros, all_u);
    else
        by_panels<M>(job, tiles, zeros, all_u, u + u_size);
}

} // namespace

int64_t winograd_weights_size(int64_t filters, int64_t channels, int tile) {
    return round_up(filters, panel) * channels * (tile + 2) * (tile + 2);
}

void winograd_weights(const Weights &weights, int tile, float *transformed) {
    if (tile == 2)
        transform_weights<2>(weights, transformed);
    else
        transform_weights<4>(weights, transformed);
}

void winograd(const WinogradJob &job) {
    if (job.tile == 2)
        run<2>(job);
    else
        run<4>(job);
}

} // namespace convolens::CONVOLENS_ISA
