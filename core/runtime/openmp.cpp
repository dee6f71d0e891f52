#include "runtime/openmp.hpp"
#include "runtime/platform.hpp"

#include <string_view>

namespace convolens {
namespace {

std::string_view file_name(std::string_view path) { return path.substr(path.find_last_of("/\\") + 1); }

template <class Function> void find(Function &found, const std::string &library, const char *name) {
    found = reinterpret_cast<Function>(function_in(library, name));
}

} // namespace

// What LLVM's compilers tell of the place in the source: kmp.h of its OpenMP runtime, ident_t.
struct OpenMP::Place {
    int32_t reserved_1 = 0;
    int32_t flags = 2; // from a compiler of that family
    int32_t reserved_2 = 0, reserved_3 = 0;
    const char *source = ";core;for_each;0;0;;";
};

OpenMP::OpenMP(const std::string &linked_by) {
    find(number_, linked_by, "omp_get_thread_num");
    find(global_, linked_by, "__kmpc_global_thread_num");
    find(push_, linked_by, "__kmpc_push_num_threads");
    if (global_ && push_)
        find(fork_, linked_by, "__kmpc_fork_call");
    find(parallel_, linked_by, "GOMP_parallel");
    if (runs())
        path_ = library_of(reinterpret_cast<void *>(number_));
}

void OpenMP::run(void (*body)(void *), void *context, int threads) const {
    if (!fork_)
        return parallel_(body, context, unsigned(threads), 0);
    Place place;
    push_(&place, global_(&place), threads);
    const Micro micro = [](int32_t *, int32_t *, void (*body)(void *), void *context) { body(context); };
    fork_(&place, 2, micro, body, context);
}

// Whatever torch was linked with, wherever it lies: other packages bring libraries of the same names along, with
// threads of their own. Windows looks for a function in one library alone; there only one of these is ever in a
// process.
OpenMP openmp_of_torch() {
    bool has_torch = false;
    const auto libraries = loaded_libraries();
    for (const std::string &path : libraries)
        for (const char *name : {"libtorch_cpu.", "torch_cpu."})
            if (file_name(path).starts_with(name)) {
                has_torch = true;
                if (const OpenMP found(path); found.runs())
                    return found;
            }
    for (const std::string &path : libraries)
        for (const char *name : {"libiomp5md.dll", "libomp140.x86_64.dll", "libomp.dll"})
            if (has_torch && file_name(path) == name)
                if (const OpenMP found(path); found.runs())
                    return found;
    return {};
}

} // namespace convolens
