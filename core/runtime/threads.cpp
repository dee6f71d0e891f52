#include "runtime/threads.hpp"
#include "runtime/extents.hpp"
#include "runtime/fork.hpp"
#include "runtime/openmp.hpp"
#include "runtime/platform.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace convolens {
namespace {

using Clock = std::chrono::steady_clock;

// Neighbouring tasks, taken one by one.
struct alignas(64) Part { // a cache line each
    std::atomic<int64_t> next;
    int64_t end;
};

// The tasks of one call. Each thread has a part of its own, and who has done that helps the others with theirs.
//
// So a thread works on the same rows of a map in one layer and in the next, and in the next call: they are in its own
// caches. A depthwise layer takes a tenth less time.
struct Job {
    Body body;
    void *context;
    int count;                    // of parts
    std::exception_ptr failure{}; // the first
    std::mutex failing{};
    InheritedExtents extents{};
    Clock::time_point caller_done{};
    const OpenMP *openmp = nullptr; // whose threads do it; null for the pool's
    Part parts[max_threads];        // of which `count` are set

    Job(int64_t tasks, int threads, Body the_body, void *the_context)
        : body(the_body), context(the_context), count(int(std::min<int64_t>(threads, tasks))) {
        for (int at = 0; at < count; ++at) {
            parts[at].next.store(tasks * at / count, std::memory_order_relaxed);
            parts[at].end = tasks * (at + 1) / count;
        }
    }

    // A task that fails (for want of memory) ends the job; the caller gets its exception when all have left.
    void work(int slot) {
        auto *const before = extents.enter();
        try {
            for (int at = 0; at < count; ++at) {
                Part &part = parts[(slot + at) % count];
                for (int64_t task; (task = part.next.fetch_add(1, std::memory_order_relaxed)) < part.end;)
                    body(context, task, slot);
            }
        } catch (...) {
            for (int at = 0; at < count; ++at)
                parts[at].next.store(parts[at].end, std::memory_order_relaxed);
            std::lock_guard lock(failing);
            if (!failure)
                failure = std::current_exception();
        }
        extents.leave(before);
        if (slot == 0)
            caller_done = Clock::now();
    }
};

// One job at a time: it is set by the caller before it opens and read by workers that joined it.
//
// `state` holds how many workers are in the job, whether it is open to more, and its number. A caller that has done all
// tasks closes the job and waits for those who are in it, not for those still waking up: to wake a sleeping thread
// takes tens of microseconds, in which many a job is done.
struct Pool {
    static constexpr uint32_t one_inside = 1, all_inside = (1 << 10) - 1, open = 1 << 10, next_number = 1 << 11;

    std::vector<std::thread> workers;
    std::mutex busy;
    std::atomic<uint32_t> state{0}, finished{0};
    std::atomic<bool> stopping{false};
    Job *job = nullptr;
    int asked = 1; // threads last asked for; there may be fewer, where the system gives no more

    static uint32_t number(uint32_t s) { return s / next_number; }

    // Joins the first open job with a number other than `seen`; false if the pool stops.
    bool join(uint32_t &seen) {
        // A short spin catches the next of many small calls; then sleep, so as not to take the core from torch.
        for (int spin = 0;; ++spin) {
            uint32_t s = state.load(std::memory_order_acquire);
            if (stopping.load(std::memory_order_acquire))
                return false;
            if ((s & open) && number(s) != seen) {
                if (state.compare_exchange_weak(s, s + one_inside, std::memory_order_acq_rel)) {
                    seen = number(s);
                    return true;
                }
            } else if (spin < 2000) {
                relax();
            } else {
                state.wait(s, std::memory_order_acquire);
            }
        }
    }

    void loop(int slot, uint32_t seen) {
        while (join(seen)) {
            job->work(slot);
            const uint32_t s = state.fetch_sub(one_inside, std::memory_order_acq_rel);
            if (!(s & open) && (s & all_inside) == one_inside) { // the last to leave a closed job
                finished.fetch_add(1, std::memory_order_release);
                finished.notify_one();
            }
        }
    }

    void resize(int count) {
        stop();
        asked = count;
        try {
            for (int slot = 1; slot < count; ++slot)
                workers.emplace_back([this, slot, seen = number(state.load())] { loop(slot, seen); });
        } catch (const std::system_error &) { // those that there are do the work
        }
    }

