#include "threads.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

namespace convolens {
namespace {

// One job at a time: its fields are written by the caller before `generation` moves and read by workers after.
struct Pool {
    std::vector<std::thread> workers;
    std::mutex busy;
    std::atomic<uint32_t> generation{0};
    std::atomic<int64_t> next{0};
    std::atomic<int> running{0};
    std::atomic<bool> stopping{false};
    int64_t tasks = 0;
    Body body = nullptr;
    void *context = nullptr;

    void work(int slot) {
        for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;)
            body(context, task, slot);
    }

    void loop(int slot, uint32_t seen) {
        for (;;) {
            // A short spin catches the next of many small calls; then sleep, so as not to take the core from torch.
            for (int spin = 0; spin < 2000 && generation.load(std::memory_order_acquire) == seen; ++spin)
#if defined(__x86_64__)
                __builtin_ia32_pause();
#else
                std::this_thread::yield();
#endif
            generation.wait(seen, std::memory_order_acquire);
            seen = generation.load(std::memory_order_acquire);
            if (stopping.load(std::memory_order_acquire))
                return;
            work(slot);
            if (running.fetch_sub(1, std::memory_order_acq_rel) == 1)
                running.notify_one();
        }
    }

    void resize(int count) {
        stop();
        for (int slot = 1; slot < count; ++slot)
            workers.emplace_back([this, slot, seen = generation.load()] { loop(slot, seen); });
    }

    void stop() {
        stopping = true;
        generation.fetch_add(1, std::memory_order_release);
        generation.notify_all();
        for (auto &worker : workers)
            worker.join();
        workers.clear();
        stopping = false;
    }

    void run(int64_t count, Body function, void *argument) {
        tasks = count;
        body = function;
        context = argument;
        next.store(0, std::memory_order_relaxed);
        running.store(int(workers.size()), std::memory_order_relaxed);
        generation.fetch_add(1, std::memory_order_release);
        generation.notify_all();
        work(0);
        for (int left; (left = running.load(std::memory_order_acquire)) != 0;)
            running.wait(left, std::memory_order_acquire);
    }
};

int cores_of_this_process() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return std::clamp(CPU_COUNT(&set), 1, max_threads);
#endif
    return std::clamp(int(std::thread::hardware_concurrency()), 1, max_threads);
}

int initial_threads() {
    if (const char *text = std::getenv("CONVOLENS_THREADS"))
        if (int count = std::atoi(text); count >= 1)
            return std::min(count, max_threads);
    return cores_of_this_process();
}

std::atomic<int> wanted{initial_threads()};
Pool *pool = nullptr; // never destroyed: a worker may outlive the interpreter's exit
std::mutex making;

Pool *the_pool() {
    std::lock_guard lock(making);
    if (!pool) {
        pool = new Pool;
        static std::once_flag once; // in a forked child the workers are gone: forget the pool, keep its memory
        std::call_once(once, [] {
            pthread_atfork([] { making.lock(); }, [] { making.unlock(); },
                           [] {
                               pool = nullptr;
                               making.unlock();
                           });
        });
    }
    return pool;
}

} // namespace

int threads() { return wanted; }

void set_threads(int count) { wanted = std::clamp(count, 1, max_threads); }

void for_each(int64_t tasks, Body body, void *context) {
    const int count = wanted;
    if (tasks > 1 && count > 1) {
        Pool *p = the_pool();
        std::unique_lock lock(p->busy, std::try_to_lock);
        if (lock) {
            if (int(p->workers.size()) != count - 1)
                p->resize(count);
            p->run(tasks, body, context);
            return;
        }
    }
    for (int64_t task = 0; task < tasks; ++task)
        body(context, task, 0);
}

} // namespace convolens
