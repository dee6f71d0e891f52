// The OpenMP threads that torch brought along.
//
// Two sets of threads on the same cores hurt each other: OpenMP's workers go on spinning for milliseconds after each of
// torch's operators, on the core that ours would take. Where torch is loaded, the core's tasks run on its threads.
#pragma once
#include <cstdint>
#include <string>

namespace convolens {

// One OpenMP library in this process: GCC's (libgomp), LLVM's (libomp) or Intel's (libiomp).
class OpenMP {
public:
    explicit OpenMP(const std::string &linked_by); // or the path of the library itself
    OpenMP() = default;

    bool runs() const { return number_ && (fork_ || parallel_); }
    // Calls body(context) on up to `threads` threads of a parallel region, the caller's among them.
    void run(void (*body)(void *), void *context, int threads) const;
    int thread_number() const { return number_(); } // of the calling thread within the region
    const std::string &path() const { return path_; }

private:
    // Entries that compilers call. GCC's are in all three but on Windows, LLVM's in libomp and libiomp everywhere.
    struct Place;
    using Micro = void (*)(int32_t *, int32_t *, void (*body)(void *), void *context);
    using Parallel = void (*)(void (*body)(void *), void *context, unsigned threads, unsigned flags);
    using Fork = void (*)(Place *, int32_t arguments, Micro, ...);
    using Global = int32_t (*)(Place *);
    using Push = void (*)(Place *, int32_t global, int32_t threads);
    using Number = int (*)();

    Parallel parallel_ = nullptr;
    Fork fork_ = nullptr;
    Global global_ = nullptr;
    Push push_ = nullptr;
    Number number_ = nullptr;
    std::string path_;
};

OpenMP openmp_of_torch(); // one that does not run, where there is none

} // namespace convolens
