// The layer kernels' bindings. convolens/layers/core.py is the only caller, besides programs, and keeps tensors alive.
#include "bind/layers.hpp"
#include "bind/bind.hpp"

#include <nanobind/stl/array.h>

#include <array>
#include <cmath>

namespace convolens {
namespace {

template <class T> T *at(int64_t address) { return reinterpret_cast<T *>(static_cast<uintptr_t>(address)); }

template <class T> Pictures<T> pictures(const PicturesView &v) {
    return {at<T>(v[0]), v[1], v[2], v[3], v[4], v[5], v[6], v[7]};
}

Weights weights(const WeightsView &v) {
    return {at<const float>(v[0]), v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]};
}

Epilogue epilogue(const EpilogueView &v, const StoredLevels *stored = nullptr) {
    return {at<const float>(v[0]), at<const float>(v[1]), at<const float>(v[2]), v[3] != 0,
            stored && stored->levels.step > 0 ? stored : nullptr};
}

const Int8Kernels &int8_kernels() { return *kernels().int8; }

void need_levels(const Levels &levels) {
    need(levels.step > 0 && levels.lowest <= 0 && levels.lowest >= -255, "int8_convolution: levels");
}

StoredLevels stored_levels(const LevelsView &v, bool *saw_nan) {
    if (v.first != 0) {
        need_levels({v.first, v.second});
        need(saw_nan, "int8_convolution: where to tell of NaN");
    }
    return {{v.first, v.second}, int8_kernels().level_bytes, saw_nan};
}

// Numbers from the first of some pictures to the last.
template <class T> int64_t span(const Pictures<T> &p) {
    if (p.n * p.h * p.w * p.c == 0)
        return 0;
    return (p.n - 1) * p.step_n + (p.h - 1) * p.step_h + (p.w - 1) * p.step_w + p.c;
}

using convolens::reads, convolens::writes;

Extent reads(const Pictures<const float> &p) { return reads(p.data, span(p)); }
Extent writes(const Pictures<float> &p) { return writes(p.data, span(p)); }

Extent reads(const Weights &w) {
    const int64_t sizes[] = {w.filters, w.channels, w.rows, w.columns};
    const int64_t steps[] = {w.step_filter, w.step_channel, w.step_row, w.step_column};
    int64_t below = 0, above = 0;
    for (int d = 0; d < 4; ++d) {
        if (sizes[d] == 0)
            return {};
        below += std::min((sizes[d] - 1) * steps[d], int64_t(0));
        above += std::max((sizes[d] - 1) * steps[d], int64_t(0));
    }
    return reads(w.data + below, above - below + 1);
}

// What an epilogue reads, for outputs laid out as y.
Extent reads_scale(const Epilogue &e, const Pictures<float> &y) { return reads(e.scale, y.c); }
Extent reads_bias(const Epilogue &e, const Pictures<float> &y) { return reads(e.bias, y.c); }
Extent reads_residual(const Epilogue &e, const Pictures<float> &y) { return reads(e.residual, span(y)); }

int64_t winograd_weights_size(int64_t filters, int64_t channels, int tile) {
    return kernels().winograd_weights_size(filters, channels, tile);
}

void winograd_weights(const WeightsView &w, int tile, int64_t transformed) {
    need(w[3] == 3 && w[4] == 3 && (tile == 2 || tile == 4), "winograd_weights: sizes");
    const Extents extents([&] {
        return Extents::List{reads(weights(w)),
                             writes(at<float>(transformed), winograd_weights_size(w[1], w[2], tile))};
    });
    nb::gil_scoped_release release;
    kernels().winograd_weights(weights(w), tile, at<float>(transformed));
}

} // namespace

