// A stream under a line of weights, whose sums depend neither on how it is cut nor on what is to come.
//
//   for each channel, for each step of the samples (up to the next multiple of stream_step)
//     sum the first `head` weights by the definition, and what the levels have found for these outputs
//     for each level whose block is now complete
//       transform the latest two blocks, multiply-add the spectra of the latest blocks and of the weights, transform
//       back
//
// A level's weights begin as far back as its block is long: what they add is known when the block is complete, and not
// needed before. Levels grow, so that a long kernel has few partitions (Gardner 1995; Wefers, "Partitioned convolution
// algorithms for real-time auralization", 2015).
//
// Two blocks of real samples x are one complex block of half the length: z[j] = (x[j] + i x[j + n]) ζ^j with ζ^n = i.
// The product of such transforms is the real convolution in which what passes the end comes in again with its sign
// turned; that touches the first block's outputs alone, which are not wanted. So no pass tells a real spectrum's halves
// apart (Crandall & Fagin, "Discrete weighted transforms and large-integer arithmetic", 1994: right-angle convolution).
#include "jobs/stream.hpp"
#include "kernels/layout.hpp"
#include "kernels/working_memory.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t weights_at_once = 512;  // summed one after another; more are added up in sums of so many
constexpr int64_t serial_below = 1 << 14; // samples of all channels: worth about 300 µs

// N vectors of outputs: Σ weights[k] · at[i - k] over `count` weights, added to what is there or not.
template <class T, int N> void tile(const T *at, const T *weights, int64_t count, T *out, bool add) {
    constexpr int V = lanes<T>;
    Vector<T> sums[N]{};
    for (int64_t k = 0; k < count; ++k) {
        const Vector<T> w = broadcast(checked(weights + k));
        for (int v = 0; v < N; ++v)
            sums[v] += w * load(at + v * V - k);
    }
    for (int v = 0; v < N; ++v)
        store(out + v * V, add ? load(out + v * V) + sums[v] : sums[v]);
}

// By the definition, every output in the same order however many there are; whole vectors of them.
template <class T> void convolve(const T *at, const T *weights, int64_t count, int64_t outputs, T *out) {
    constexpr int V = lanes<T>;
    for (int64_t k = 0; k < max(count, 1); k += weights_at_once) {
        const int64_t some = min(weights_at_once, count - k);
        int64_t i = 0;
        for (; i + 8 * V <= outputs; i += 8 * V)
            tile<T, 8>(at + i - k, weights + k, some, out + i, k > 0);
        for (; i + 2 * V <= outputs; i += 2 * V)
            tile<T, 2>(at + i - k, weights + k, some, out + i, k > 0);
        for (; i < outputs; i += V)
            tile<T, 1>(at + i - k, weights + k, some, out + i, k > 0);
    }
}

// to += Σ of N products of spectra, or = if it is the first.
template <class T, int N>
void multiply_add(T *to, const T *const *a, const T *const *b, int64_t offset, int64_t elements, bool first) {
    constexpr int V = lanes<T>;
    for (int64_t at = 0; at < elements * 2 * V; at += 2 * V) {
        Vector<T> re = first ? Vector<T>{} : load(to + at), im = first ? Vector<T>{} : load(to + at + V);
        for (int n = 0; n < N; ++n) {
            const T *p = a[n] + offset + at, *q = b[n] + offset + at;
            const Vector<T> c = load(p), s = load(p + V), r = load(q), i = load(q + V);
            re = re + c * r - s * i;
            im = im + c * i + s * r;
        }
        store(to + at, re), store(to + at + V, im);
    }
}

template <class T> struct Level {
    static constexpr int V = lanes<T>;
    const StreamLevel &is;
    const Layout<T> at;
    T *plane, *group; // working memory
    const T *cosines, *sines;

    explicit Level(const StreamLevel &level) : is(level), at(level.shape) {
        plane = working_memory<T>(Scratch::own, at.scalars() + at.columns * 2 * V);
        group = plane + at.scalars();
        cosines = static_cast<const T *>(level.turns), sines = cosines + level.size;
    }

    // Of two blocks, one after the other.
    void transform(const T *blocks, T *spectrum) const {
        for (int64_t p = 0; p < at.panels; ++p) {
            T *panel = plane + p * at.panel;
            for (int64_t r = 0; r < at.rows; ++r) {
                const int64_t j = r * at.columns + p * V;
                const Vector<T> x = load(blocks + j), y = load(blocks + is.size + j);
                const Vector<T> c = load(cosines + j), s = load(sines + j);
                store(panel + r * 2 * V, x * c - y * s);
                store(panel + r * 2 * V + V, x * s + y * c);
            }
            forward<T>(panel, 2 * V, *at.of_rows);
        }
        for (int64_t g = 0; g < at.groups; ++g)
            columns_forward(plane, g, spectrum + g * at.columns * 2 * V, at);
    }

    // What the weights add to the next outputs, from the spectra of the latest blocks, of which the last is at `last`.
    // False if there is a NaN or infinity in it.
    bool combine(const T *blocks, int64_t last, T *coming) const {
        constexpr int at_once = 4;
        const T *spectra = static_cast<const T *>(is.spectra);
        for (int64_t g = 0; g < at.groups; ++g) {
            const int64_t offset = g * at.columns * 2 * V;
            for (int64_t j = 0; j < is.partitions; j += at_once) {
                const T *a[at_once], *b[at_once];
                const int64_t some = min(at_once, is.partitions - j);
                for (int64_t n = 0; n < some; ++n) {
                    const int64_t block = last - j - n;
                    a[n] = spectra + (j + n) * 2 * is.size;
                    b[n] = blocks + (block < 0 ? block + is.partitions : block) * 2 * is.size;
                }
                if (some == at_once)
                    multiply_add<T, at_once>(group, a, b, offset, at.columns, j == 0);
                else
                    for (int64_t n = 0; n < some; ++n)
                        multiply_add<T, 1>(group, a + n, b + n, offset, at.columns, j + n == 0);
            }
            columns_inverse(plane, g, group, at);
        }
        Vector<T> sum{}; // 0 · x is 0 only for finite x
        for (int64_t p = 0; p < at.panels; ++p) {
            T *panel = plane + p * at.panel;
            inverse<T>(panel, 2 * V, *at.of_rows);
            for (int64_t r = 0; r < at.rows; ++r) {
                const int64_t j = r * at.columns + p * V;
                const Vector<T> re = load(panel + r * 2 * V), im = load(panel + r * 2 * V + V);
                const Vector<T> second = im * load(cosines + j) - re * load(sines + j);
                sum += T(0) * second;
                store(coming + j, second);
            }
        }
        T all = 0;
        for (int i = 0; i < V; ++i)
            all += sum[i];
        return all == T(0);
    }
};

