// The layer kernels' door. Tensors come as addresses with their sizes and strides: making a capsule for each of four
// tensors would cost more than a small layer takes. convolens/layers/core.py is the only caller and keeps them alive.
#include "kernels.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>

#include <array>
#include <stdexcept>

namespace nb = nanobind;
using namespace nb::literals;

namespace convolens {
namespace {

// address, n, h, w, c, and the steps of n, h, w in elements
using PicturesView = std::array<int64_t, 8>;
// address, filters, channels, rows, columns, and their steps in elements
using WeightsView = std::array<int64_t, 9>;

template <class T> T *at(int64_t address) { return reinterpret_cast<T *>(static_cast<uintptr_t>(address)); }

template <class T> Pictures<T> pictures(const PicturesView &v) {
    return {at<T>(v[0]), v[1], v[2], v[3], v[4], v[5], v[6], v[7]};
}

Weights weights(const WeightsView &v) {
    return {at<const float>(v[0]), v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]};
}

Finish finish(int64_t bias, int64_t residual, bool relu) {
    return {at<const float>(bias), at<const float>(residual), relu};
}

void need(bool condition, const char *what) {
    if (!condition)
        throw std::invalid_argument(what);
}

int64_t winograd_weights_size(int64_t filters, int64_t channels, int tile) {
    return kernels().winograd_weights_size(filters, channels, tile);
}

void winograd_weights(const WeightsView &w, int tile, int64_t transformed) {
    need(w[3] == 3 && w[4] == 3 && (tile == 2 || tile == 4), "winograd_weights: sizes");
    nb::gil_scoped_release release;
    kernels().winograd_weights(weights(w), tile, at<float>(transformed));
}

void winograd(const PicturesView &x, const WeightsView &w, int64_t transformed, int tile, int64_t pad_top,
              int64_t pad_left, bool edge, bool pool, int64_t bias, int64_t residual, bool relu,
              const PicturesView &y) {
    need(w[3] == 3 && w[4] == 3 && (tile == 2 || tile == 4) && !(pool && residual), "winograd: sizes");
    need(x[1] == y[1] && x[4] == w[2] && y[4] == w[1], "winograd: shapes");
    nb::gil_scoped_release release;
    kernels().winograd({pictures<const float>(x), weights(w), at<const float>(transformed), tile, pad_top, pad_left,
                        edge, pool, finish(bias, residual, relu), pictures<float>(y)});
}

void winograd_gradient(const PicturesView &x, const PicturesView &g, int64_t pad_top, int64_t pad_left,
                       int64_t gradient) {
    need(x[1] == g[1], "winograd_gradient: shapes");
    nb::gil_scoped_release release;
    kernels().winograd_gradient(
        {pictures<const float>(x), pictures<const float>(g), pad_top, pad_left, at<float>(gradient)});
}

using Window = std::array<int64_t, 6>; // stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w

int64_t patches_weights_size(const WeightsView &w) { return kernels().patches_weights_size(weights(w)); }

void patches_weights(const WeightsView &w, int64_t packed) {
    nb::gil_scoped_release release;
    kernels().patches_weights(weights(w), at<float>(packed));
}

void patches(const PicturesView &x, const WeightsView &w, int64_t packed, const Window &s, int64_t bias,
             int64_t residual, bool relu, const PicturesView &y) {
    need(x[1] == y[1] && x[4] == w[2] && y[4] == w[1], "patches: shapes");
    nb::gil_scoped_release release;
    kernels().patches({pictures<const float>(x), weights(w), at<const float>(packed), s[0], s[1], s[2], s[3], s[4],
                       s[5], finish(bias, residual, relu), pictures<float>(y)});
}

int64_t depthwise_weights_size(const WeightsView &w) { return kernels().depthwise_weights_size(weights(w)); }

void depthwise_weights(const WeightsView &w, int64_t packed) {
    nb::gil_scoped_release release;
    kernels().depthwise_weights(weights(w), at<float>(packed));
}

void depthwise(const PicturesView &x, const WeightsView &w, int64_t packed, const Window &s, int64_t bias,
               int64_t residual, bool relu, const PicturesView &y) {
    need(x[1] == y[1] && x[4] == w[1] && w[2] == 1 && y[4] == w[1], "depthwise: shapes");
    nb::gil_scoped_release release;
    kernels().depthwise({pictures<const float>(x), weights(w), at<const float>(packed), s[0], s[1], s[2], s[3], s[4],
                         s[5], finish(bias, residual, relu), pictures<float>(y)});
}

void pool(const PicturesView &x, int64_t rows, int64_t columns, const Window &s, const PicturesView &y,
          int64_t places) {
    need(x[1] == y[1] && x[4] == y[4] && x[2] * x[3] < (int64_t(1) << 31), "pool: shapes");
    nb::gil_scoped_release release;
    kernels().pool({pictures<const float>(x), rows, columns, s[0], s[1], s[2], s[3], s[4], s[5], pictures<float>(y),
                    at<int64_t>(places)});
}

void pool_gradient(const PicturesView &g, int64_t places, int64_t rows, int64_t columns, const PicturesView &gradient) {
    need(g[1] == gradient[1] && g[4] == gradient[4], "pool_gradient: shapes");
    nb::gil_scoped_release release;
    kernels().pool_gradient(
        {pictures<const float>(g), at<const int64_t>(places), rows, columns, pictures<float>(gradient)});
}

void average(const PicturesView &x, int64_t side, const PicturesView &y) {
    need(x[1] == y[1] && x[4] == y[4] && side > 0, "average: shapes");
    nb::gil_scoped_release release;
    kernels().average({pictures<const float>(x), side, pictures<float>(y)});
}

void average_gradient(const PicturesView &g, int64_t side, const PicturesView &gradient) {
    need(g[1] == gradient[1] && g[4] == gradient[4] && side > 0, "average_gradient: shapes");
    nb::gil_scoped_release release;
    kernels().average_gradient({pictures<const float>(g), side, pictures<float>(gradient)});
}

void signs(int64_t y, int64_t signs, int64_t count) {
    nb::gil_scoped_release release;
    kernels().signs(at<const float>(y), at<uint8_t>(signs), count);
}

void gate(int64_t g, int64_t signs, int64_t count) {
    nb::gil_scoped_release release;
    kernels().gate(at<float>(g), at<const uint8_t>(signs), count);
}

uint64_t fingerprint(int64_t address, int64_t words) {
    nb::gil_scoped_release release;
    return kernels().fingerprint(at<const void>(address), words);
}

} // namespace

