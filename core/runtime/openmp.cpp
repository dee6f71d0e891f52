#include "runtime/openmp.hpp"

#if defined(__linux__)
#include <dlfcn.h>
#include <link.h>

#include <cstring>
#include <string>
#endif

namespace convolens {

#if defined(__linux__)
Parallel torch_parallel() {
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
    return library ? reinterpret_cast<Parallel>(dlsym(library, "GOMP_parallel")) : nullptr;
}
#else
Parallel torch_parallel() { return nullptr; }
#endif

} // namespace convolens
