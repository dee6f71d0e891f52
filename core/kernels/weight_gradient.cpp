// The gradient in the weights of any convolution of one group, as a matrix product over all outputs' places:
//
//   gradient[filter][depth] = Σ_place g[place][filter] · x[place][depth]
//
// where x[place] are the inputs that the output there sees, by kernel row, column and channel (im2col.cpp). Both are
// brought into blocks of 64 columns, place behind place, so that what a register block reads lies side by side.
//
//   few weights     a task takes a stretch of places, which stays in its second-level cache, and has sums of its own
//   many weights    all threads bring a block of places into order, then share the sums, 64 × 64 of them a task
//
// A sum always runs over the places in the same order, whatever the number of threads.
#include "jobs/layers.hpp"
#include "kernels/gather.hpp"
#include "kernels/rows.hpp"
#include "runtime/scratch.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t few_weights = 64 * 1024;        // sums that lie in a second-level cache: 256 kB
constexpr int64_t stretch_floats = 64 * 1024;     // x and g of places that lie there beside them
constexpr int64_t block_floats = 2 * 1024 * 1024; // x and g of a block of places: 8 MiB
constexpr int64_t max_stretches = 16;             // that have sums of their own
constexpr int64_t places_at_once = 32;            // brought into order by a task

struct Sizes {
    int64_t depth, deep, filters, wide, places;

    explicit Sizes(const WeightGradientJob &job)
        : depth(job.window.weights.rows * job.window.weights.columns * job.window.x.c),
          deep(round_up(depth, depth_block)), filters(job.g.c), wide(round_up(filters, depth_block)),
          places(job.g.n * job.g.h * job.g.w) {}
    int64_t of_place() const { return deep + wide; }
    int64_t columns(int64_t k) const { return round_up(min(depth_block, depth - k), panel); } // of a block
};

// What an output sees, and its gradient, as number `place` of x and g.
void bring(const WeightGradientJob &job, const Sizes &sizes, int64_t output, int64_t place, const Blocks &x,
           const Blocks &g) {
    put(x, place, sizes.depth, nullptr, sizes.deep - sizes.depth);
    const int64_t at =
        gather(job.window, output, [&](int64_t k, const float *from, int64_t count) { put(x, place, k, from, count); });
    put(g, place, 0, job.g.data + at, sizes.filters);
    put(g, place, sizes.filters, nullptr, sizes.wide - sizes.filters);
}

// sums(filters × columns) (+)= gᵀ · x, for a block of each.
void multiply_block(const float *g, const float *x, int64_t places, int64_t filters, int64_t columns, bool more,
                    float *sums, int64_t stride) {
    for (int64_t k = 0; k < columns; k += panel)
        row_blocks(filters, [&](int64_t first, int64_t count) {
            with_rows(count, [&](auto constant) {
                constexpr int R = decltype(constant)::value;
                Sums<R> found{};
                float *const to = sums + first * stride + k;
                if (more)
                    each_sum(found, [&](int i, int v, Floats &sum) { sum = load(to + i * stride + v * lanes<float>); });
                multiply<R, 1, depth_block, depth_block>(g + first, x + k, places, found);
                each_sum(found, [&](int i, int v, Floats sum) { store(to + i * stride + v * lanes<float>, sum); });
            });
        });
}

void multiply_all(const Sizes &sizes, const Blocks &x, const Blocks &g, bool more, float *sums) {
    for (int64_t f = 0; f < sizes.filters; f += depth_block)
        for (int64_t k = 0; k < sizes.deep; k += depth_block)
            multiply_block(g.block(f), x.block(k), x.rows, min(depth_block, sizes.filters - f), sizes.columns(k), more,
                           sums + f * sizes.deep + k, sizes.deep);
}

// A filter's sums, of `count` stretches put together, to its place in the gradient.
void finish(const WeightGradientJob &job, const Sizes &sizes, int64_t filter, float *sums, int64_t count) {
    const int64_t stretch = sizes.filters * sizes.deep, channels = job.window.x.c, cells = sizes.depth / channels;
    float *const own = sums + filter * sizes.deep, *const to = job.gradient + filter * sizes.depth;
    for (int64_t s = 1; s < count; ++s)
        for (int64_t k = 0; k < sizes.depth; k += lanes<float>)
            store(own + k, load(own + k) + load(own + s * stretch + k));
    will_write(to, sizes.depth);
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t cell = 0; cell < cells; ++cell)
            to[c * cells + cell] = own[cell * channels + c];
}

void by_stretches(const WeightGradientJob &job, const Sizes &sizes) {
    const int64_t at_once = max(stretch_floats / sizes.of_place(), max_rows);
    const int64_t count = max(min(max_stretches, sizes.places / at_once), 1);
    float *const all = scratch(Scratch::shared, count * sizes.filters * sizes.deep);
    parallel(count, [&](int64_t task, int) {
        const int64_t first = sizes.places * task / count, last = sizes.places * (task + 1) / count;
        float *const own = scratch(Scratch::own, at_once * sizes.of_place());
        for (int64_t from = first; from < last; from += at_once) {
            const int64_t some = min(at_once, last - from);
            const Blocks x{own, some}, g{own + some * sizes.deep, some};
            for (int64_t i = 0; i < some; ++i)
                bring(job, sizes, from + i, i, x, g);
            multiply_all(sizes, x, g, from > first, all + task * sizes.filters * sizes.deep);
        }
    });
    parallel(sizes.filters, [&](int64_t filter, int) { finish(job, sizes, filter, all, count); });
}

void by_blocks(const WeightGradientJob &job, const Sizes &sizes) {
    const int64_t fitting = max(block_floats / sizes.of_place(), places_at_once);
    const int64_t blocks = max(ceil_div(sizes.places, fitting), 1), most = min(fitting, sizes.places);
    float *const sums = scratch(Scratch::shared, sizes.filters * sizes.deep + most * sizes.of_place());
    float *const at = sums + sizes.filters * sizes.deep;
    for (int64_t block = 0; block < blocks; ++block) {
        const int64_t first = sizes.places * block / blocks, some = sizes.places * (block + 1) / blocks - first;
        const Blocks x{at, some}, g{at + some * sizes.deep, some};
        parallel(ceil_div(some, places_at_once), [&](int64_t task, int) {
            for (int64_t i = task * places_at_once; i < min((task + 1) * places_at_once, some); ++i)
                bring(job, sizes, first + i, i, x, g);
        });
        const int64_t across = sizes.deep / depth_block;
        parallel(sizes.wide / depth_block * across, [&](int64_t task, int) {
            const int64_t f = task / across * depth_block, k = task % across * depth_block;
            multiply_block(g.block(f), x.block(k), some, min(depth_block, sizes.filters - f), sizes.columns(k),
                           block > 0, sums + f * sizes.deep + k, sizes.deep);
        });
    }
    parallel(sizes.filters, [&](int64_t filter, int) { finish(job, sizes, filter, sums, 1); });
}

} // namespace

void weight_gradient(const WeightGradientJob &job) {
    const Sizes sizes(job);
    if (sizes.places == 0)
        return clear(job.gradient, sizes.filters * sizes.depth);
    (sizes.filters * sizes.deep <= few_weights ? by_stretches : by_blocks)(job, sizes);
}

} // namespace convolens::CONVOLENS_ISA