void winograd(const PicturesView &x, const WeightsView &w, int64_t transformed, int tile, int64_t pad_top,
              int64_t pad_left, bool edge, bool pool, const EpilogueView &after, const PicturesView &y) {
    need(w[3] == 3 && w[4] == 3 && (tile == 2 || tile == 4) && !(pool && after[2]), "winograd: sizes");
    need(x[1] == y[1] && x[4] == w[2] && y[4] == w[1], "winograd: shapes");
    const WinogradJob job{
        pictures<const float>(x), weights(w),        at<const float>(transformed), tile, pad_top, pad_left, edge, pool,
        epilogue(after),          pictures<float>(y)};
    call(kernels().winograd, job, [&] {
        return Extents::List{reads(job.x),
                             reads(job.weights),
                             reads(job.transformed, winograd_weights_size(w[1], w[2], tile)),
                             reads_scale(job.epilogue, job.y),
                             reads_bias(job.epilogue, job.y),
                             reads_residual(job.epilogue, job.y),
                             writes(job.y)};
    });
}

namespace {

void winograd_weight_gradient(const PicturesView &x, const PicturesView &g, int64_t pad_top, int64_t pad_left,
                              int64_t gradient) {
    need(x[1] == g[1], "winograd_weight_gradient: shapes");
    const WinogradWeightGradientJob job{pictures<const float>(x), pictures<const float>(g), pad_top, pad_left,
                                        at<float>(gradient)};
    call(kernels().winograd_weight_gradient, job,
         [&] { return Extents::List{reads(job.x), reads(job.g), writes(job.gradient, job.g.c * job.x.c * 9)}; });
}

int64_t im2col_weights_size(const WeightsView &w) { return kernels().im2col_weights_size(weights(w)); }
int64_t depthwise_weights_size(const WeightsView &w) { return kernels().depthwise_weights_size(weights(w)); }

void im2col_weights(const WeightsView &w, int64_t packed) {
    const Extents extents(
        [&] { return Extents::List{reads(weights(w)), writes(at<float>(packed), im2col_weights_size(w))}; });
    nb::gil_scoped_release release;
    kernels().im2col_weights(weights(w), at<float>(packed));
}

void depthwise_weights(const WeightsView &w, int64_t packed) {
    const Extents extents(
        [&] { return Extents::List{reads(weights(w)), writes(at<float>(packed), depthwise_weights_size(w))}; });
    nb::gil_scoped_release release;
    kernels().depthwise_weights(weights(w), at<float>(packed));
}

ConvJob conv_job(const PicturesView &x, const WeightsView &w, int64_t packed, const Window &s, const Epilogue &after,
                 const PicturesView &y) {
    return {pictures<const float>(x), weights(w), at<const float>(packed), s[0], s[1], s[2], s[3], s[4], s[5], after,
            pictures<float>(y)};
}

// Of maps of levels, whose memory is used from the start.
Extent reads_levels(const Pictures<const float> &p) {
    return reads(reinterpret_cast<const uint8_t *>(p.data), span(p) * int8_kernels().level_bytes);
}
Extent writes_levels(const Pictures<float> &p) {
    return writes(reinterpret_cast<uint8_t *>(p.data), span(p) * int8_kernels().level_bytes);
}

Extents::List touched(const ConvJob &job, int64_t packed_size, bool of_levels = false) {
    return {of_levels ? reads_levels(job.x) : reads(job.x),
            reads(job.packed, packed_size),
            reads_scale(job.epilogue, job.y),
            reads_bias(job.epilogue, job.y),
            reads_residual(job.epilogue, job.y),
            job.epilogue.stored ? writes_levels(job.y) : writes(job.y)};
}

} // namespace

void im2col(const PicturesView &x, const WeightsView &w, int64_t packed, const Window &window,
            const EpilogueView &after, const PicturesView &y, const LevelsView &levels, bool *saw_nan) {
    need(x[1] == y[1] && x[4] == w[2] && y[4] == w[1], "im2col: shapes");
    const StoredLevels stored = stored_levels(levels, saw_nan);
    const ConvJob job = conv_job(x, w, packed, window, epilogue(after, &stored), y);
    call(kernels().im2col, job, [&] { return touched(job, im2col_weights_size(w)); });
}

