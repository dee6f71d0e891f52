// The binding of correlations by transforms of overlapping blocks.
#include "bind/correlation.hpp"
#include "runtime/fourier.hpp"
#include "runtime/platform.hpp"

#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

namespace convolens {
namespace {

// The transform of a kernel, for blocks of one shape: made once, used on any number of signals.
class Spectrum {
public:
    Spectrum(const Array &kernel, const std::vector<int64_t> &sizes) : kernel_axes_(kernel.ndim()) {
        parts_ = is_complex(kernel) ? 2 : 1;
        to_ = scalar_of(kernel);
        need(is_float(to_) || to_ == Scalar::i64, "Spectrum: the kernel's dtype");
        Correlation c{};
        c.parts = parts_, c.to = to_, c.in = to_ == Scalar::f32 ? Scalar::f32 : Scalar::f64;
        const Packed weights(kernel, c);
        SpectrumJob job{};
        job.parts = parts_, job.weights = weights.data();
        for (size_t d = 0; d < kernel.ndim(); ++d)
            if (kernel.shape(d) != 1)
                axes_.push_back(int(d)), job.kernel_shape[job.axes++] = int64_t(kernel.shape(d));
        need(kernel.ndim() <= max_axes && job.axes >= 1, "Spectrum: need a kernel of two weights or more");
        need(sizes.size() == size_t(std::max(job.axes, 2)),
             "Spectrum: need a size for each axis, or rows and columns of a line");
        shape_.in = c.in;
        c.in == Scalar::f32 ? measure<float>(job, sizes) : measure<double>(job, sizes);
        memory_.reset(allocate_aligned((size_t(memory_bytes()) + 63) / 64 * 64));
        if (!memory_)
            throw std::bad_alloc();
        vector_bytes_ = kernels().vector_bytes;
        job.shape = shape_, job.spectrum = memory_.get();
        call(kernels().spectrum, job,
             [&] { return Extents::List{weights.extent(), writes(memory(), memory_bytes()), twiddles()}; });
    }

    // out[i] = Σ_k kernel[k] · X[i + k]; returns the numbers of the tasks whose blocks hold a NaN or infinity.
    std::vector<int64_t> correlate(const Array &x, const Output &out, const Maps &maps, nb::handle fill) const {
        BlocksJob job{prepare(x, out, maps, fill, 0, 0), 0, shape_, memory_.get(), 1, nullptr};
        Correlation &c = job.correlation;
        need(vector_bytes_ == kernels().vector_bytes, "Spectrum: made for another instruction set");
        need(x.ndim() == kernel_axes_ && c.to == to_ && c.parts == parts_, "Spectrum: made for another dtype or rank");
        c.in = shape_.in;
        auto convolved = [&](const Axis &axis) { return kernel_size_at(axis.source) > 1; };
        std::stable_partition(c.axes, c.axes + c.count, [&](const Axis &axis) { return !convolved(axis); });
        for (int d = 0; d < c.count; ++d) {
            const Axis &axis = c.axes[d];
            need(axis.kernel_size == kernel_size_at(axis.source), "Spectrum: a map must have out + kernel - 1 entries");
            const int64_t step = convolved(axis) ? sizes_[job.convolved++] - axis.kernel_size + 1 : 1;
            job.tasks *= (axis.size + step - 1) / step;
        }
        need(job.convolved == int(axes_.size()), "Spectrum: the signal lacks an axis");
        if (out.size() == 0)
            return {};
        if (parts_ == 1)
            job.tasks = (job.tasks + 1) / 2;
        std::vector<uint8_t> contaminated(size_t(job.tasks), 0);
        job.contaminated = contaminated.data();
        call(kernels().blocks, job,
             [&] { return Extents::List{reads(x), writes(out), reads(memory(), memory_bytes()), twiddles()}; });
        std::vector<int64_t> numbers;
        for (int64_t task = 0; task < job.tasks; ++task)
            if (contaminated[size_t(task)])
                numbers.push_back(task);
        return numbers;
    }

private:
    char *memory() const { return static_cast<char *>(memory_.get()); }
    int64_t memory_bytes() const { return kernels().spectrum_scalars(shape_) * bytes_of_sums(shape_.in); }
    Extent twiddles() const {
        const int64_t bytes = twiddles_ ? 2 * sizes_[0] * bytes_of_sums(shape_.in) : 0;
        return {twiddles_.get(), bytes, false};
    }

    int64_t kernel_size_at(int source) const {
        for (size_t i = 0; i < axes_.size(); ++i)
            if (axes_[i] == source)
                return kernel_shape_[i];
        return 1;
    }

    template <class T> void measure(const SpectrumJob &job, const std::vector<int64_t> &sizes) {
        const int64_t lanes = kernels().vector_bytes / int64_t(sizeof(T));
        shape_.axes = int(sizes.size());
        for (int d = 0; d < shape_.axes; ++d) {
            need(sizes[size_t(d)] > 0 && (d < shape_.axes - 2 || sizes[size_t(d)] % lanes == 0),
                 "Spectrum: rows and columns must be multiples of a vector's lanes");
            shape_.lengths[d] = &length_of<T>(sizes[size_t(d)]);
        }
        kernel_shape_.assign(job.kernel_shape, job.kernel_shape + job.axes);
        sizes_ = sizes;
        if (job.axes == 1) {
            auto table = line_twiddles<T>(sizes[0], sizes[1], lanes);
            shape_.twiddles = table.get(), twiddles_ = table;
            sizes_ = {sizes[0] * sizes[1]};
        }
        for (size_t d = 0; d < kernel_shape_.size(); ++d)
            need(kernel_shape_[d] <= sizes_[d], "Spectrum: a block is shorter than the kernel");
    }

    struct Free {
        void operator()(void *p) const { free_aligned(p); }
    };
    size_t kernel_axes_;
    int parts_, vector_bytes_;
    Scalar to_;
    BlockShape shape_{};
    std::vector<int> axes_;                     // those of the kernel that have more than one weight
    std::vector<int64_t> kernel_shape_, sizes_; // along them
    std::shared_ptr<const void> twiddles_;
    std::unique_ptr<void, Free> memory_;
};

} // namespace

void bind_spectrum(nb::module_ &m) {
    bind_class<Spectrum>(m, "Spectrum", [](auto spectrum) {
        spectrum.def(nb::init<const Array &, const std::vector<int64_t> &>(), "kernel"_a, "sizes"_a)
            .def("correlate", &Spectrum::correlate, "x"_a, "out"_a, "maps"_a, "fill"_a = 0);
    });
}

} // namespace convolens
