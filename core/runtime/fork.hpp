// Locks that a forked child finds open.
//
// A child has one thread, the one that forked. A lock that another held at that moment would never be opened there, so
// whoever forks takes them all before, and opens them on both sides.
#pragma once
#include <mutex>

namespace convolens {

// Never goes; no thread may hold one of them while it asks for another.
class ForkSafeMutex : public std::mutex {
public:
    ForkSafeMutex();
};

void in_forked_child(void (*act)()); // is called in every child, before its locks are open

} // namespace convolens