    void stop() {
        stopping = true;
        state.fetch_add(next_number, std::memory_order_release);
        state.notify_all();
        for (auto &worker : workers)
            worker.join();
        workers.clear();
        stopping = false;
    }

    void run(Job &the_job) {
        job = &the_job;
        const uint32_t before = finished.load(std::memory_order_relaxed);
        state.fetch_add(next_number + open, std::memory_order_release);
        state.notify_all();
        job->work(0);
        if (state.fetch_and(~open, std::memory_order_acq_rel) & all_inside)
            finished.wait(before, std::memory_order_acquire);
    }
};

// OpenMP's own variable counts too: who runs several processes side by side sets it, and threads that wait for a core
// that another process has spin, at many times the cost of the work.
int initial_threads() {
    for (const char *name : {"CONVOLENS_THREADS", "OMP_NUM_THREADS"})
        if (const char *text = std::getenv(name))
            if (int count = std::atoi(text); count >= 1)
                return std::min(count, max_threads);
    const int cores = cores_of_this_process();
    return std::clamp(cores ? cores : int(std::thread::hardware_concurrency()), 1, max_threads);
}

// Whether another process is using our cores.
//
// Torch's threads begin and leave a job all together, so one whose core is taken holds up the rest for a time slice of
// several milliseconds, at every layer: beside one busy process ResNet50 took 2.8 to 5 times as long. The pool's caller
// waits only for those that have begun. So where torch's threads come late twice in a row the pool serves for a while.
class Crowding {
public:
    bool now() const { return ticks(Clock::now()) < until; }

    // A job of `tasks` on `threads` began, its caller had no more to do, and all had left, at these times.
    void learn(Clock::time_point began, Clock::time_point done, Clock::time_point left, int64_t tasks, int threads) {
        const auto task = (done - began) * threads / tasks; // one that was begun last keeps the caller waiting by right
        if (left - done < milliseconds(1) + 2 * task)
            return;
        if (ticks(left) - late.exchange(ticks(left)) < ticks_of(milliseconds(50)))
            until = ticks(left + milliseconds(1000));
    }

private:
    using milliseconds = std::chrono::milliseconds;
    static Clock::rep ticks(Clock::time_point at) { return at.time_since_epoch().count(); }
    static Clock::rep ticks_of(Clock::duration span) { return span.count(); }

    std::atomic<Clock::rep> late{0}, until{0};
};

Crowding crowding;
std::atomic<int> wanted{initial_threads()};
std::atomic<const OpenMP *> borrowed{nullptr}; // torch's threads; none in a forked child, where they are gone for good
Pool *pool = nullptr;                          // never destroyed: a worker may outlive the interpreter's exit
ForkSafeMutex making;

// In a forked child the workers are gone: the pool is forgotten, its memory kept.
const bool forgets_in_child = (in_forked_child([] {
                                   pool = nullptr;
                                   borrowed = nullptr;
                               }),
                               true);

Pool *the_pool() {
    std::lock_guard lock(making);
    if (!pool)
        pool = new Pool;
    return pool;
}

} // namespace

int threads() { return wanted; }

void set_threads(int count) { wanted = std::clamp(count, 1, max_threads); }

const char *share_threads() {
    const OpenMP found = openmp_of_torch();
    // Kept for ever: another thread may be at work with the one before.
    const OpenMP *const kept = found.runs() ? new OpenMP(found) : nullptr;
    borrowed = kept;
    return kept ? kept->path().c_str() : "";
}

void for_each(int64_t tasks, Body body, void *context) {
    const int count = wanted;
    Pool *p = tasks > 1 && count > 1 ? the_pool() : nullptr;
    std::unique_lock<std::mutex> lock;
    if (p)
        lock = std::unique_lock(p->busy, std::try_to_lock);
    if (!lock) {
        for (int64_t task = 0; task < tasks; ++task)
            body(context, task, 0);
        return;
    }
    Job job(tasks, count, body, context);
    if (const OpenMP *const openmp = borrowed; openmp && !crowding.now()) {
        job.openmp = openmp;
        const auto begin = Clock::now();
        openmp->run([](void *j) { static_cast<Job *>(j)->work(static_cast<Job *>(j)->openmp->thread_number()); }, &job,
                    count);
        crowding.learn(begin, job.caller_done, Clock::now(), tasks, count);
    } else {
        if (p->asked != count)
            p->resize(count);
        p->run(job);
    }
    if (job.failure)
        std::rethrow_exception(job.failure);
}

} // namespace convolens
