#include "runtime/extents.hpp"

#if CONVOLENS_CHECK_EXTENTS
#include "runtime/platform.hpp"

#include <stdexcept>
#include <string>
#include <utility>

namespace convolens {
namespace {

thread_local Extents *current = nullptr;
thread_local Extent own_scratch{};

Extent extent_of_stack() {
    const Stack stack = stack_of_this_thread();
    return {stack.begin, stack.bytes, true};
}

bool holds(const Extent &extent, const void *at, int64_t bytes) {
    const uintptr_t begin = uintptr_t(extent.begin), from = uintptr_t(at);
    return from >= begin && from + uintptr_t(bytes) <= begin + uintptr_t(extent.bytes);
}

} // namespace

Extents::Extents(List arrays) : list(std::move(arrays)), outer_(current) { current = this; }
Extents::~Extents() { current = outer_; }

InheritedExtents::InheritedExtents() : inherited_(current) {}
Extents *InheritedExtents::enter() const { return std::exchange(current, inherited_); }
void InheritedExtents::leave(Extents *before) { current = before; }

void scratch_was_asked_for(bool shared, const void *at, int64_t bytes) {
    if (!shared)
        own_scratch = {at, bytes, true};
    else if (current)
        current->list.push_back({at, bytes, true});
}

void check_touched(const void *at, int64_t bytes, bool written) {
    thread_local const Extent stack = extent_of_stack();
    if (bytes <= 0 || holds(own_scratch, at, bytes) || holds(stack, at, bytes))
        return;
    if (current)
        for (const Extent &extent : current->list)
            if ((extent.written || !written) && holds(extent, at, bytes))
                return;
    throw std::out_of_range("core: need a " + std::string(written ? "store" : "load") + " inside the arrays, got " +
                            std::to_string(bytes) + " bytes outside");
}

} // namespace convolens
#endif
