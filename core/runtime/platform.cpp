#include "runtime/platform.hpp"

#include <cstdlib>
#include <thread>

#if defined(_WIN32)
#define NOMINMAX
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <malloc.h>
#include <psapi.h>

#include <bit>
#else
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#if defined(__APPLE__)
#include <mach-o/dyld.h>
#else
#include <link.h>
#endif
#endif

namespace convolens {

#if defined(_WIN32)

void *map_pages(size_t bytes) { return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE); }

void unmap_pages(void *at, size_t) { VirtualFree(at, 0, MEM_RELEASE); }

void *fenced_pages(size_t bytes, size_t page) {
    DWORD before;
    char *const all =
        static_cast<char *>(VirtualAlloc(nullptr, bytes + 2 * page, MEM_RESERVE | MEM_COMMIT, PAGE_NOACCESS));
    return all && (!bytes || VirtualProtect(all + page, bytes, PAGE_READWRITE, &before)) ? all : nullptr;
}

void *allocate_aligned(size_t bytes) { return _aligned_malloc(bytes, 64); }

void free_aligned(void *at) { _aligned_free(at); }

void at_fork(void (*)(), void (*)(), void (*)()) {}

int cores_of_this_process() {
    DWORD_PTR of_process = 0, of_system = 0; // of its group of at most 64 processors
    return GetProcessAffinityMask(GetCurrentProcess(), &of_process, &of_system) ? std::popcount(of_process) : 0;
}

std::vector<std::string> loaded_libraries() {
    std::vector<HMODULE> modules(1024);
    DWORD bytes = 0;
    if (!EnumProcessModules(GetCurrentProcess(), modules.data(), DWORD(modules.size() * sizeof(HMODULE)), &bytes))
        return {};
    if (bytes / sizeof(HMODULE) < modules.size())
        modules.resize(bytes / sizeof(HMODULE));
    std::vector<std::string> paths;
    for (HMODULE one : modules) {
        char path[MAX_PATH];
        if (const DWORD length = GetModuleFileNameA(one, path, MAX_PATH); length && length < MAX_PATH)
            paths.emplace_back(path, length);
    }
    return paths;
}

void *function_in(const std::string &library, const char *name) {
    const HMODULE module = GetModuleHandleA(library.c_str());
    return module ? reinterpret_cast<void *>(GetProcAddress(module, name)) : nullptr;
}

std::string library_of(void *function) {
    HMODULE module = nullptr;
    char path[MAX_PATH];
    constexpr DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (!GetModuleHandleExA(flags, static_cast<const char *>(function), &module))
        return {};
    return {path, GetModuleFileNameA(module, path, MAX_PATH)};
}

Stack stack_of_this_thread() {
    ULONG_PTR low = 0, high = 0;
    GetCurrentThreadStackLimits(&low, &high);
    return {reinterpret_cast<const void *>(low), int64_t(high - low)};
}

#else // Linux and macOS

void *map_pages(size_t bytes) {
    void *const all = mmap(nullptr, bytes + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return nullptr;
    char *const from = static_cast<char *>(all);
    const size_t before = (huge_page - uintptr_t(from) % huge_page) % huge_page;
    if (before)
        munmap(from, before);
    munmap(from + before + bytes, huge_page - before);
#if defined(MADV_HUGEPAGE)
    madvise(from + before, bytes, MADV_HUGEPAGE); // advice: a refusal costs only speed
#endif
    return from + before;
}

void unmap_pages(void *at, size_t bytes) { munmap(at, bytes); }

void *fenced_pages(size_t bytes, size_t page) {
    void *const all = mmap(nullptr, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return nullptr;
    const bool opened = !bytes || mprotect(static_cast<char *>(all) + page, bytes, PROT_READ | PROT_WRITE) == 0;
    return opened ? all : nullptr;
}

void *allocate_aligned(size_t bytes) { return std::aligned_alloc(64, bytes); }

void free_aligned(void *at) { std::free(at); }

void at_fork(void (*before)(), void (*in_parent)(), void (*in_child)()) { pthread_atfork(before, in_parent, in_child); }

int cores_of_this_process() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
#endif
    return 0; // macOS binds no process to cores
}

std::vector<std::string> loaded_libraries() {
    std::vector<std::string> paths;
#if defined(__APPLE__)
    for (uint32_t at = 0; at < _dyld_image_count(); ++at)
        if (const char *path = _dyld_get_image_name(at)) // null for one that goes meanwhile
            paths.emplace_back(path);
#else
    dl_iterate_phdr(
        [](dl_phdr_info *info, size_t, void *found) {
            if (info->dlpi_name && *info->dlpi_name)
                static_cast<std::vector<std::string> *>(found)->emplace_back(info->dlpi_name);
            return 0;
        },
        &paths);
#endif
    return paths;
}

void *function_in(const std::string &library, const char *name) {
    void *const handle = dlopen(library.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (!handle)
        return nullptr;
    void *const found = dlsym(handle, name);
    dlclose(handle); // counted down only: it was loaded before
    return found;
}

std::string library_of(void *function) {
    Dl_info info;
    return dladdr(function, &info) && info.dli_fname ? info.dli_fname : "";
}

Stack stack_of_this_thread() {
#if defined(__APPLE__)
    const size_t bytes = pthread_get_stacksize_np(pthread_self());
    return {static_cast<char *>(pthread_get_stackaddr_np(pthread_self())) - bytes, int64_t(bytes)};
#else
    pthread_attr_t attributes;
    void *at = nullptr;
    size_t bytes = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &at, &bytes);
        pthread_attr_destroy(&attributes);
    }
    return {at, int64_t(bytes)};
#endif
}

#endif

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
}

} // namespace convolens
