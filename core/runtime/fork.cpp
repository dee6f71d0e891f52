#include "runtime/fork.hpp"
#include "runtime/platform.hpp"

#include <vector>

namespace convolens {
namespace {

struct Fork {
    std::mutex lock; // of these lists; taken first
    std::vector<std::mutex *> held;
    std::vector<void (*)()> acts;

    void take() {
        lock.lock();
        for (std::mutex *one : held)
            one->lock();
    }

    void open() {
        for (std::mutex *one : held)
            one->unlock();
        lock.unlock();
    }
};

Fork &fork_state() {
    static Fork *const one = [] { // never destroyed: a process may fork while it exits
        Fork *made = new Fork;
        at_fork([] { fork_state().take(); }, [] { fork_state().open(); },
                [] {
                    for (void (*act)() : fork_state().acts)
                        act();
                    fork_state().open();
                });
        return made;
    }();
    return *one;
}

} // namespace

ForkSafeMutex::ForkSafeMutex() {
    Fork &state = fork_state();
    std::lock_guard guard(state.lock);
    state.held.push_back(this);
}

void in_forked_child(void (*act)()) {
    Fork &state = fork_state();
    std::lock_guard guard(state.lock);
    state.acts.push_back(act);
}

} // namespace convolens
