// A stream under a line of weights, as bind/stream.cpp prepares it, taken in at once and in two parts.
#include "fuzz.hpp"
#include "jobs/stream.hpp"
#include "runtime/fourier.hpp"

#include <cstdio>
#include <cstdlib>

namespace convolens::fuzzing {
namespace {

// All that a job points to.
template <class T> struct Stream {
    StreamJob job{};
    Exactly<T> weights;
    std::vector<Exactly<T>> spectra;
    std::vector<std::shared_ptr<const T>> tables;
    std::vector<int64_t> sizes;

    explicit Stream(Data &data) : weights(1) {
        const int64_t levels = in(data, 0, 2);
        for (int64_t l = 0; l < levels; ++l)
            sizes.push_back(l ? sizes.back() * (int64_t(1) << in(data, 1, 2)) : stream_step);
        const int64_t last = sizes.empty() ? 0 : sizes.back();
        weights = Exactly<T>(last + in(data, 1, sizes.empty() ? 600 : 2 * last + 100));
        weights.fill_finite(data);
        job.in = sizeof(T) == 4 ? Scalar::f32 : Scalar::f64;
        job.taps = weights.size(), job.weights = weights.data(), job.levels = int(levels);
        job.head = sizes.empty() ? job.taps : sizes[0];
        job.channels = in(data, 1, 2), job.frames = in(data, 0, 2500), job.done = in(data, 0, 2000);
    }

    // For the instruction set in use, whose lanes the layout depends on.
    void lay() {
        spectra.clear(), tables.clear();
        int64_t next = 0;
        job.past = job.head + stream_step;
        for (size_t l = 0; l < sizes.size(); ++l) {
            StreamLevel &level = job.level[l];
            level = {};
            level.size = sizes[l], level.taps = (l + 1 < sizes.size() ? sizes[l + 1] : job.taps) - level.size;
            level.partitions = (level.taps + level.size - 1) / level.size;
            int64_t rows = 16;
            while (4 * rows * rows <= level.size)
                rows *= 2;
            level.shape = {job.in, 2, {&length_of<T>(rows), &length_of<T>(level.size / rows)}, nullptr};
            tables.push_back(line_twiddles<T>(rows, level.size / rows, kernels().vector_bytes / int64_t(sizeof(T))));
            level.shape.twiddles = tables.back().get();
            tables.push_back(right_angle<T>(level.size));
            level.turns = tables.back().get();
            level.blocks = next, level.coming = next + level.partitions * 2 * level.size;
            next = level.coming + level.size;
            job.past = std::max(job.past, (level.partitions + 2) * level.size);
            spectra.emplace_back(level.partitions * 2 * level.size);
            level.spectra = spectra.back().data();
        }
        job.room = job.past + stream_step; // moved as often as can be
        for (int l = 0; l < job.levels; ++l)
            job.level[l].blocks += job.room + stream_slack, job.level[l].coming += job.room + stream_slack;
        job.state_scalars = job.room + stream_slack + next;
        kernels().stream_spectra(job);
    }

    Result run(Exactly<T> &x, int64_t cut) {
        Exactly<T> state(job.channels * job.state_scalars), out(job.channels * job.frames);
        std::vector<int64_t> ends(size_t(job.channels), job.past);
        StreamJob part = job;
        part.state = state.data(), part.ends = ends.data();
        part.x_channel = part.out_channel = job.frames, part.x_frame = part.out_frame = 1;
        for (const auto &[begin, end] : {std::pair(int64_t(0), cut), std::pair(cut, job.frames)}) {
            part.x = x.data() + begin, part.out = out.data() + begin;
            part.frames = end - begin, part.done = job.done + begin;
            kernels().streamed(part);
        }
        return result_of(out);
    }
};

template <class T> void run(Data &data) {
    Stream<T> stream(data);
    Exactly<T> x(stream.job.channels * stream.job.frames);
    x.fill_from(data);
    const int64_t cut = in(data, 0, stream.job.frames);
    const double bound = 40.0 * double(stream.job.taps) * (sizeof(T) == 4 ? 3e-6 : 1e-14);
    on_each_set("streamed", bound, [&] {
        stream.lay();
        const Result whole = stream.run(x, 0);
        compare("streamed", "in two parts", whole, stream.run(x, cut), 0);
        return whole;
    });
}

} // namespace

void streams(Data &data) { data.coin() ? run<float>(data) : run<double>(data); }

} // namespace convolens::fuzzing
