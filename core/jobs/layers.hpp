// The jobs of the layer kernels. Pictures are float32 with their channels side by side ("channels last"); strides are
// in elements. Every kernel is deterministic: the same bits on any number of threads.
#pragma once
#include <cstdint>

namespace convolens {

// A stack of pictures n × h × w × c; channels are contiguous.
template <class T> struct Pictures {
    T *data;
    int64_t n, h, w, c;
    int64_t step_n, step_h, step_w;
};

// A convolution's weights filters × channels × rows × columns at any strides: a negative one flips.
struct Weights {
    const float *data;
    int64_t filters, channels, rows, columns;
    int64_t step_filter, step_channel, step_row, step_column;
};

// 256 neighbouring levels that stand for numbers: number ≈ step · level, from `lowest` on, 0 among them.
struct Levels {
    float step;
    int32_t lowest;
};

// An output that is stored as the levels that the next layer reads it as.
struct StoredLevels {
    Levels levels;
    int bytes;     // of a level, as the int8 kernels have them: 1, counted from the lowest, or 2
    bool *saw_nan; // becomes true where a number was NaN, which no level stands for
};

// What is done to a sum before it is stored: y = max(scale · sum + bias + residual, 0), each part where it is wanted.
struct Epilogue {
    const float *scale;    // one number a filter, or null
    const float *bias;     // one number a filter, or null
    const float *residual; // laid out as the output, or null
    bool relu;
    const StoredLevels *stored = nullptr; // where wanted: y then holds levels, one beside the other
};

// 3×3, stride 1. `transformed` comes from winograd_weights with the same tile; null: the kernel makes it, for one use.
struct WinogradJob {
    Pictures<const float> x;
    Weights weights; // also for tiles that hold infinities or NaN
    const float *transformed;
    int tile; // outputs a side of a tile: 2 or 4
    int64_t pad_top, pad_left;
    bool edge; // past the border lies its last pixel again, rather than zero
    bool pool; // y holds the largest of each 2×2 outputs, side by side; without a residual
    Epilogue epilogue;
    Pictures<float> y;
};

// The gradient in 3×3 weights, stride 1: gradient[f][c][r][s] = Σ g[n, y, x, f] · x[n, y + r - top, x + s - left, c].
struct WinogradWeightGradientJob {
    Pictures<const float> x, g;
    int64_t pad_top, pad_left;
    float *gradient; // filters × channels × 3 × 3, contiguous
};

// Any kernel, stride and dilation, one group or a filter for each channel. `packed` comes from im2col_weights or
// depthwise_weights.
struct ConvJob {
    Pictures<const float> x;
    Weights weights; // sizes
    const float *packed;
    int64_t stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
    Epilogue epilogue;
    Pictures<float> y;
};

// The gradient in its weights, of one group: `window` is the layer, its y what lies as g does, without numbers.
struct WeightGradientJob {
    ConvJob window;
    Pictures<const float> g;
    float *gradient; // filters × channels × rows × columns, contiguous
};

// A convolution in 8-bit integers; x is dense. `conv.packed` comes from the int8 kernels' pack_weights.
struct Int8Job {
    ConvJob conv;
    Levels levels;  // of x
    bool of_levels; // x holds them already, as `stored` levels
};

// Max pooling. `argmax`, where wanted, is laid out as y and gets row · width + column of each maximum.
struct PoolJob {
    Pictures<const float> x;
    int64_t rows, columns, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
    Pictures<float> y;
    int64_t *argmax;
};

// Its gradient: `argmax` laid out as g; both pictures dense. Where windows lie one beside the other from the corner on,
// `rows` and `columns` are their size; otherwise 0.
struct PoolGradientJob {
    Pictures<const float> g;
    const int64_t *argmax;
    int64_t rows, columns;
    Pictures<float> gradient;
};

// Averages of windows of side × side, one beside the other from the top left corner on.
struct AverageJob {
    Pictures<const float> x;
    int64_t side;
    Pictures<float> y;
};

struct AverageGradientJob {
    Pictures<const float> g;
    int64_t side;
    Pictures<float> gradient;
};

// A batch norm that takes its statistics of the batch, with what follows it: y = max(norm(x) + residual, 0), each part
// where it is wanted. Maps are dense: `places` times so many channels.
struct NormJob {
    const float *x;
    int64_t places, channels;
    const float *weight, *bias; // one number a channel, or null
    double epsilon;
    const float *residual; // or null
    bool relu;
    float *mean, *variance; // written: the batch's, one a channel, the variance's sum divided by the places
    float *y;
    uint16_t *mask; // where wanted: a bit for each value that a ReLU let through, 16 channels a number, places apart
};

// Its gradient, in x and, where `passed` is not null, in the residual; either may be g's own memory.
struct NormGradientJob {
    const float *g, *x;
    int64_t places, channels;
    const uint16_t *mask; // or null
    const float *mean, *variance, *weight;
    double epsilon;
    float *gradient, *passed, *weight_gradient, *bias_gradient;
};

} // namespace convolens