void depthwise(const PicturesView &x, const WeightsView &w, int64_t packed, const Window &window,
               const EpilogueView &after, const PicturesView &y) {
    need(x[1] == y[1] && x[4] == w[1] && w[2] == 1 && y[4] == w[1], "depthwise: shapes");
    const ConvJob job = conv_job(x, w, packed, window, epilogue(after), y);
    call(kernels().depthwise, job, [&] { return touched(job, depthwise_weights_size(w)); });
}

namespace {

void weight_gradient(const PicturesView &x, const PicturesView &g, int64_t rows, int64_t columns, const Window &window,
                     int64_t gradient) {
    need(x[1] == g[1], "weight_gradient: shapes");
    const WeightsView kernel{0, g[4], x[4], rows, columns, 0, 0, 0, 0};
    const WeightGradientJob job{conv_job(x, kernel, 0, window, {}, {0, g[1], g[2], g[3], g[4], g[5], g[6], g[7]}),
                                pictures<const float>(g), at<float>(gradient)};
    call(kernels().weight_gradient, job, [&] {
        return Extents::List{reads(job.window.x), reads(job.g), writes(job.gradient, g[4] * x[4] * rows * columns)};
    });
}

const BFloat16Kernels &bfloat16_kernels(int parts) {
    need(kernels().bfloat16 && (parts == 1 || parts == 2),
         "bfloat16: not multiplied by this instruction set, or parts");
    return *kernels().bfloat16;
}

int64_t bfloat16_weights_size(const WeightsView &w, int parts) {
    return bfloat16_kernels(parts).weights_size(weights(w), parts);
}

void bfloat16_weights(const WeightsView &w, int parts, int64_t packed) {
    const BFloat16Kernels &halves = bfloat16_kernels(parts);
    const Extents extents([&] {
        return Extents::List{reads(weights(w)), writes(at<uint16_t>(packed), bfloat16_weights_size(w, parts))};
    });
    nb::gil_scoped_release release;
    halves.pack_weights(weights(w), parts, at<uint16_t>(packed));
}

} // namespace

void bfloat16_convolution(const PicturesView &x, const WeightsView &w, int64_t packed, int parts, const Window &window,
                          const EpilogueView &after, const PicturesView &y) {
    need(x[1] == y[1] && x[4] == w[2] && y[4] == w[1], "bfloat16_convolution: shapes");
    const BFloat16Kernels &halves = bfloat16_kernels(parts);
    const ConvJob job = conv_job(x, w, packed, window, epilogue(after), y);
    const Extents extents([&] {
        return Extents::List{reads(job.x),
                             reads(job.weights),
                             reads(at<const uint16_t>(packed), bfloat16_weights_size(w, parts)),
                             reads_scale(job.epilogue, job.y),
                             reads_bias(job.epilogue, job.y),
                             reads_residual(job.epilogue, job.y),
                             writes(job.y)};
    });
    nb::gil_scoped_release release;
    halves.convolve(job, parts);
}

namespace {

int64_t int8_weights_size(const WeightsView &w) { return int8_kernels().weights_size(weights(w)); }

void int8_weights(const WeightsView &w, int64_t packed) {
    const Extents extents(
        [&] { return Extents::List{reads(weights(w)), writes(at<float>(packed), int8_weights_size(w))}; });
    nb::gil_scoped_release release;
    int8_kernels().pack_weights(weights(w), at<float>(packed));
}

} // namespace

