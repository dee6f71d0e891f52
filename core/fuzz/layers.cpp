// The layers' kernels: convolutions with their epilogues, and gradients; pooling, averages, masks, fingerprints.
#include "jobs/layers.hpp"
#include "fuzz.hpp"

namespace convolens::fuzzing {
namespace {

// A stack of pictures with gaps between its rows, and the memory it lies in.
template <class T> struct Stack {
    int64_t n, h, w, c, step_w, step_h, step_n;
    Exactly<T> memory;

    Stack(Data &data, int64_t n_, int64_t h_, int64_t w_, int64_t c_, bool dense = false)
        : n(n_), h(h_), w(w_), c(c_), step_w(c + (dense ? 0 : in(data, 0, 3))),
          step_h(w * step_w + (dense ? 0 : in(data, 0, 3))), step_n(h * step_h + (dense ? 0 : in(data, 0, 3))),
          memory((n - 1) * step_n + (h - 1) * step_h + (w - 1) * step_w + c, data.coin()) {}

    template <class U = T> Pictures<U> view() { return {memory.data(), n, h, w, c, step_n, step_h, step_w}; }
};

// Weights in any order of their axes, each forwards or backwards.
struct Filters {
    Exactly<float> memory;
    Weights view;

    Filters(Data &data, int64_t filters, int64_t channels, int64_t rows, int64_t columns)
        : memory(filters * channels * rows * columns), view{nullptr, filters, channels, rows, columns, 0, 0, 0, 0} {
        memory.fill_finite(data);
        const int64_t sizes[4] = {filters, channels, rows, columns};
        int64_t *const steps[4] = {&view.step_filter, &view.step_channel, &view.step_row, &view.step_column};
        int64_t step = 1, origin = 0;
        for (int i = 0, first = int(in(data, 0, 3)); i < 4; ++i) {
            const int d = (first + 3 * i) % 4;
            const bool back = data.coin();
            *steps[d] = back ? -step : step;
            origin += back ? step * (sizes[d] - 1) : 0;
            step *= sizes[d];
        }
        view.data = memory.data() + origin;
    }
};

// What follows the sums, with its arrays.
struct After {
    Exactly<float> scale;
    Exactly<float> bias;
    Exactly<float> residual;
    Epilogue epilogue;

