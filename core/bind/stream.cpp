// The binding of a stream under a line of weights: its kernel, which copies share, and its past.
#include "bind/correlation.hpp"
#include "runtime/fourier.hpp"
#include "runtime/platform.hpp"

#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace convolens {
namespace {

constexpr int64_t max_weights = int64_t(1) << 31, max_channels = int64_t(1) << 31;

std::shared_ptr<char> zeros(int64_t bytes) {
    const size_t whole = (size_t(bytes) + 64) / 64 * 64;
    char *const at = static_cast<char *>(allocate_aligned(whole));
    if (!at)
        throw std::bad_alloc();
    std::memset(at, 0, whole);
    return {at, free_aligned};
}

// The weights and their spectra.
class Line {
public:
    Line(const Array &weights, const std::vector<int64_t> &sizes) : job{} {
        need(weights.ndim() == 1 && weights.size() >= 1 && int64_t(weights.size()) <= max_weights,
             "LineStream: need a line of weights");
        job.in = scalar_of(weights);
        need(is_float(job.in) && !is_complex(weights), "LineStream: need float32 or float64");
        need(weights.size() == 1 || weights.stride(0) == 1, "LineStream: need contiguous weights");
        bytes = bytes_of_sums(job.in), vector_bytes = kernels().vector_bytes;
        job.taps = int64_t(weights.size());
        weights_ = zeros(job.taps * bytes);
        std::memcpy(weights_.get(), weights.data(), size_t(job.taps * bytes));
        job.weights = weights_.get();
        job.in == Scalar::f32 ? cut<float>(sizes) : cut<double>(sizes);
        call(kernels().stream_spectra, job, [&] { return touched(true); });
    }

    Extents::List touched([[maybe_unused]] bool spectra_too) const {
#if CONVOLENS_CHECK_EXTENTS
        Extents::List list{{job.weights, job.taps * bytes, false}};
        for (int l = 0; l < job.levels; ++l) {
            const StreamLevel &level = job.level[l];
            list.push_back({level.spectra, level.partitions * 2 * level.size * bytes, spectra_too});
            list.push_back({level.turns, 2 * level.size * bytes, false});
            list.push_back({level.shape.twiddles, 2 * level.size * bytes, false});
        }
        return list;
#else
        return {};
#endif
    }

    StreamJob job; // all of it that is the same for each stream
    int64_t bytes; // of a number
    int vector_bytes;

private:
    template <class T> void cut(const std::vector<int64_t> &sizes) {
        need(sizes.size() <= max_levels, "LineStream: too many sizes");
        job.levels = int(sizes.size());
        job.head = sizes.empty() ? job.taps : sizes[0];
        job.past = job.head + stream_step;
        int64_t next = 0;
        for (size_t l = 0; l < sizes.size(); ++l) {
            const int64_t before = l ? sizes[l - 1] : stream_step, size = sizes[l];
            need(size >= before && size % before == 0 && size < job.taps && (size & (size - 1)) == 0,
                 "LineStream: need sizes of twos, at least 256, that grow and are less than the weights");
            StreamLevel &level = job.level[l];
            level.size = size, level.taps = (l + 1 < sizes.size() ? sizes[l + 1] : job.taps) - size;
            need(level.taps > 0, "LineStream: need sizes that grow");
            level.partitions = (level.taps + size - 1) / size;
            level.shape = folded<T>(size);
            keep(right_angle<T>(size), level.turns);
            level.blocks = next, level.coming = next + level.partitions * 2 * size;
            next = level.coming + size;
            job.past = std::max(job.past, (level.partitions + 2) * size);
            spectra_.push_back(zeros(level.partitions * 2 * size * bytes));
            level.spectra = spectra_.back().get();
        }
        job.room = job.past + std::max(job.past, 16 * stream_step);
        const int64_t line = (job.room + stream_slack + 15) / 16 * 16;
        for (int l = 0; l < job.levels; ++l)
            job.level[l].blocks += line, job.level[l].coming += line;
        job.state_scalars = line + next;
    }

    template <class T> BlockShape folded(int64_t size) {
        int64_t rows = 1;
        while (4 * rows * rows <= size)
            rows *= 2;
        BlockShape shape{job.in, 2, {}, nullptr};
        shape.lengths[0] = &length_of<T>(rows), shape.lengths[1] = &length_of<T>(size / rows);
        keep(line_twiddles<T>(rows, size / rows, vector_bytes / int64_t(sizeof(T))), shape.twiddles);
        return shape;
    }

    void keep(std::shared_ptr<const void> table, const void *&at) {
        at = table.get();
        tables_.push_back(std::move(table));
    }