// `lowest` is the number of the lowest of 256 levels, each `step` from the next.
void int8_convolution(const PicturesView &x, const WeightsView &w, int64_t packed, float step, int32_t lowest,
                      const Window &window, const EpilogueView &after, const PicturesView &y, bool of_levels,
                      const LevelsView &to, bool *saw_nan) {
    need(x[1] == y[1] && x[4] == w[2] && y[4] == w[1], "int8_convolution: shapes");
    const bool dense = x[7] == x[4] && x[6] == x[3] * x[7] && x[5] == x[2] * x[6];
    need(dense || x[1] * x[2] * x[3] * x[4] == 0, "int8_convolution: a dense input");
    need_levels({step, lowest});
    const StoredLevels stored = stored_levels(to, saw_nan);
    const Int8Job job{conv_job(x, w, packed, window, epilogue(after, &stored), y), {step, lowest}, of_levels};
    const Extents extents([&] { return touched(job.conv, int8_weights_size(w), of_levels); });
    nb::gil_scoped_release release;
    int8_kernels().convolve(job);
}

void pool_levels(const PicturesView &x, int64_t rows, int64_t columns, const Window &s, const PicturesView &y) {
    need(x[1] == y[1] && x[4] == y[4], "pool_levels: shapes");
    const PoolJob job{pictures<const float>(x), rows,   columns, s[0], s[1], s[2], s[3], s[4], s[5],
                      pictures<float>(y),       nullptr};
    call(int8_kernels().pool, job, [&] { return Extents::List{reads_levels(job.x), writes_levels(job.y)}; });
}

void pool(const PicturesView &x, int64_t rows, int64_t columns, const Window &s, const PicturesView &y,
          int64_t argmax) {
    need(x[1] == y[1] && x[4] == y[4] && x[2] * x[3] < (int64_t(1) << 31), "pool: shapes");
    const PoolJob job{pictures<const float>(x), rows, columns, s[0], s[1], s[2], s[3], s[4], s[5], pictures<float>(y),
                      at<int64_t>(argmax)};
    call(kernels().pool, job,
         [&] { return Extents::List{reads(job.x), writes(job.y), writes(job.argmax, span(job.y))}; });
}

