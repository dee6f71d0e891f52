// A filter for each channel ("depthwise"): nothing is summed over channels, so reading and writing is what it costs.
//
//   for each row of outputs (a task), for each block of its outputs, for each vector of channels
//     for each row of the kernel that lies inside the picture
//       its weights, loaded once for the block; each value of the row that the block sees, loaded once
//         sums += weight · value, for each output that sees it
//     y = sums + bias + residual, ReLU
//
// Channels run innermost, as they lie side by side; what a block's neighbours see again comes from the cache.
#include "jobs/layers.hpp"
#include "kernels/epilogue.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int block = 4; // outputs; more was measured to gain nothing

// One vector of channels of R outputs, from their sums.
template <int R>
inline void store_outputs(const ConvJob &job, const Floats *sums, int64_t pixel, int64_t c, int64_t some) {
    const Epilogue &e = job.epilogue;
    const Floats scale = scale_of(e, c, some), bias = bias_of(e, c, some);
    for (int i = 0; i < R; ++i)
        store_output(e, scale * sums[i] + bias, job.y.data, pixel + i * job.y.step_w + c, some);
}

// One output near a border, or of any kernel: cells outside the picture are left out.
void output(const ConvJob &job, int64_t n, int64_t row, int64_t column) {
    const auto &x = job.x;
    const auto &w = job.weights;
    const int64_t top = row * job.stride_h - job.pad_top, left = column * job.stride_w - job.pad_left;
    for (int64_t c = 0; c < x.c; c += lanes<float>) {
        Floats sum{};
        for (int64_t r = 0; r < w.rows; ++r)
            for (int64_t s = 0; s < w.columns; ++s) {
                const int64_t at_h = top + r * job.dilation_h, at_w = left + s * job.dilation_w;
                if (at_h < 0 || at_h >= x.h || at_w < 0 || at_w >= x.w)
                    continue;
                const Floats weight = load(job.packed + (r * w.columns + s) * round_up(x.c, lanes<float>) + c);
                sum += weight * load_some(x.data + n * x.step_n + at_h * x.step_h + at_w * x.step_w + c, x.c - c);
            }
        const int64_t pixel = n * job.y.step_n + row * job.y.step_h + column * job.y.step_w;
        store_outputs<1>(job, &sum, pixel, c, x.c - c);
    }
}

// One vector of channels of a row of outputs, of a K×K kernel with step S and no column of it outside. The weights stay
// in registers; a value that several outputs of a block see is loaded once.
template <int K, int S, bool whole>
inline void vector_of_row(const ConvJob &job, const float *const *lines, int64_t pixel, int64_t blocks, int64_t c) {
    constexpr int seen = (block - 1) * S + K;
    const int64_t some = whole ? lanes<float> : job.x.c - c, width = round_up(job.x.c, lanes<float>);
    Floats weight[K][K];
    for (int r = 0; r < K; ++r)
        for (int s = 0; s < K; ++s)
            weight[r][s] = load(job.packed + (r * K + s) * width + c);
    for (int64_t b = 0; b < blocks; ++b) {
        Floats sums[block] = {};
#pragma GCC unroll 8
        for (int r = 0; r < K; ++r) {
            if (!lines[r])
                continue;
            const float *from = lines[r] + b * block * S * job.x.step_w + c;
#pragma GCC unroll 16
            for (int at = 0; at < seen; ++at) {
                const Floats value = load_some(from + at * job.x.step_w, some);
#pragma GCC unroll 8
                for (int i = 0; i < block; ++i)
                    if (at - i * S >= 0 && at - i * S < K)
                        sums[i] += weight[r][at - i * S] * value;
            }
        }
        store_outputs<block>(job, sums, pixel + b * block * job.y.step_w, c, some);
    }
}

template <int K, int S> void blocks_of_row(const ConvJob &job, int64_t n, int64_t row, int64_t column, int64_t blocks) {
    const auto &x = job.x;
    const float *lines[K];
    for (int64_t r = 0; r < K; ++r) {
        const int64_t at_h = row * job.stride_h - job.pad_top + r * job.dilation_h;
        const int64_t left = column * S - job.pad_left;
        lines[r] = at_h < 0 || at_h >= x.h ? nullptr : x.data + n * x.step_n + at_h * x.step_h + left * x.step_w;
    }
    const int64_t pixel = n * job.y.step_n + row * job.y.step_h + column * job.y.step_w;
    int64_t c = 0;
    for (; c + lanes<float> <= x.c; c += lanes<float>)
        vector_of_row<K, S, true>(job, lines, pixel, blocks, c);
    if (c < x.c)
        vector_of_row<K, S, false>(job, lines, pixel, blocks, c);
}

using Blocks = void (*)(const ConvJob &, int64_t n, int64_t row, int64_t column, int64_t blocks);

// How blocks of outputs of this kernel are done; null where one output after the other is.
Blocks blocks_of(const ConvJob &job) {
    if (job.dilation_w != 1 || job.weights.rows != job.weights.columns || job.stride_w > 2)
        return nullptr;
    switch (job.weights.columns * 2 + job.stride_w) {
    case 3 * 2 + 1:
        return blocks_of_row<3, 1>;
    case 3 * 2 + 2:
        return blocks_of_row<3, 2>;
    case 5 * 2 + 1:
        return blocks_of_row<5, 1>;
    case 5 * 2 + 2:
        return blocks_of_row<5, 2>;
    case 7 * 2 + 1:
        return blocks_of_row<7, 1>;
    default:
        return nullptr;
    }
}

} // namespace

int64_t depthwise_weights_size(const Weights &w) { return round_up(w.filters, lanes<float>) * w.rows * w.columns; }

// [kernel row][column][channel]; channels beyond the last are zero.
void depthwise_weights(const Weights &w, float *packed) {
    const int64_t width = round_up(w.filters, lanes<float>);
    for (int64_t cell = 0; cell < w.rows * w.columns; ++cell)
        for (int64_t c = 0; c < width; ++c) {
            const int64_t from = c * w.step_filter + cell / w.columns * w.step_row + cell % w.columns * w.step_column;
            checked(packed + cell * width + c) = c < w.filters ? checked(w.data + from) : 0;
        }
}

void depthwise(const ConvJob &job) {
    const auto &x = job.x;
    const auto &y = job.y;
    const Blocks outputs = blocks_of(job);
    // Outputs [first, end) see only columns inside the picture.
    const int64_t last = x.w - job.weights.columns + job.pad_left; // in inputs
    const int64_t first = min(ceil_div(job.pad_left, job.stride_w), y.w);
    const int64_t end = !outputs || last < 0 ? first : max(first, min(last / job.stride_w + 1, y.w));
    parallel(y.n * y.h, [&](int64_t task, int) {
        const int64_t n = task / y.h, row = task % y.h;
        int64_t column = 0;
        for (; column < first; ++column)
            output(job, n, row, column);
        if (const int64_t blocks = (end - first) / block; blocks > 0) {
            outputs(job, n, row, column, blocks);
            column += blocks * block;
        }
        for (; column < y.w; ++column)
            output(job, n, row, column);
    });
}

} // namespace convolens::CONVOLENS_ISA
