// Batch norm while it learns, with the sum and the ReLU that follow it, and its gradient.
//
//   forward    m, v = mean and variance of each channel over all places
//              y    = max(scale · x + shift + residual, 0)          scale = weight / √(v + ε), shift = bias - scale · m
//   gradient   s, p = Σ g, Σ g · (x - m)                            g: as far as the ReLU let it through
//              dx   = scale · (g - s / places - (x - m) · p / (v + ε) / places)
//
// A map is a matrix of places × channels. Each of the two goes along it twice: statistics cannot be had in one pass,
// what they scale is another. A task is a stretch of places that stays in the cache while its own mean and squares are
// taken; the stretches' sums are put together in their order, in double precision. What a ReLU let through is a bit a
// value.
#include "jobs/layers.hpp"
#include "kernels/simd.hpp"
#include "kernels/working_memory.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t stretch = 1 << 14;     // values a task takes
constexpr int64_t word = 16;             // channels whose bits lie in one number of the mask
constexpr int64_t channels_at_once = 64; // whose stretches' sums are put together by a task
constexpr int few = word / lanes<float>;

struct Stretches {
    int64_t places, channels, each, count;

    Stretches(int64_t p, int64_t c) : places(p), channels(c), each(max(1, stretch / c)), count(ceil_div(p, each)) {}
    int64_t first(int64_t task) const { return task * each; }
    int64_t last(int64_t task) const { return min(places, (task + 1) * each); }
};

template <int n> struct Number {
    static constexpr int value = n;
};

// f(number of vectors, first channel, how many of the last vector's lanes are channels)
template <class F> void in_vectors(int64_t channels, const F &f) {
    int64_t c = 0;
    for (; c + 4 * lanes<float> <= channels; c += 4 * lanes<float>)
        f(Number<4>{}, c, int64_t(lanes<float>));
    for (; c < channels; c += lanes<float>)
        f(Number<1>{}, c, min(lanes<float>, channels - c));
}

// f(first, how many) for each few of the channels, all threads.
template <class F> void over_channels(int64_t channels, const F &f) {
    parallel(ceil_div(channels, channels_at_once), [&](int64_t task, int) {
        const int64_t first = task * channels_at_once;
        f(first, min(channels_at_once, channels - first));
    });
}

int64_t words(int64_t channels) { return ceil_div(channels, word); }

// The bits of a vector of channels from `c` on, a place's `mask` beginning at channel 0.
uint32_t bits_at(const uint16_t *mask, int64_t c) {
    return uint32_t(checked(mask + c / word)) >> (c % word) & ((1u << lanes<float>)-1);
}

// g where the mask lets it through; all of it where there is none.
Floats passing(const uint16_t *mask, int64_t c, Floats g) { return mask ? where_bits(bits_at(mask, c), g) : g; }

// The batch's mean and variance: each stretch's own, put together (Chan, Golub & LeVeque, 1983).
void statistics(const NormJob &job, const Stretches &s) {
    float *partial = scratch(Scratch::shared, s.count * 2 * s.channels);
    parallel(s.count, [&](int64_t task, int) {
        const float *x = job.x + s.first(task) * s.channels;
        float *means = partial + task * 2 * s.channels, *squares = means + s.channels;
        const int64_t count = s.last(task) - s.first(task);
        in_vectors(s.channels, [&](auto vectors, int64_t c, int64_t some) {
            Floats sum[vectors.value]{}, square[vectors.value]{};
            for (int64_t p = 0; p < count; ++p)
                for (int k = 0; k < vectors.value; ++k)
                    sum[k] += load_some(x + p * s.channels + c + k * lanes<float>, some);
            for (int k = 0; k < vectors.value; ++k)
                sum[k] /= broadcast(float(count));
            for (int64_t p = 0; p < count; ++p)
                for (int k = 0; k < vectors.value; ++k) {
                    const Floats d = load_some(x + p * s.channels + c + k * lanes<float>, some) - sum[k];
                    square[k] += d * d;
                }
            for (int k = 0; k < vectors.value; ++k) {
                store_some(means + c + k * lanes<float>, sum[k], some);
                store_some(squares + c + k * lanes<float>, square[k], some);
            }
        });
    });
    over_channels(s.channels, [&](int64_t first, int64_t count) {
        double mean[channels_at_once]{}, square[channels_at_once]{};
        for (int64_t t = 0; t < s.count; ++t)
            for (int64_t c = 0; c < count; ++c)
                mean[c] += double(partial[t * 2 * s.channels + first + c]) * double(s.last(t) - s.first(t));
        for (int64_t c = 0; c < count; ++c)
            mean[c] /= double(s.places);
        for (int64_t t = 0; t < s.count; ++t)
            for (int64_t c = 0; c < count; ++c) {
                const double from = double(partial[t * 2 * s.channels + first + c]) - mean[c];
                square[c] += double(partial[(t * 2 + 1) * s.channels + first + c]) +
                             from * from * double(s.last(t) - s.first(t));
            }
        for (int64_t c = 0; c < count; ++c) {
            checked(job.mean + first + c) = float(mean[c]);
            checked(job.variance + first + c) = float(square[c] / double(s.places));
        }
    });
}