namespace {

void pool_gradient(const PicturesView &g, int64_t argmax, int64_t rows, int64_t columns, const PicturesView &gradient) {
    need(g[1] == gradient[1] && g[4] == gradient[4], "pool_gradient: shapes");
    const PoolGradientJob job{pictures<const float>(g), at<const int64_t>(argmax), rows, columns,
                              pictures<float>(gradient)};
    call(kernels().pool_gradient, job,
         [&] { return Extents::List{reads(job.g), reads(job.argmax, span(job.g)), writes(job.gradient)}; });
}

void average(const PicturesView &x, int64_t side, const PicturesView &y) {
    need(x[1] == y[1] && x[4] == y[4] && side > 0, "average: shapes");
    const AverageJob job{pictures<const float>(x), side, pictures<float>(y)};
    call(kernels().average, job, [&] { return Extents::List{reads(job.x), writes(job.y)}; });
}

void average_gradient(const PicturesView &g, int64_t side, const PicturesView &gradient) {
    need(g[1] == gradient[1] && g[4] == gradient[4] && side > 0, "average_gradient: shapes");
    const AverageGradientJob job{pictures<const float>(g), side, pictures<float>(gradient)};
    call(kernels().average_gradient, job, [&] { return Extents::List{reads(job.g), writes(job.gradient)}; });
}

// Numbers of a mask of so many places.
int64_t mask_words(int64_t places, int64_t channels) { return places * ((channels + 15) / 16); }

// `norm` holds the addresses of its weight and bias, 0 for none, and of where the batch's mean and variance go.
void norm(int64_t x, int64_t places, int64_t channels, const std::array<int64_t, 4> &norm, double epsilon,
          int64_t residual, bool relu, int64_t y, int64_t mask) {
    need(places > 0 && channels > 0, "norm: sizes");
    const NormJob job{at<const float>(x),
                      places,
                      channels,
                      at<const float>(norm[0]),
                      at<const float>(norm[1]),
                      epsilon,
                      at<const float>(residual),
                      relu,
                      at<float>(norm[2]),
                      at<float>(norm[3]),
                      at<float>(y),
                      at<uint16_t>(mask)};
    const int64_t all = places * channels;
    call(kernels().norm, job, [&] {
        return Extents::List{reads(job.x, all),          reads(job.weight, channels),
                             reads(job.bias, channels),  reads(job.residual, all),
                             writes(job.mean, channels), writes(job.variance, channels),
                             writes(job.y, all),         writes(job.mask, mask_words(places, channels))};
    });
}

// `norm` holds the addresses of the batch's mean and variance, and of the norm's weight, 0 for none; `to` those of the
// gradients in x, in the residual, 0 where it is not wanted, in the weight and in the bias.
void norm_gradient(int64_t g, int64_t x, int64_t places, int64_t channels, int64_t mask,
                   const std::array<int64_t, 3> &norm, double epsilon, const std::array<int64_t, 4> &to) {
    need(places > 0 && channels > 0, "norm_gradient: sizes");
    const NormGradientJob job{at<const float>(g),
                              at<const float>(x),
                              places,
                              channels,
                              at<const uint16_t>(mask),
                              at<const float>(norm[0]),
                              at<const float>(norm[1]),
                              at<const float>(norm[2]),
                              epsilon,
                              at<float>(to[0]),
                              at<float>(to[1]),
                              at<float>(to[2]),
                              at<float>(to[3])};
    const int64_t all = places * channels;
    call(kernels().norm_gradient, job, [&] {
        return Extents::List{reads(job.g, all),
                             reads(job.x, all),
                             reads(job.mask, mask_words(places, channels)),
                             reads(job.mean, channels),
                             reads(job.variance, channels),
                             reads(job.weight, channels),
                             writes(job.gradient, all),
                             writes(job.passed, all),
                             writes(job.weight_gradient, channels),
                             writes(job.bias_gradient, channels)};
    });
}

void relu_mask(int64_t y, int64_t mask, int64_t count) {
    const Extents extents(
        [&] { return Extents::List{reads(at<const float>(y), count), writes(at<uint8_t>(mask), count)}; });
    nb::gil_scoped_release release;
    kernels().relu_mask(at<const float>(y), at<uint8_t>(mask), count);
}

void apply_mask(int64_t g, int64_t mask, int64_t count) {
    const Extents extents(
        [&] { return Extents::List{writes(at<float>(g), count), reads(at<const uint8_t>(mask), count)}; });
    nb::gil_scoped_release release;
    kernels().apply_mask(at<float>(g), at<const uint8_t>(mask), count);
}

// A norm with the statistics that it has learned, as a scale and a bias of what it follows: addresses of its mean,
// variance, weight and bias, and of the bias that comes before it, the last three 0 for none; `count` numbers each.
void fold_norm(const std::array<int64_t, 5> &norm, double epsilon, int64_t count, int64_t scale, int64_t bias) {
    const auto *mean = at<const float>(norm[0]), *variance = at<const float>(norm[1]);
    const auto *weight = at<const float>(norm[2]), *own = at<const float>(norm[3]), *before = at<const float>(norm[4]);
    for (int64_t f = 0; f < count; ++f) {
        const double factor = (weight ? double(weight[f]) : 1.0) / std::sqrt(double(variance[f]) + epsilon);
        at<float>(scale)[f] = float(factor);
        at<float>(bias)[f] =
            float((own ? double(own[f]) : 0.0) + factor * ((before ? double(before[f]) : 0.0) - double(mean[f])));
    }
}

uint64_t fingerprint(int64_t address, int64_t words) {
    const Extents extents([&] { return Extents::List{reads(at<const uint32_t>(address), words)}; });
    nb::gil_scoped_release release;
    return kernels().fingerprint(at<const void>(address), words);
}

} // namespace

