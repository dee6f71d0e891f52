// What memory a call may touch, checked in a build with -DCONVOLENS_CHECK_EXTENTS=ON. In others nothing of it remains.
//
// A binding lists the arrays it was given for as long as its kernel runs. The kernels' loads and stores say what they
// are about to touch, on any thread: what lies neither in one of these arrays (a written one, if it is a store), nor in
// the scratch that was asked for, nor on the thread's stack is an error. The sanitizers see less: not a view's end, nor
// one array's end in a block that holds several, nor memory that is pooled.
#pragma once
#include <cstddef>
#include <cstdint>

#if CONVOLENS_CHECK_EXTENTS
#include <vector>
#endif

namespace convolens {

struct Extent {
    const void *begin;
    int64_t bytes; // 0 where there is no array
    bool written;
};

#if CONVOLENS_CHECK_EXTENTS

constexpr bool checks_extents() { return true; }

[[gnu::access(none, 1)]]                                         // it reads nothing there itself
void check_touched(const void *at, int64_t bytes, bool written); // throws std::out_of_range

// The arrays of the call in progress, until this object goes.
class Extents {
public:
    using List = std::vector<Extent>;
    template <class F> explicit Extents(const F &list) : Extents(list()) {}
    explicit Extents(List list);
    ~Extents();
    Extents(const Extents &) = delete;

    List list;

private:
    Extents *outer_;
};

// The extents of the thread that makes a job, for those that work on it.
class InheritedExtents {
public:
    InheritedExtents();
    Extents *enter() const; // returns those that were in force, to be given to leave()
    static void leave(Extents *before);

private:
    Extents *inherited_;
};

void scratch_was_asked_for(bool shared, const void *at, int64_t bytes);

#else

constexpr bool checks_extents() { return false; }

struct [[maybe_unused]] Extents {
    struct List {
        template <class... E> List(const E &...) {}
    };

    template <class F> explicit Extents(const F &) {}
};

struct InheritedExtents {
    void *enter() const { return nullptr; }
    static void leave(void *) {}
};

inline void check_touched(const void *, int64_t, bool) {}
inline void scratch_was_asked_for(bool, const void *, int64_t) {}

#endif

} // namespace convolens