float scale_of(const float *weight, const float *variance, double epsilon, int64_t c) {
    return float((weight ? double(checked(weight + c)) : 1.0) /
                 __builtin_sqrt(double(checked(variance + c)) + epsilon));
}

} // namespace

void norm(const NormJob &job) {
    const Stretches s(job.places, job.channels);
    statistics(job, s);
    float *scale = scratch(Scratch::shared, 2 * s.channels), *shift = scale + s.channels;
    for (int64_t c = 0; c < s.channels; ++c) {
        scale[c] = scale_of(job.weight, job.variance, job.epsilon, c);
        shift[c] = float((job.bias ? double(checked(job.bias + c)) : 0.0) - double(scale[c]) * double(job.mean[c]));
    }
    parallel(s.count, [&](int64_t task, int) {
        for (int64_t p = s.first(task); p < s.last(task); ++p) {
            const int64_t at = p * s.channels;
            for (int64_t c = 0; c < s.channels; c += word) {
                uint32_t bits = 0;
                for (int k = 0; k < few && c + k * lanes<float> < s.channels; ++k) {
                    const int64_t d = c + k * lanes<float>, some = min(lanes<float>, s.channels - d);
                    Floats y =
                        load_some(job.x + at + d, some) * load_some(scale + d, some) + load_some(shift + d, some);
                    if (job.residual)
                        y += load_some(job.residual + at + d, some);
                    if (job.relu) {
                        const auto through = ~(y <= Floats{}); // as in torch, NaN among them
                        bits |= bits_of((Vector<int32_t>)through) << k * lanes<float>;
                        y = through ? y : Floats{};
                    }
                    store_some(job.y + at + d, y, some);
                }
                if (job.mask)
                    checked(job.mask + p * words(s.channels) + c / word) = uint16_t(bits);
            }
        }
    });
}

void norm_gradient(const NormGradientJob &job) {
    const Stretches s(job.places, job.channels);
    const int64_t channels = s.channels;
    float *partial = scratch(Scratch::shared, (s.count * 2 + 3) * channels);
    float *by_g = partial + s.count * 2 * channels, *by_x = by_g + channels, *constant = by_x + channels;
    const auto mask_of = [&](int64_t p) { return job.mask ? job.mask + p * words(channels) : nullptr; };
    parallel(s.count, [&](int64_t task, int) {
        float *sums = partial + task * 2 * channels, *products = sums + channels;
        in_vectors(channels, [&](auto vectors, int64_t c, int64_t some) {
            Floats sum[vectors.value]{}, product[vectors.value]{}, mean[vectors.value];
            for (int k = 0; k < vectors.value; ++k)
                mean[k] = load_some(job.mean + c + k * lanes<float>, some);
            for (int64_t p = s.first(task); p < s.last(task); ++p)
                for (int k = 0; k < vectors.value; ++k) {
                    const int64_t d = c + k * lanes<float>, at = p * channels + d;
                    const Floats g = passing(mask_of(p), d, load_some(job.g + at, some));
                    sum[k] += g;
                    product[k] += g * (load_some(job.x + at, some) - mean[k]);
                }
            for (int k = 0; k < vectors.value; ++k) {
                store_some(sums + c + k * lanes<float>, sum[k], some);
                store_some(products + c + k * lanes<float>, product[k], some);
            }
        });
    });
    over_channels(channels, [&](int64_t first, int64_t count) {
        double sum[channels_at_once]{}, product[channels_at_once]{};
        for (int64_t t = 0; t < s.count; ++t)
            for (int64_t i = 0; i < count; ++i) {
                sum[i] += double(partial[t * 2 * channels + first + i]);
                product[i] += double(partial[(t * 2 + 1) * channels + first + i]);
            }
        for (int64_t i = 0; i < count; ++i) {
            const int64_t c = first + i;
            const double inverse = 1 / __builtin_sqrt(double(checked(job.variance + c)) + job.epsilon);
            const double scale = scale_of(job.weight, job.variance, job.epsilon, c), places = double(s.places);
            by_g[c] = float(scale);
            by_x[c] = float(-scale * product[i] * inverse * inverse / places);
            constant[c] = float(-scale * sum[i] / places);
            checked(job.bias_gradient + c) = float(sum[i]);
            checked(job.weight_gradient + c) = float(product[i] * inverse);
        }
    });
    parallel(s.count, [&](int64_t task, int) {
        for (int64_t p = s.first(task); p < s.last(task); ++p)
            for (int64_t c = 0; c < channels; c += lanes<float>) {
                const int64_t at = p * channels + c, some = min(lanes<float>, channels - c);
                const Floats g = passing(mask_of(p), c, load_some(job.g + at, some));
                const Floats x = load_some(job.x + at, some) - load_some(job.mean + c, some);
                if (job.passed)
                    store_some(job.passed + at, g, some);
                store_some(job.gradient + at,
                           load_some(by_g + c, some) * g + load_some(by_x + c, some) * x +
                               load_some(constant + c, some),
                           some);
            }
    });
}

} // namespace convolens::CONVOLENS_ISA
