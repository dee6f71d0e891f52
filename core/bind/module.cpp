// The module: instruction sets, threads and pooled memory; the kernels' bindings have a file each.
#include "bind/bind.hpp"
#include "runtime/memory.hpp"
#include "runtime/threads.hpp"

#include <nanobind/stl/string.h>

#include <string>

namespace convolens {
namespace {

// `bytes` bytes of pooled memory as a uint8 array, which releases them when its last view is gone.
nb::ndarray<nb::numpy, uint8_t, nb::ndim<1>> pooled(size_t bytes) {
    void *at = take_block(bytes);
    return {at, {bytes}, nb::capsule(at, [](void *p) noexcept { release_block(p); })};
}

} // namespace
} // namespace convolens

NB_MODULE(_core, m) {
    using namespace convolens;
    m.doc() = "Inner loops: memory in, memory out, no policy. Wrapped by the package; not public.";
    // Static memory, threads and NumPy itself are the process's; 3.12 and later refuse by themselves. By its number,
    // which is 0 for the main one, as PyInterpreterState_Main is not in the stable ABI.
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0)
        throw nb::import_error("convolens: need the main interpreter, got a sub-interpreter; use threads or processes");
    kernels(); // a set that cannot run here is an error now, not at the first call
    m.def("instruction_set", [] { return std::string(kernels().name); });
    m.def("instruction_sets", [] { return std::string(instruction_sets()); });
    m.def("use_instruction_set", [](const std::string &name) { return use_instruction_set(name.c_str()); }, "name"_a);
    m.def("checks_extents", &checks_extents);
    m.def("threads", &threads);
    m.def("share_threads", &share_threads);
    m.def("set_threads", &set_threads, "count"_a);
    m.def("pooled", &pooled, "size"_a);
    m.def("set_pool_limit", &set_pool_limit, "size"_a);
    m.def("pooled_bytes", &pooled_bytes);
    m.def("expect_as_much_again", &expect_as_much_again);
    bind_correlate(m);
    bind_layers(m);
    bind_nms(m);
    bind_outer(m);
    bind_program(m);
    bind_resample(m);
    bind_sobel(m);
    bind_spectrum(m);
    bind_stream(m);
}
