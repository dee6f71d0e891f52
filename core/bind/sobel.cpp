// The binding of Sobel's filter and its relatives.
#include "bind/bind.hpp"

#include <nanobind/stl/optional.h>

namespace convolens {
namespace {

using Map = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void check_map(const Map &map, int64_t size) {
    need(int64_t(map.size()) == size + 2, "sobel: map length");
    for (size_t i = 0; i < map.size(); ++i)
        need(map.data()[i] >= -1 && map.data()[i] < size, "sobel: map entry");
}

// image (rows, columns, channels), rows contiguous. One output: the magnitude; two: gx and gy.
void sobel(const Array &image, const Map &row_map, const Map &column_map, double fill, double side, double middle,
           const Output &first, std::optional<Output> second) {
    need(image.ndim() == 3, "sobel: rank");
    SobelJob job{};
    job.scalar = picture_scalar(image, "sobel: dtype");
    job.image = image.data();
    job.rows = image.shape(0), job.columns = image.shape(1), job.channels = image.shape(2);
    job.row_stride = image.stride(0);
    need(image.stride(2) == 1 && image.stride(1) == job.channels, "sobel: rows must be contiguous");
    check_map(row_map, job.rows), check_map(column_map, job.columns);
    job.row_map = row_map.data(), job.column_map = column_map.data();
    job.fill = fill, job.side = side, job.middle = middle;

    const auto wanted = job.scalar == Scalar::f64 ? nb::dtype<double>() : nb::dtype<float>();
    auto check = [&](const Output &out) {
        need(out.ndim() == 3 && out.dtype() == wanted && out.shape(0) == image.shape(0) &&
                 out.shape(1) == image.shape(1) && out.shape(2) == image.shape(2) && out.stride(2) == 1 &&
                 out.stride(1) == job.channels && out.stride(0) == job.columns * job.channels,
             "sobel: output");
    };
    check(first);
    if (second) {
        check(*second);
        job.gx = first.data(), job.gy = second->data();
    } else {
        job.magnitude = first.data();
    }
    call(kernels().sobel, job,
         [&] { return Extents::List{reads(image), writes(first), second ? writes(*second) : Extent{}}; });
}

} // namespace

void bind_sobel(nb::module_ &m) {
    m.def("sobel", &sobel, "image"_a, "row_map"_a, "column_map"_a, "fill"_a, "side"_a, "middle"_a, "first"_a,
          "second"_a = nb::none());
}

} // namespace convolens