template <class T> struct Channel {
    const StreamJob &job;
    T *state;
    int64_t &end; // of the past

    // A level's block is complete. What a NaN, infinity or overflow got into is computed again by the definition, which
    // keeps it where it is.
    void complete(const StreamLevel &level, int64_t done) {
        const Level<T> way(level);
        T *blocks = state + level.blocks, *coming = state + level.coming;
        const int64_t last = (done / level.size - 1) % level.partitions;
        way.transform(state + end - 2 * level.size, blocks + last * 2 * level.size);
        if (!way.combine(blocks, last, coming))
            convolve(state + end - level.size, weights() + level.size, level.taps, level.size, coming);
    }

    const T *weights() const { return static_cast<const T *>(job.weights); }

    void take(const T *x, int64_t count) {
        if (end + count > job.room) {
            T *from = state + end - job.past;
            will_read(from, job.past), will_write(state, job.past);
            __builtin_memmove(state, from, size_t(job.past) * sizeof(T));
            end = job.past;
        }
        for (int64_t i = 0; i < count; ++i)
            checked(state + end + i) = checked(x + i * job.x_frame);
        end += count;
    }

    // The outputs of the latest `count` samples, before which `done` came.
    void give(T *out, int64_t count, int64_t done) {
        T sums[stream_step];
        convolve(state + end - count, weights(), job.head, count, sums);
        for (int l = 0; l < job.levels; ++l) {
            const T *coming = state + job.level[l].coming + done % job.level[l].size;
            will_read(coming, count);
            for (int64_t i = 0; i < count; ++i)
                sums[i] += coming[i];
        }
        for (int64_t i = 0; i < count; ++i)
            checked(out + i * job.out_frame) = sums[i];
    }

    void run(const T *x, T *out) {
        int64_t done = job.done;
        for (int64_t i = 0, count; i < job.frames; i += count) {
            count = min(job.frames - i, stream_step - done % stream_step);
            take(x + i * job.x_frame, count);
            give(out + i * job.out_frame, count, done);
            done += count;
            for (int l = 0; l < job.levels && done % job.level[l].size == 0; ++l)
                complete(job.level[l], done);
        }
    }
};

template <class T> void run(const StreamJob &job) {
    const auto one = [&](int64_t c, int) {
        Channel<T> channel{job, static_cast<T *>(job.state) + c * job.state_scalars, job.ends[c]};
        channel.run(static_cast<const T *>(job.x) + c * job.x_channel, static_cast<T *>(job.out) + c * job.out_channel);
    };
    if (job.channels > 1 && job.channels * job.frames > serial_below)
        return parallel(job.channels, one);
    for (int64_t c = 0; c < job.channels; ++c)
        one(c, 0);
}

// The weights, divided by what the transforms multiply by, which is a power of two.
template <class T> void spectra(const StreamJob &job) {
    for (int l = 0; l < job.levels; ++l) {
        const StreamLevel &level = job.level[l];
        const T *from = static_cast<const T *>(job.weights) + level.size;
        T *padded = working_memory<T>(Scratch::shared, 2 * level.size), *to = static_cast<T *>(level.spectra);
        const Level<T> way(level);
        const T scale = T(1) / T(level.size);
        for (int64_t j = 0; j < level.partitions; ++j) {
            clear(padded, 2 * level.size);
            for (int64_t k = 0; k < min(level.size, level.taps - j * level.size); ++k)
                checked(padded + k) = scale * checked(from + j * level.size + k);
            way.transform(padded, to + j * 2 * level.size);
        }
    }
}

} // namespace

void stream_spectra(const StreamJob &job) { job.in == Scalar::f32 ? spectra<float>(job) : spectra<double>(job); }

void streamed(const StreamJob &job) { job.in == Scalar::f32 ? run<float>(job) : run<double>(job); }

} // namespace convolens::CONVOLENS_ISA
