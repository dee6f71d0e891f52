#include "runtime/openmp.hpp"

#if defined(__linux__)
#include <dlfcn.h>
#include <link.h>

#include <cstring>
#include <string>
#endif

namespace convolens {

#if defined(__linux__)
TorchThreads torch_threads() {
    std::string path;
    dl_iterate_phdr(
        [](dl_phdr_info *info, size_t, void *found) {
            const char *name = info->dlpi_name;
            if (!name || !std::strstr(name, "libgomp") || !std::strstr(name, "/torch/"))
                return 0;
            *static_cast<std::string *>(found) = name;
            return 1;
        },
        &path);
    void *library = path.empty() ? nullptr : dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (!library)
        return {};
    return {reinterpret_cast<Parallel>(dlsym(library, "GOMP_parallel")),
            reinterpret_cast<ThreadNumber>(dlsym(library, "omp_get_thread_num"))};
}
#else
TorchThreads torch_threads() { return {}; }
#endif

} // namespace convolens
