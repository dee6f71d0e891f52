// A small pool of threads shared by all kernels.
//
// for_each(tasks, body, context) calls body(context, task, slot) once for every task in [0, tasks), on the caller and
// the pool's workers. `slot` is below threads() and names the thread, so that it can index scratch memory. Each thread
// begins at a part of its own and then helps the others, so results must not depend on which thread takes which task:
// then 1, 2 and 4 threads give the same bits. A second caller that finds the pool busy runs its tasks alone. A forked
// child starts with a fresh pool. share_threads() makes torch's threads the workers, where torch is loaded (openmp.hpp
// says why).
#pragma once
#include <cstdint>

namespace convolens {

using Body = void (*)(void *context, int64_t task, int slot);

void for_each(int64_t tasks, Body body, void *context);

// The same for a lambda: parallel(tasks, [&](int64_t task, int slot) { ... }).
template <class F> void parallel(int64_t tasks, const F &f) {
    for_each(
        tasks, [](void *context, int64_t task, int slot) { (*static_cast<const F *>(context))(task, slot); },
        const_cast<F *>(&f));
}

int threads();
void set_threads(int count);
const char *share_threads(); // the path of the OpenMP library that they are of, empty where torch has none
constexpr int max_threads = 256;

} // namespace convolens