void bind_layers(nb::module_ &m) {
    m.def("winograd_weights_size", &winograd_weights_size, "filters"_a, "channels"_a, "tile"_a);
    m.def("winograd_weights", &winograd_weights, "weights"_a, "tile"_a, "transformed"_a);
    m.def("winograd", &winograd, "x"_a, "weights"_a, "transformed"_a, "tile"_a, "pad_top"_a, "pad_left"_a, "edge"_a,
          "pool"_a, "epilogue"_a, "y"_a);
    m.def("winograd_weight_gradient", &winograd_weight_gradient, "x"_a, "g"_a, "pad_top"_a, "pad_left"_a, "gradient"_a);
    m.def("im2col_weights_size", &im2col_weights_size, "weights"_a);
    m.def("im2col_weights", &im2col_weights, "weights"_a, "packed"_a);
    m.def(
        "im2col",
        [](const PicturesView &x, const WeightsView &w, int64_t packed, const Window &window, const EpilogueView &after,
           const PicturesView &y) { im2col(x, w, packed, window, after, y); },
        "x"_a, "weights"_a, "packed"_a, "window"_a, "epilogue"_a, "y"_a);
    m.def("weight_gradient", &weight_gradient, "x"_a, "g"_a, "rows"_a, "columns"_a, "window"_a, "gradient"_a);
    m.def("depthwise_weights_size", &depthwise_weights_size, "weights"_a);
    m.def("depthwise_weights", &depthwise_weights, "weights"_a, "packed"_a);
    m.def("depthwise", &depthwise, "x"_a, "weights"_a, "packed"_a, "window"_a, "epilogue"_a, "y"_a);
    m.def("bfloat16_weights_size", &bfloat16_weights_size, "weights"_a, "parts"_a);
    m.def("bfloat16_weights", &bfloat16_weights, "weights"_a, "parts"_a, "packed"_a);
    m.def("bfloat16_convolution", &bfloat16_convolution, "x"_a, "weights"_a, "packed"_a, "parts"_a, "window"_a,
          "epilogue"_a, "y"_a);
    m.def("int8_weights_size", &int8_weights_size, "weights"_a);
    m.def("int8_weights", &int8_weights, "weights"_a, "packed"_a);
    m.def(
        "int8_convolution",
        [](const PicturesView &x, const WeightsView &w, int64_t packed, float step, int32_t lowest,
           const Window &window, const EpilogueView &after,
           const PicturesView &y) { int8_convolution(x, w, packed, step, lowest, window, after, y); },
        "x"_a, "weights"_a, "packed"_a, "step"_a, "lowest"_a, "window"_a, "epilogue"_a, "y"_a);
    m.def("pool", &pool, "x"_a, "rows"_a, "columns"_a, "window"_a, "y"_a, "argmax"_a);
    m.def("pool_gradient", &pool_gradient, "g"_a, "argmax"_a, "rows"_a, "columns"_a, "gradient"_a);
    m.def("average", &average, "x"_a, "side"_a, "y"_a);
    m.def("average_gradient", &average_gradient, "g"_a, "side"_a, "gradient"_a);
    m.def("norm", &norm, "x"_a, "places"_a, "channels"_a, "norm"_a, "epsilon"_a, "residual"_a, "relu"_a, "y"_a,
          "mask"_a);
    m.def("norm_gradient", &norm_gradient, "g"_a, "x"_a, "places"_a, "channels"_a, "mask"_a, "norm"_a, "epsilon"_a,
          "to"_a);
    m.def("relu_mask", &relu_mask, "y"_a, "mask"_a, "count"_a);
    m.def("apply_mask", &apply_mask, "g"_a, "mask"_a, "count"_a);
    m.def("fold_norm", &fold_norm, "norm"_a, "epsilon"_a, "count"_a, "scale"_a, "bias"_a);
    m.def("fingerprint", &fingerprint, "address"_a, "words"_a);
}

} // namespace convolens
