// The OpenMP threads that torch brought along.
//
// Two sets of threads on the same cores hurt each other: OpenMP's workers go on spinning for milliseconds after each of
// torch's operators, on the core that ours would take. Where torch is loaded, the core's tasks run on its threads.
#pragma once

namespace convolens {

using Parallel = void (*)(void (*body)(void *), void *context, unsigned threads, unsigned flags);
using ThreadNumber = int (*)();

// OpenMP's entry to a parallel region, and which of its threads the caller is, in the library that torch has loaded;
// null where there is none.
struct TorchThreads {
    Parallel parallel = nullptr;
    ThreadNumber number = nullptr;
};

TorchThreads torch_threads();

} // namespace convolens
