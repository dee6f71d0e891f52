// The binding of the resample kernel. Maps, windows and weights come from Python; here is checked that no window leaves
// its axis and no map its picture.
#include "bind/bind.hpp"

namespace convolens {
namespace {

using Indices = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using PhaseWeights = nb::ndarray<nb::ro, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

struct AxisArrays { // what Python hands over for one axis; keeps the arrays alive
    Indices map, first, phase;
    PhaseWeights weights;

    explicit AxisArrays(const nb::tuple &parts)
        : map(nb::cast<Indices>(parts[0])), first(nb::cast<Indices>(parts[1])), phase(nb::cast<Indices>(parts[2])),
          weights(nb::cast<PhaseWeights>(parts[3])) {}

    Windows checked(int64_t size, int64_t outputs, bool wide) const {
        const Windows w{map.data(),
                        first.data(),
                        phase.data(),
                        weights.data(),
                        int64_t(map.size()),
                        outputs,
                        int64_t(weights.shape(0)),
                        int64_t(weights.shape(1))};
        need(weights.dtype() == (wide ? nb::dtype<double>() : nb::dtype<float>()), "resample: dtype of weights");
        need(outputs > 0 && w.length > 0 && int64_t(first.size()) == outputs && int64_t(phase.size()) == outputs,
             "resample: windows");
        for (int64_t p = 0; p < w.padded; ++p)
            need(w.map[p] >= -1 && w.map[p] < size, "resample: map entry");
        for (int64_t i = 0; i < outputs; ++i) {
            need(w.first[i] >= (i ? w.first[i - 1] : 0) && w.first[i] + w.length <= w.padded, "resample: window");
            need(w.phase[i] >= 0 && w.phase[i] < w.phases, "resample: phase");
        }
        return w;
    }
};

// image (rows, columns, channels), rows contiguous; out (down's outputs, across' outputs, channels), contiguous.
void resample(const Array &image, const nb::tuple &down, const nb::tuple &across, const Output &out) {
    need(image.ndim() == 3 && out.ndim() == 3 && image.size() > 0, "resample: rank");
    ResampleJob job{};
    job.from = picture_scalar(image, "resample: dtype"), job.to = picture_scalar(out, "resample: dtype");
    const bool wide = job.from == Scalar::f64;
    need(wide == (job.to == Scalar::f64), "resample: float64 goes only with float64");
    job.image = image.data(), job.out = out.data();
    job.rows = image.shape(0), job.columns = image.shape(1), job.channels = image.shape(2);
    job.row_stride = image.stride(0);
    need((job.channels == 1 || image.stride(2) == 1) && (job.columns == 1 || image.stride(1) == job.channels),
         "resample: rows must be contiguous");
    need(int64_t(out.shape(2)) == job.channels, "resample: channels of the output");
    for (int64_t axis = 2, together = 1; axis >= 0; together *= int64_t(out.shape(axis--)))
        need(out.shape(axis) == 1 || out.stride(axis) == together, "resample: output must be contiguous");
    const AxisArrays vertical(down), horizontal(across);
    job.down = vertical.checked(job.rows, out.shape(0), wide);
    job.across = horizontal.checked(job.columns, out.shape(1), wide);
    call(kernels().resample, job,
         [&] { return Extents::List{reads(image), writes(out), reads(vertical.weights), reads(horizontal.weights)}; });
}

} // namespace

void bind_resample(nb::module_ &m) { m.def("resample", &resample, "image"_a, "down"_a, "across"_a, "out"_a); }

} // namespace convolens