void bind_layers(nb::module_ &m) {
    m.def("winograd_weights_size", &winograd_weights_size, "filters"_a, "channels"_a, "tile"_a);
    m.def("winograd_weights", &winograd_weights, "weights"_a, "tile"_a, "transformed"_a);
    m.def("winograd", &winograd, "x"_a, "weights"_a, "transformed"_a, "tile"_a, "pad_top"_a, "pad_left"_a, "edge"_a,
          "pool"_a, "bias"_a, "residual"_a, "relu"_a, "y"_a);
    m.def("winograd_gradient", &winograd_gradient, "x"_a, "g"_a, "pad_top"_a, "pad_left"_a, "gradient"_a);
    m.def("patches_weights_size", &patches_weights_size, "weights"_a);
    m.def("patches_weights", &patches_weights, "weights"_a, "packed"_a);
    m.def("patches", &patches, "x"_a, "weights"_a, "packed"_a, "window"_a, "bias"_a, "residual"_a, "relu"_a, "y"_a);
    m.def("depthwise_weights_size", &depthwise_weights_size, "weights"_a);
    m.def("depthwise_weights", &depthwise_weights, "weights"_a, "packed"_a);
    m.def("depthwise", &depthwise, "x"_a, "weights"_a, "packed"_a, "window"_a, "bias"_a, "residual"_a, "relu"_a, "y"_a);
    m.def("pool", &pool, "x"_a, "rows"_a, "columns"_a, "window"_a, "y"_a, "places"_a);
    m.def("pool_gradient", &pool_gradient, "g"_a, "places"_a, "rows"_a, "columns"_a, "gradient"_a);
    m.def("average", &average, "x"_a, "side"_a, "y"_a);
    m.def("average_gradient", &average_gradient, "g"_a, "side"_a, "gradient"_a);
    m.def("signs", &signs, "y"_a, "signs"_a, "count"_a);
    m.def("gate", &gate, "g"_a, "signs"_a, "count"_a);
    m.def("fingerprint", &fingerprint, "address"_a, "words"_a);
}

} // namespace convolens
