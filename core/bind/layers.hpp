// The layers' kernels as Python and programs (program.cpp) call them. Tensors come as addresses with their sizes and
// strides: making a capsule for each of four tensors would cost more than a small layer takes.
#pragma once
#include <array>
#include <cstdint>
#include <utility>

namespace convolens {

// address, n, h, w, c, and the steps of n, h, w in elements
using PicturesView = std::array<int64_t, 8>;
// address, filters, channels, rows, columns, and their steps in elements
using WeightsView = std::array<int64_t, 9>;
// stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w
using Window = std::array<int64_t, 6>;
// Addresses of scale, bias and residual, 0 for none; whether a ReLU follows.
using EpilogueView = std::array<int64_t, 4>;
// Of an output that is stored as levels: their step, 0 for numbers, and the lowest.
using LevelsView = std::pair<float, int32_t>;

void winograd(const PicturesView &x, const WeightsView &w, int64_t transformed, int tile, int64_t pad_top,
              int64_t pad_left, bool edge, bool pool, const EpilogueView &after, const PicturesView &y);
void im2col(const PicturesView &x, const WeightsView &w, int64_t packed, const Window &window,
            const EpilogueView &after, const PicturesView &y, const LevelsView &stored = {}, bool *saw_nan = nullptr);
void depthwise(const PicturesView &x, const WeightsView &w, int64_t packed, const Window &window,
               const EpilogueView &after, const PicturesView &y);
void bfloat16_convolution(const PicturesView &x, const WeightsView &w, int64_t packed, int parts, const Window &window,
                          const EpilogueView &after, const PicturesView &y);
void int8_convolution(const PicturesView &x, const WeightsView &w, int64_t packed, float step, int32_t lowest,
                      const Window &window, const EpilogueView &after, const PicturesView &y, bool of_levels = false,
                      const LevelsView &stored = {}, bool *saw_nan = nullptr);
void pool_levels(const PicturesView &x, int64_t rows, int64_t columns, const Window &s, const PicturesView &y);
void pool(const PicturesView &x, int64_t rows, int64_t columns, const Window &s, const PicturesView &y, int64_t argmax);

} // namespace convolens