    After(Data &data, const Stack<float> &y, bool may_add)
        : scale(y.c), bias(y.c), residual(y.memory.size()), epilogue{nullptr, nullptr, nullptr, data.coin()} {
        scale.fill_finite(data), bias.fill_finite(data), residual.fill_finite(data);
        if (data.coin())
            epilogue.scale = scale.data();
        if (data.coin())
            epilogue.bias = bias.data();
        if (may_add && data.coin())
            epilogue.residual = residual.data();
    }
};

void winograd(Data &data) {
    const int64_t n = in(data, 1, 2), h = in(data, 1, 20), w = in(data, 1, 20);
    const int64_t c = in(data, 0, 5) == 0 ? in(data, 120, 150) : in(data, 1, 40), filters = in(data, 1, 70);
    const int64_t top = in(data, 0, 2), left = in(data, 0, 2);
    const int64_t rows = h + top + in(data, 0, 2) - 2, columns = w + left + in(data, 0, 2) - 2;
    WinogradJob job{};
    job.tile = data.coin() ? 2 : 4, job.pad_top = top, job.pad_left = left;
    job.pool = data.coin(), job.edge = top < 2 && left < 2 && data.coin();
    const int64_t each = job.pool ? 2 : 1;
    if (rows < each || columns < each)
        return;
    Stack<float> x(data, n, h, w, c), y(data, n, rows / each, columns / each, filters);
    x.memory.fill_from(data);
    Filters weights(data, filters, c, 3, 3);
    After after(data, y, !job.pool);
    job.x = x.view<const float>(), job.weights = weights.view, job.epilogue = after.epilogue;
    const bool ready = data.coin();
    on_each_set("winograd", (job.tile == 2 ? 1e-5 : 1e-4) * 16 * 9 * double(c), [&] {
        Exactly<float> transformed(ready ? kernels().winograd_weights_size(filters, c, job.tile) : 0);
        if (ready)
            kernels().winograd_weights(weights.view, job.tile, transformed.data());
        job.transformed = ready ? transformed.data() : nullptr;
        std::fill_n(y.memory.data(), y.memory.size(), 77.0f);
        job.y = y.view();
        kernels().winograd(job);
        return result_of(y.memory);
    });
}

void weight_gradient(Data &data) {
    const int64_t n = in(data, 1, 2), h = in(data, 1, 16), w = in(data, 1, 16), top = in(data, 0, 2),
                  left = in(data, 0, 2);
    const int64_t rows = h + top + in(data, 0, 2) - 2, columns = w + left + in(data, 0, 2) - 2;
    if (rows < 1 || columns < 1)
        return;
    Stack<float> x(data, n, h, w, in(data, 1, 70)), g(data, n, rows, columns, in(data, 1, 70));
    x.memory.fill_finite(data), g.memory.fill_finite(data);
    on_each_set("winograd_weight_gradient", 1e-4 * 16 * double(n * rows * columns + 16), [&] {
        Exactly<float> gradient(g.c * x.c * 9);
        kernels().winograd_weight_gradient({x.view<const float>(), g.view<const float>(), top, left, gradient.data()});
        return result_of(gradient);
    });
}

// The same by products of bfloat16, where the set has them: whole numbers of 8 bits are exact there too.
void bfloat16_gives(const Result &wanted, ConvJob job, Exactly<float> &y) {
    const BFloat16Kernels *halves = kernels().bfloat16;
    for (int parts = 1; halves && parts <= 2; ++parts) {
        Exactly<uint16_t> packed(halves->weights_size(job.weights, parts));
        halves->pack_weights(job.weights, parts, packed.data());
        std::fill_n(y.data(), y.size(), 77.0f);
        job.packed = reinterpret_cast<const float *>(packed.data());
        halves->convolve(job, parts);
        compare("bfloat16", kernels().name, wanted, result_of(y), 0);
    }
}

// In 8-bit integers: sums are exact on every set, what follows them is rounded once more or less.
void in_int8(Data &data) {
    const int64_t channels = in(data, 1, 150), filters = in(data, 1, 70), kernel = in(data, 1, 4);
    Int8Job job{};
    ConvJob &conv = job.conv;
    conv.stride_h = in(data, 1, 3), conv.stride_w = in(data, 1, 3), conv.dilation_h = in(data, 1, 3);
    conv.dilation_w = in(data, 1, 3), conv.pad_top = in(data, 0, 4), conv.pad_left = in(data, 0, 4);
    const int64_t n = in(data, 1, 2), h = in(data, 1, 16), w = in(data, 1, 24);
    const int64_t free_h = h + conv.pad_top - conv.dilation_h * (kernel - 1) - 1;
    const int64_t free_w = w + conv.pad_left - conv.dilation_w * (kernel - 1) - 1;
    if (free_h < 0 || free_w < 0)
        return;
    Stack<float> x(data, n, h, w, channels, true);
    Stack<float> y(data, n, free_h / conv.stride_h + 1, free_w / conv.stride_w + 1, filters);
    x.memory.fill_from(data);
    Filters weights(data, filters, channels, kernel, kernel);
    After after(data, y, true);
    job.levels = {0.25f * float(in(data, 1, 9)), -int32_t(in(data, 0, 255))};
    conv.x = x.view<const float>(), conv.weights = weights.view, conv.epilogue = after.epilogue;
    on_each_set("int8", 1e-5 * 255 * 16 * double(kernel * kernel * channels + 16), [&] {
        Exactly<float> packed(kernels().int8->weights_size(weights.view));
        kernels().int8->pack_weights(weights.view, packed.data());
        std::fill_n(y.memory.data(), y.memory.size(), 77.0f);
        conv.packed = packed.data(), conv.y = y.view();
        kernels().int8->convolve(job);
        return result_of(y.memory);
    });
}

void gradient_in_weights(Data &data) {
    const int64_t channels = in(data, 1, 90), filters = in(data, 1, 90), kh = in(data, 1, 4), kw = in(data, 1, 4);
    WeightGradientJob job{};
    ConvJob &window = job.window;
    window.stride_h = in(data, 1, 3), window.stride_w = in(data, 1, 3), window.dilation_h = in(data, 1, 3);
    window.dilation_w = in(data, 1, 3), window.pad_top = in(data, 0, 4), window.pad_left = in(data, 0, 4);
    const int64_t n = in(data, 1, 2), h = in(data, 1, 16), w = in(data, 1, 24);
    const int64_t free_h = h + window.pad_top - window.dilation_h * (kh - 1) - 1;
    const int64_t free_w = w + window.pad_left - window.dilation_w * (kw - 1) - 1;
    if (free_h < 0 || free_w < 0)
        return;
    Stack<float> x(data, n, h, w, channels);
    Stack<float> g(data, n, free_h / window.stride_h + 1, free_w / window.stride_w + 1, filters);
    x.memory.fill_finite(data), g.memory.fill_finite(data);
    window.x = x.view<const float>(), window.y = g.view(), window.y.data = nullptr, job.g = g.view<const float>();
    window.weights = {nullptr, filters, channels, kh, kw, 0, 0, 0, 0};
    on_each_set("weight_gradient", 1e-5 * 16 * double(g.n * g.h * g.w + 16), [&] {
        Exactly<float> gradient(filters * channels * kh * kw);
        job.gradient = gradient.data();
        kernels().weight_gradient(job);
        return result_of(gradient);
    });
}

void windowed(Data &data) {
    const bool apart = data.coin();
    const int64_t channels = in(data, 1, 40), filters = apart ? channels : in(data, 1, 60);
    const int64_t kh = in(data, 1, 6), kw = in(data, 1, 6);
    ConvJob job{};
    job.stride_h = in(data, 1, 3), job.stride_w = in(data, 1, 3), job.dilation_h = in(data, 1, 3);
    job.dilation_w = in(data, 1, 3), job.pad_top = in(data, 0, 7), job.pad_left = in(data, 0, 7);
    const int64_t h = in(data, 1, 16), w = in(data, 1, 24);
    const int64_t free_h = h + job.pad_top + in(data, 0, 7) - job.dilation_h * (kh - 1) - 1;
    const int64_t free_w = w + job.pad_left + in(data, 0, 7) - job.dilation_w * (kw - 1) - 1;
    if (free_h < 0 || free_w < 0)
        return;
    const int64_t n = in(data, 1, 2);
    Stack<float> x(data, n, h, w, channels);
    Stack<float> y(data, n, free_h / job.stride_h + 1, free_w / job.stride_w + 1, filters);
    x.memory.fill_from(data);
    Filters weights(data, filters, apart ? 1 : channels, kh, kw);
    After after(data, y, true);
    job.x = x.view<const float>(), job.weights = weights.view, job.epilogue = after.epilogue;
    on_each_set(apart ? "depthwise" : "im2col", 0, [&] {
        const Kernels &k = kernels();
        Exactly<float> packed(apart ? k.depthwise_weights_size(weights.view) : k.im2col_weights_size(weights.view));
        (apart ? k.depthwise_weights : k.im2col_weights)(weights.view, packed.data());
        std::fill_n(y.memory.data(), y.memory.size(), 77.0f);
        job.packed = packed.data(), job.y = y.view();
        (apart ? k.depthwise : k.im2col)(job);
        Result found = result_of(y.memory);
        if (!apart)
            bfloat16_gives(found, job, y.memory);
        return found;
    });
}

} // namespace

void convolution_layers(Data &data) {
    switch (in(data, 0, 4)) {
    case 0:
        return winograd(data);
    case 1:
        return weight_gradient(data);
    case 2:
        return in_int8(data);
    case 3:
        return gradient_in_weights(data);
    default:
        return windowed(data);
    }
}

namespace {

void pool(Data &data) {
    PoolJob job{};
    job.rows = in(data, 1, 4), job.columns = in(data, 1, 4), job.stride_h = in(data, 1, 4),
    job.stride_w = in(data, 1, 4);
    job.dilation_h = in(data, 1, 2), job.dilation_w = in(data, 1, 2);
    job.pad_top = in(data, 0, job.rows / 2), job.pad_left = in(data, 0, job.columns / 2);
    const int64_t n = in(data, 1, 2), h = in(data, 1, 16), w = in(data, 1, 16), c = in(data, 1, 70);
    const int64_t free_h = h + job.pad_top + in(data, 0, job.rows / 2) - job.dilation_h * (job.rows - 1) - 1;
    const int64_t free_w = w + job.pad_left + in(data, 0, job.columns / 2) - job.dilation_w * (job.columns - 1) - 1;
    if (free_h < 0 || free_w < 0)
        return;
    Stack<float> x(data, n, h, w, c), y(data, n, free_h / job.stride_h + 1, free_w / job.stride_w + 1, c, true);
    x.memory.fill_from(data);
    Exactly<int64_t> argmax(y.memory.size());
    Stack<float> gradient(data, n, h, w, c, true);
    const bool marked = data.coin(), beside = job.rows == job.stride_h && job.columns == job.stride_w &&
                                              job.pad_top + job.pad_left == 0 && job.dilation_h * job.dilation_w == 1;
    job.x = x.view<const float>();
    on_each_set("pool", 0, [&] {
        job.y = y.view(), job.argmax = marked ? argmax.data() : nullptr;
        kernels().pool(job);
        Result all = result_of(y.memory);
        if (!marked)
            return all;
        const Result at = result_of(argmax);
        all.insert(all.end(), at.begin(), at.end());
        std::fill_n(gradient.memory.data(), gradient.memory.size(), 0.0f);
        kernels().pool_gradient(
            {y.view<const float>(), argmax.data(), beside ? job.rows : 0, beside ? job.columns : 0, gradient.view()});
        const Result back = result_of(gradient.memory);
        all.insert(all.end(), back.begin(), back.end());
        return all;
    });
}

void average(Data &data) {
    const int64_t side = in(data, 1, 5), n = in(data, 1, 2), h = in(data, 1, 16), w = in(data, 1, 16),
                  c = in(data, 1, 70);
    const bool up = data.coin(); // the last, incomplete window counts
    const int64_t rows = (h + (up ? side - 1 : 0)) / side, columns = (w + (up ? side - 1 : 0)) / side;
    if (rows < 1 || columns < 1)
        return;
    Stack<float> x(data, n, h, w, c), y(data, n, rows, columns, c);
    x.memory.fill_finite(data);
    on_each_set("average", 1e-5, [&] {
        kernels().average({x.view<const float>(), side, y.view()});
        Result all = result_of(y.memory);
        Exactly<float> memory(x.memory.size());
        Pictures<float> gradient = x.view();
        gradient.data = memory.data();
        kernels().average_gradient({y.view<const float>(), side, gradient});
        const Result back = result_of(memory);
        all.insert(all.end(), back.begin(), back.end());
        return all;
    });
}

void norms(Data &data) {
    const int64_t places = in(data, 1, 40), channels = in(data, 1, 70), all = places * channels;
    const bool at_front = data.coin(), scaled = data.coin(), added = data.coin(), relu = data.coin();
    Exactly<float> x(all, at_front), residual(all), g(all, at_front), weight(channels), bias(channels);
    x.fill_finite(data), residual.fill_finite(data), g.fill_finite(data), weight.fill_finite(data);
    // Which values next to 0 come through is rounding's choice: the gradient is that of another mask.
    const int64_t words = places * ((channels + 15) / 16);
    Exactly<uint16_t> given(words, at_front);
    given.fill_from(data);
    on_each_set("norms", 1e-2, [&] { // a variance of 0 magnifies rounding by 1 / √ε
        Exactly<float> y(all, at_front), mean(channels), variance(channels), gradient(all), passed(all);
        Exactly<float> for_weight(channels), for_bias(channels);
        Exactly<uint16_t> mask(words, at_front);
        kernels().norm({x.data(), places, channels, scaled ? weight.data() : nullptr, scaled ? bias.data() : nullptr,
                        1e-3, added ? residual.data() : nullptr, relu, mean.data(), variance.data(), y.data(),
                        relu ? mask.data() : nullptr});
        Result all_of_it = result_of(y);
        kernels().norm_gradient({g.data(), x.data(), places, channels, relu ? given.data() : nullptr, mean.data(),
                                 variance.data(), scaled ? weight.data() : nullptr, 1e-3, gradient.data(),
                                 added ? passed.data() : nullptr, for_weight.data(), for_bias.data()});
        for (Exactly<float> *one : {&mean, &variance, &gradient, &passed, &for_weight, &for_bias}) {
            const Result more = result_of(*one);
            all_of_it.insert(all_of_it.end(), more.begin(), more.end());
        }
        return all_of_it;
    });
}

void masks(Data &data) {
    const int64_t count = in(data, 0, 300);
    const bool at_front = data.coin();
    Exactly<float> values(count, at_front);
    values.fill_from(data);
    on_each_set("masks", 0, [&] {
        Exactly<uint8_t> mask(count);
        kernels().relu_mask(values.data(), mask.data(), count);
        Exactly<float> g(count, at_front);
        std::fill_n(g.data(), count, 3.0f);
        kernels().apply_mask(g.data(), mask.data(), count);
        Result all = result_of(g);
        kernels().fingerprint(values.data(), count); // each set has its own
        return all;
    });
}

} // namespace

void pooling_layers(Data &data) {
    switch (in(data, 0, 3)) {
    case 0:
        return pool(data);
    case 1:
        return average(data);
    case 2:
        return norms(data);
    default:
        return masks(data);
    }
}

} // namespace convolens::fuzzing
