// The bindings of the correlations that sum products: by the definition, sparse, and by outer products.
#include "bind/correlation.hpp"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <limits>

namespace convolens {
namespace {

constexpr int64_t max_separable_block = 4096; // the second axis must be the line

void correlate_direct(const Array &x, const Array &kernel, const Output &out, const Maps &maps, nb::handle fill,
                      double bound) {
    DirectJob job{prepare(x, out, maps, fill, bound), nullptr};
    need(kernel.ndim() == x.ndim(), "correlate: number of axes");
    for (size_t d = 0; d < x.ndim(); ++d)
        need(kernel.shape(d) > 0 && maps[d].at.size() == out.shape(d) + kernel.shape(d) - 1,
             "correlate: a map must have out + kernel - 1 entries");
    const Packed weights(kernel, job.correlation);
    job.weights = weights.data();
    if (out.size() == 0)
        return; // the kernels divide by widths
    call(kernels().direct, job, [&] { return Extents::List{reads(x), writes(out), weights.extent()}; });
}

void correlate_sparse(const Array &x, const Integers &offsets, const Array &values, const Output &out, const Maps &maps,
                      nb::handle fill, double bound) {
    SparseJob job{prepare(x, out, maps, fill, bound), nullptr, offsets.data(), 0, int(x.ndim())};
    need(offsets.ndim() == 2 && offsets.shape(1) == x.ndim(), "correlate: offsets are (nonzeros, axes)");
    need(values.ndim() == 1 && values.shape(0) == offsets.shape(0) && values.size() > 0,
         "correlate: one weight a nonzero");
    job.nonzeros = int64_t(values.size());
    for (int64_t t = 0; t < job.nonzeros; ++t)
        for (size_t d = 0; d < x.ndim(); ++d) {
            const int64_t o = job.offsets[t * job.ndim + int64_t(d)];
            need(o >= 0 && o + int64_t(out.shape(d)) <= int64_t(maps[d].at.size()),
                 "correlate: offset outside the map");
        }
    const Packed weights(values, job.correlation);
    job.weights = weights.data();
    if (out.size() == 0)
        return; // the kernels divide by widths
    call(kernels().sparse, job, [&] { return Extents::List{reads(x), writes(out), weights.extent()}; });
}

// The two axes are those along which the kernel reaches; the others' maps have out's size.
void correlate_separable(const Array &x, const Array &first, const Array &second, const Output &out, const Maps &maps,
                         std::pair<int, int> axes, nb::handle fill, double bound) {
    const int ndim = int(x.ndim()), a = axes.first, b = axes.second;
    need(0 <= a && a < b && b < ndim, "correlate: need two axes in order");
    SeparableJob job{prepare(x, out, maps, fill, bound, max_separable_block, {a, b}), nullptr, nullptr, 0, a};
    need(job.correlation.axes[job.correlation.count - 1].source == b,
         "correlate: axes after the second must be contiguous, and 4096 scalars or fewer");
    need(first.ndim() == 2 && second.ndim() == 2 && first.shape(0) == second.shape(0) && first.shape(0) > 0 &&
             first.shape(0) <= max_rank,
         "correlate: factors are (rank, weights), of one rank, at most 16");
    for (int d = 0; d < ndim; ++d) {
        const size_t size = d == a ? first.shape(1) : d == b ? second.shape(1) : 1;
        need(size > 0 && maps[size_t(d)].at.size() == out.shape(size_t(d)) + size - 1,
             "correlate: a map must have out + kernel - 1 entries");
    }
    job.rank = int64_t(first.shape(0));
    const Packed down(first, job.correlation), along(second, job.correlation);
    job.first = down.data(), job.second = along.data();
    if (out.size() == 0)
        return; // the kernels divide by widths
    call(kernels().separable, job, [&] { return Extents::List{reads(x), writes(out), down.extent(), along.extent()}; });
}

} // namespace

void bind_correlate(nb::module_ &m) {
    const double unbounded = std::numeric_limits<double>::infinity();
    bind_class<Maps>(m, "Maps", [](auto maps) { maps.def(nb::init<const std::vector<Integers> &>(), "maps"_a); });
    m.def("correlate_direct", &correlate_direct, "x"_a, "kernel"_a, "out"_a, "maps"_a, "fill"_a = 0,
          "bound"_a = unbounded);
    m.def("correlate_sparse", &correlate_sparse, "x"_a, "offsets"_a, "weights"_a, "out"_a, "maps"_a, "fill"_a = 0,
          "bound"_a = unbounded);
    m.def("correlate_separable", &correlate_separable, "x"_a, "first"_a, "second"_a, "out"_a, "maps"_a, "axes"_a,
          "fill"_a = 0, "bound"_a = unbounded);
}

} // namespace convolens
