// The door between Python and the kernels: reads pointers, sizes and strides from arrays, releases the GIL, calls.
// Arguments were checked in Python, where the errors are worded; here only what would corrupt memory is checked again.
#include "kernels.hpp"
#include "memory.hpp"
#include "threads.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <stdexcept>

namespace nb = nanobind;
using namespace nb::literals;

namespace convolens {
namespace {

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using Output = nb::ndarray<nb::device::cpu>;
using Map = nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void need(bool condition, const char *what) {
    if (!condition)
        throw std::invalid_argument(what);
}

// `bytes` bytes of reused memory as a uint8 array, which gives them back when its last view is gone.
nb::ndarray<nb::numpy, uint8_t, nb::ndim<1>> block(size_t bytes) {
    void *at = take_block(bytes);
    return {at, {bytes}, nb::capsule(at, [](void *p) noexcept { give_block(p); })};
}

Dtype picture_dtype(const Array &array) {
    if (array.dtype() == nb::dtype<uint8_t>())
        return Dtype::u8;
    if (array.dtype() == nb::dtype<uint16_t>())
        return Dtype::u16;
    if (array.dtype() == nb::dtype<float>())
        return Dtype::f32;
    need(array.dtype() == nb::dtype<double>(), "gradient: dtype");
    return Dtype::f64;
}

void check_map(const Map &map, int64_t size) {
    need(int64_t(map.size()) == size + 2, "gradient: map length");
    for (size_t i = 0; i < map.size(); ++i)
        need(map.data()[i] >= -1 && map.data()[i] < size, "gradient: map entry");
}

// image (rows, columns, channels), rows contiguous. One output: the magnitude; two: gx and gy.
void gradient(const Array &image, const Map &row_map, const Map &column_map, double fill, double side, double middle,
              const Output &first, std::optional<Output> second) {
    need(image.ndim() == 3, "gradient: rank");
    GradientJob job{};
    job.dtype = picture_dtype(image);
    job.image = image.data();
    job.rows = image.shape(0), job.columns = image.shape(1), job.channels = image.shape(2);
    job.row_stride = image.stride(0);
    need(image.stride(2) == 1 && image.stride(1) == job.channels, "gradient: rows must be contiguous");
    check_map(row_map, job.rows), check_map(column_map, job.columns);
    job.row_map = row_map.data(), job.column_map = column_map.data();
    job.fill = fill, job.side = side, job.middle = middle;

    const auto wanted = job.dtype == Dtype::f64 ? nb::dtype<double>() : nb::dtype<float>();
    auto check = [&](const Output &out) {
        need(out.ndim() == 3 && out.dtype() == wanted && out.shape(0) == image.shape(0) &&
                 out.shape(1) == image.shape(1) && out.shape(2) == image.shape(2) && out.stride(2) == 1 &&
                 out.stride(1) == job.channels && out.stride(0) == job.columns * job.channels,
             "gradient: output");
    };
    check(first);
    if (second) {
        check(*second);
        job.gx = first.data(), job.gy = second->data();
    } else {
        job.magnitude = first.data();
    }
    nb::gil_scoped_release release;
    kernels().gradient(job);
}

} // namespace
} // namespace convolens

namespace convolens {
void bind_correlation(nb::module_ &m); // bind_correlation.cpp
void bind_layers(nb::module_ &m);      // bind_layers.cpp
void bind_nms(nb::module_ &m);         // bind_nms.cpp
void bind_resample(nb::module_ &m);    // bind_resample.cpp
} // namespace convolens

NB_MODULE(_core, m) {
    using namespace convolens;
    m.doc() = "Inner loops: memory in, memory out, no policy. Wrapped by the package; not public.";
    kernels(); // a set that cannot run here is an error now, not at the first call
    m.def("threads", &threads);
    m.def("share_threads", &share_threads);
    m.def("set_threads", &set_threads, "count"_a);
    m.def("instruction_set", [] { return std::string(kernels().name); });
    m.def("instruction_sets", [] { return std::string(instruction_sets()); });
    m.def("use_instruction_set", [](const std::string &name) { return use_instruction_set(name.c_str()); }, "name"_a);
    m.def("block", &block, "size"_a);
    m.def("set_kept_limit", &set_kept_limit, "size"_a);
    m.def("kept_bytes", &kept_bytes);
    m.def("gradient", &gradient, "image"_a, "row_map"_a, "column_map"_a, "fill"_a, "side"_a, "middle"_a, "first"_a,
          "second"_a = nb::none());
    bind_correlation(m);
    bind_layers(m);
    bind_nms(m);
    bind_resample(m);
}