    std::shared_ptr<char> weights_;
    std::vector<std::shared_ptr<char>> spectra_;
    std::vector<std::shared_ptr<const void>> tables_;
};

class LineStream {
public:
    LineStream(const Array &weights, const std::vector<int64_t> &sizes, int64_t channels, int64_t done)
        : line_(std::make_shared<const Line>(weights, sizes)), channels_(channels), done_(done) {
        need(channels >= 0 && channels <= max_channels && done >= 0, "LineStream: need a number of channels");
        need(channels == 0 || line_->job.state_scalars <= (int64_t(1) << 42) / channels, "LineStream: too much memory");
        ends_.assign(size_t(channels), line_->job.past);
        state_ = zeros(state_bytes());
    }

    // out[c, i] = Σ_k weights[k] · x[c, i - k], where what lies before x is what was pushed before.
    void push(const Array &x, const Output &out) {
        StreamJob job = line_->job;
        need(x.ndim() == 2 && out.ndim() == 2 && int64_t(x.shape(0)) == channels_ &&
                 int64_t(out.shape(0)) == channels_ && x.shape(1) == out.shape(1),
             "LineStream: need channels x frames");
        need(scalar_of(x) == job.in && scalar_of(out) == job.in && !is_complex(x) && !is_complex(out),
             "LineStream: need the weights' dtype");
        need(kernels().vector_bytes == line_->vector_bytes, "LineStream: made for another instruction set");
        const Alone alone(busy_);
        job.x = x.data(), job.out = out.data();
        job.channels = channels_, job.frames = int64_t(x.shape(1)), job.done = done_;
        job.x_channel = x.stride(0), job.x_frame = x.stride(1);
        job.out_channel = out.stride(0), job.out_frame = out.stride(1);
        job.state = state_.get(), job.ends = ends_.data();
        call(kernels().streamed, job, [&] { return touched(x, out); });
        done_ += job.frames;
    }

    // One with the same past, which goes on by itself.
    LineStream *copy() {
        const Alone alone(busy_);
        std::unique_ptr<LineStream> other(new LineStream);
        other->line_ = line_, other->channels_ = channels_, other->done_ = done_, other->ends_ = ends_;
        other->state_ = zeros(state_bytes());
        std::memcpy(other->state_.get(), state_.get(), size_t(state_bytes()));
        return other.release();
    }

    // The latest samples, channels × as many as can matter.
    nb::ndarray<nb::numpy> past() {
        const Alone alone(busy_);
        const int64_t count = line_->job.past, bytes = line_->bytes;
        auto *const held = new std::shared_ptr<char>(zeros(channels_ * count * bytes));
        const nb::capsule owner(held, [](void *p) noexcept { delete static_cast<std::shared_ptr<char> *>(p); });
        for (int64_t c = 0; c < channels_; ++c) {
            const int64_t from = c * line_->job.state_scalars + ends_[size_t(c)] - count;
            std::memcpy(held->get() + c * count * bytes, state_.get() + from * bytes, size_t(count * bytes));
        }
        return nb::ndarray<nb::numpy>(held->get(), {size_t(channels_), size_t(count)}, owner, {},
                                      bytes == 4 ? nb::dtype<float>() : nb::dtype<double>());
    }

    int64_t done() const { return done_; }

private:
    // Two threads at once would leave a past that is nobody's.
    struct Alone {
        explicit Alone(std::atomic_flag &busy) : flag(busy) {
            if (flag.test_and_set())
                throw std::runtime_error("LineStream: need one thread at a time");
        }
        ~Alone() { flag.clear(); }
        Alone(const Alone &) = delete;
        std::atomic_flag &flag;
    };

    LineStream() = default;

    int64_t state_bytes() const { return channels_ * line_->job.state_scalars * line_->bytes; }

    Extents::List touched([[maybe_unused]] const Array &x, [[maybe_unused]] const Output &out) {
#if CONVOLENS_CHECK_EXTENTS
        Extents::List list = line_->touched(false);
        for (const Extent &one : {reads(x), writes(out), writes(state_.get(), state_bytes())})
            list.push_back(one);
        return list;
#else
        return {};
#endif
    }

    std::shared_ptr<const Line> line_;
    int64_t channels_ = 0, done_ = 0;
    std::vector<int64_t> ends_; // of each channel's past in its room
    std::shared_ptr<char> state_;
    std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

} // namespace

void bind_stream(nb::module_ &m) {
    bind_class<LineStream>(m, "LineStream", [](auto stream) {
        stream
            .def(nb::init<const Array &, const std::vector<int64_t> &, int64_t, int64_t>(), "weights"_a, "sizes"_a,
                 "channels"_a, "done"_a = 0)
            .def("push", &LineStream::push, "x"_a, "out"_a)
            .def("copy", &LineStream::copy, nb::rv_policy::take_ownership)
            .def("past", &LineStream::past)
            .def_prop_ro("done", &LineStream::done);
    });
}

} // namespace convolens
