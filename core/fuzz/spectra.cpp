// Correlations by transforms of blocks, as bind/spectrum.cpp prepares them; each instruction set has a layout of its
// own.
#include "fuzz.hpp"
#include "jobs/blocks.hpp"
#include "runtime/fourier.hpp"
#include "runtime/platform.hpp"

namespace convolens::fuzzing {
namespace {

template <class T> struct Block {
    int64_t sizes[3], reach[3]; // of the convolved axes; kernel
    int axes;                   // of them
    int64_t rows, columns;      // into which a line is folded

    explicit Block(Data &data) {
        axes = int(in(data, 1, 3));
        constexpr int64_t lengths[] = {16, 32, 48, 64, 80, 96, 144}, few[] = {2, 3, 4, 5, 6, 8};
        rows = lengths[in(data, 0, 2)], columns = lengths[in(data, 0, 3)];
        for (int d = 0; d < axes; ++d)
            sizes[d] = d < axes - 2 ? few[in(data, 0, 5)] : lengths[in(data, 0, axes == 3 ? 1 : 4)];
        if (axes == 1)
            sizes[0] = rows * columns;
        for (int d = 0; d < axes; ++d)
            reach[d] = in(data, 2, std::min<int64_t>(sizes[d], 30));
    }

    BlockShape shape(std::shared_ptr<const T> &twiddles) const {
        BlockShape made{sizeof(T) == 4 ? Scalar::f32 : Scalar::f64, std::max(axes, 2), {}, nullptr};
        if (axes == 1) {
            twiddles = line_twiddles<T>(rows, columns, kernels().vector_bytes / int64_t(sizeof(T)));
            made.lengths[0] = &length_of<T>(rows), made.lengths[1] = &length_of<T>(columns);
            made.twiddles = twiddles.get();
        } else {
            for (int d = 0; d < axes; ++d)
                made.lengths[d] = &length_of<T>(sizes[d]);
        }
        return made;
    }
};

template <class T> void run(Data &data) {
    const Block<T> block(data);
    const int parts = data.coin() ? 2 : 1;
    BlocksJob job{};
    Correlation &c = job.correlation;
    c.from = c.in = c.to = sizeof(T) == 4 ? Scalar::f32 : Scalar::f64;
    c.parts = parts, c.block = {parts, 1, 1}, c.fill[0] = c.fill[1] = 2;
    std::vector<int64_t> maps[4];
    const int free = int(in(data, 0, 1)); // axes that are not convolved come first
    c.count = free + block.axes, job.convolved = block.axes, job.tasks = 1;
    int64_t x_step = parts, out_step = parts, count = 1;
    for (int d = c.count; d-- > 0;) {
        const int64_t reach = d < free ? 1 : block.reach[d - free];
        const int64_t out = in(data, 1, block.axes == 1 && d >= free ? 3000 : 40), size = in(data, 1, out + reach - 1);
        maps[d] = a_map(data, size, out + reach - 1);
        c.axes[d] = {out, reach, maps[d].data(), 0, 0, x_step, out_step, d};
        find_run(c.axes[d], maps[d]);
        const int64_t step = d < free ? 1 : block.sizes[d - free] - reach + 1;
        x_step *= size, out_step *= out, job.tasks *= (out + step - 1) / step, count *= reach;
    }
    if (out_step > 300'000 || x_step > 300'000)
        return; // long, not new
    if (parts == 1)
        job.tasks = (job.tasks + 1) / 2;
    Exactly<T> x(x_step), weights(count * parts);
    x.fill_finite(data), weights.fill_finite(data);
    const double bound = 40.0 * double(count) * (sizeof(T) == 4 ? 3e-6 : 1e-14);
    on_each_set("blocks", bound, [&] {
        std::shared_ptr<const T> twiddles;
        job.shape = block.shape(twiddles);
        const int64_t scalars = kernels().spectrum_scalars(job.shape);
        const std::unique_ptr<void, void (*)(void *)> memory(
            allocate_aligned((size_t(scalars) * sizeof(T) + 63) / 64 * 64), free_aligned);
        SpectrumJob made{job.shape, weights.data(), parts, block.axes, {}, memory.get()};
        std::copy_n(block.reach, block.axes, made.kernel_shape);
        kernels().spectrum(made);
        Exactly<T> out(out_step);
        Exactly<uint8_t> contaminated(job.tasks);
        c.x = x.data(), c.out = out.data(), job.spectrum = memory.get(), job.contaminated = contaminated.data();
        kernels().blocks(job);
        return result_of(out);
    });
}

} // namespace

void spectra(Data &data) { data.coin() ? run<float>(data) : run<double>(data); }

} // namespace convolens::fuzzing
