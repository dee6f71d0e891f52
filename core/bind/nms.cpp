// The binding of non-maximum suppression. Sizes are checked here; what the numbers mean, in Python.
#include "runtime/nms.hpp"
#include "bind/bind.hpp"

namespace convolens {
namespace {

using Scores = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Kept = nb::ndarray<int64_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using KeptScores = nb::ndarray<float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void suppress(const Scores &scores, const Scores &boxes, float threshold, float iou, float sigma, const Kept &kept,
              const KeptScores &kept_scores, const Counts &counts) {
    need(boxes.shape(0) == scores.shape(0) && boxes.shape(1) == scores.shape(1) && boxes.shape(2) == 4, "nms: boxes");
    need(kept.shape(0) == scores.shape(0) && kept.shape(1) == scores.shape(2) && kept.shape(2) > 0, "nms: kept");
    for (int axis = 0; axis < 3; ++axis)
        need(kept_scores.shape(axis) == kept.shape(axis), "nms: kept scores");
    need(counts.shape(0) == kept.shape(0) && counts.shape(1) == kept.shape(1), "nms: counts");
    const NmsJob job{scores.data(),
                     boxes.data(),
                     int64_t(scores.shape(0)),
                     int64_t(scores.shape(1)),
                     int64_t(scores.shape(2)),
                     threshold,
                     iou,
                     sigma,
                     int64_t(kept.shape(2)),
                     kept.data(),
                     kept_scores.data(),
                     counts.data()};
    nb::gil_scoped_release release;
    nms(job);
}

} // namespace

void bind_nms(nb::module_ &m) {
    m.def("nms", &suppress, "scores"_a, "boxes"_a, "threshold"_a, "iou"_a, "sigma"_a, "kept"_a, "kept_scores"_a,
          "counts"_a);
}

} // namespace convolens
