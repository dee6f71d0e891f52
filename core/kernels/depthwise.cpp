// A filter for each channel ("depthwise"): nothing is summed over channels, so reading and writing is what it costs.
//
//   for each row of outputs (a task), for each vector of channels, its weights loaded once
//     for each block of the row's outputs
//       for each row of the kernel that lies inside the picture
//         each value of the row that the block sees, loaded once
//           sums += weight · value, for each output that sees it
//       y = sums + bias + residual, ReLU
//
// Channels run innermost, as they lie side by side; what a block's neighbours see again comes from the cache.
#include "jobs/layers.hpp"
#include "kernels/epilogue.hpp"
#include "kernels/gemm.hpp"
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

// One output of any kernel: cells outside the picture are left out.
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

template <int K> using KernelWeights = Floats[K][K];

// One vector of channels of R outputs side by side, the first of which sees x from column `left` on. A value that
// several of them see is loaded once; of those on the edge, columns outside the picture are left out.
template <int K, int S, int R, bool whole, bool edge>
inline __attribute__((always_inline)) void block_of_row(const ConvJob &job, const KernelWeights<K> &weight,
                                                        const float *const *lines, int64_t left, int64_t pixel,
                                                        int64_t c) {
    constexpr int seen = (R - 1) * S + K;
    const int64_t some = whole ? lanes<float> : job.x.c - c;
    Floats sums[R] = {};
#pragma GCC unroll 8
    for (int r = 0; r < K; ++r) {
        if (!lines[r])
            continue;
        const float *from = lines[r] + left * job.x.step_w + c;
#pragma GCC unroll 16
        for (int at = 0; at < seen; ++at) {
            if (edge && (left + at < 0 || left + at >= job.x.w))
                continue;
            const Floats value = load_some(from + at * job.x.step_w, some);
#pragma GCC unroll 8
            for (int i = 0; i < R; ++i)
                if (at - i * S >= 0 && at - i * S < K)
                    sums[i] += weight[r][at - i * S] * value;
        }
    }
    store_outputs<R>(job, sums, pixel, c, some);
}

// One vector of channels of a row of outputs, of a K×K kernel with step S, whose weights stay in registers.
template <int K, int S, bool whole>
inline void vector_of_row(const ConvJob &job, const float *const *lines, int64_t pixel, int64_t c) {
    const int64_t width = round_up(job.x.c, lanes<float>);
    KernelWeights<K> weight;
    for (int r = 0; r < K; ++r)
        for (int s = 0; s < K; ++s)
            weight[r][s] = load(job.packed + (r * K + s) * width + c);
    for (int64_t column = 0; column < job.y.w; column += block) {
        const int64_t count = min(block, job.y.w - column), left = column * S - job.pad_left;
        const int64_t to = pixel + column * job.y.step_w;
        if (count == block && left >= 0 && left + (block - 1) * S + K <= job.x.w)
            block_of_row<K, S, block, whole, false>(job, weight, lines, left, to, c);
        else
            with_rows<block>(count, [&](auto constant) {
                block_of_row<K, S, decltype(constant)::value, whole, true>(job, weight, lines, left, to, c);
            });
    }
}

template <int K, int S> void row_of_outputs(const ConvJob &job, int64_t n, int64_t row) {
    const auto &x = job.x;
    const float *lines[K];
    for (int64_t r = 0; r < K; ++r) {
        const int64_t at_h = row * job.stride_h - job.pad_top + r * job.dilation_h;
        lines[r] = at_h < 0 || at_h >= x.h ? nullptr : x.data + n * x.step_n + at_h * x.step_h;
    }
    const int64_t pixel = n * job.y.step_n + row * job.y.step_h;
    int64_t c = 0;
    for (; c + lanes<float> <= x.c; c += lanes<float>)
        vector_of_row<K, S, true>(job, lines, pixel, c);
    if (c < x.c)
        vector_of_row<K, S, false>(job, lines, pixel, c);
}

void one_by_one(const ConvJob &job, int64_t n, int64_t row) {
    for (int64_t column = 0; column < job.y.w; ++column)
        output(job, n, row, column);
}

using Row = void (*)(const ConvJob &, int64_t n, int64_t row);

// How a row of outputs of this kernel is done.
Row row_of(const ConvJob &job) {
    if (job.dilation_w != 1 || job.weights.rows != job.weights.columns || job.stride_w > 2)
        return one_by_one;
    switch (job.weights.columns * 2 + job.stride_w) {
    case 3 * 2 + 1:
        return row_of_outputs<3, 1>;
    case 3 * 2 + 2:
        return row_of_outputs<3, 2>;
    case 5 * 2 + 1:
        return row_of_outputs<5, 1>;
    case 5 * 2 + 2:
        return row_of_outputs<5, 2>;
    case 7 * 2 + 1:
        return row_of_outputs<7, 1>;
    default:
        return one_by_one;
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
    const Row outputs = row_of(job);
    parallel(job.y.n * job.y.h, [&](int64_t task, int) { outputs(job, task / job.y.h, task % job.y.h); });
}

} // namespace convolens::CONVOLENS_ISA
