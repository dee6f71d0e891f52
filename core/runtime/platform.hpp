// All that the core asks of the operating system, with a way for each of Linux, macOS and Windows. No other file of the
// core includes a header of a system, but for processor.cpp on Linux.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace convolens {

// Pages straight from the system, all zeros, which go back to it when they are released; null where it has none left.
// They begin at a multiple of `huge_page` where the system has huge pages for the asking, else of a page.
constexpr size_t huge_page = size_t(2) << 20;
void *map_pages(size_t bytes); // a multiple of huge_page
void unmap_pages(void *at, size_t bytes);

// The same with a page before and one behind that nobody may touch: what goes past it ends the process. For tests.
void *fenced_pages(size_t bytes, size_t page); // from the first page on, bytes + 2 * page in all

// Memory of the C library at a multiple of 64 bytes; null where there is none left.
void *allocate_aligned(size_t bytes); // a multiple of 64
void free_aligned(void *at);

// Has `before` called when the process is about to fork, and then the others, each in the process of its name. Nothing
// of it is ever called on Windows, where processes are not forked.
void at_fork(void (*before)(), void (*in_parent)(), void (*in_child)());

int cores_of_this_process(); // that it may run on; 0 where the system does not say

// The paths of the shared libraries in this process, and a function of one of them, or of one that it was linked with
// where the system looks there too (not on Windows); null if there is none.
std::vector<std::string> loaded_libraries();
void *function_in(const std::string &library, const char *name);
std::string library_of(void *function); // its path; empty if it is unknown

struct Stack {
    const void *begin; // null where the system does not say
    int64_t bytes;
};
Stack stack_of_this_thread();

// Tells the processor that this thread waits for another.
void relax();

} // namespace convolens
