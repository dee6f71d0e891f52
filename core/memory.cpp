#include "memory.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <list>
#include <mutex>
#include <new>
#include <unordered_map>

namespace convolens {
namespace {

constexpr size_t huge_page = size_t(2) << 20;
constexpr size_t default_limit = size_t(512) << 20;

struct Block {
    void *at;
    size_t bytes;
};

struct Shelf {
    std::mutex lock;
    std::list<Block> kept; // the most recently given first
    std::unordered_map<void *, size_t> lent;
    size_t bytes = 0, limit = default_limit;

    void trim() {
        while (bytes > limit) {
            bytes -= kept.back().bytes;
            std::free(kept.back().at);
            kept.pop_back();
        }
    }
};

Shelf &shelf() {
    static Shelf *const one = new Shelf; // never destroyed: arrays may outlive the interpreter's exit
    return *one;
}

} // namespace

void *take_block(size_t bytes) {
    const size_t size = (bytes + huge_page - 1) / huge_page * huge_page;
    Shelf &s = shelf();
    std::lock_guard guard(s.lock);
    for (auto block = s.kept.begin(); block != s.kept.end(); ++block)
        if (block->bytes >= size && block->bytes <= size + size / 4) { // not so large as to waste it
            void *at = block->at;
            s.lent.emplace(at, block->bytes);
            s.bytes -= block->bytes;
            s.kept.erase(block);
            return at;
        }
    void *at = std::aligned_alloc(huge_page, size);
    if (!at)
        throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    madvise(at, size, MADV_HUGEPAGE); // advice: a refusal costs only speed
#endif
    s.lent.emplace(at, size);
    return at;
}

void give_block(void *at) {
    Shelf &s = shelf();
    std::lock_guard guard(s.lock);
    const auto entry = s.lent.find(at);
    s.kept.push_front({at, entry->second});
    s.bytes += entry->second;
    s.lent.erase(entry);
    s.trim();
}

void set_kept_limit(size_t bytes) {
    Shelf &s = shelf();
    std::lock_guard guard(s.lock);
    s.limit = bytes;
    s.trim();
}

size_t kept_bytes() {
    Shelf &s = shelf();
    std::lock_guard guard(s.lock);
    return s.bytes;
}

} // namespace convolens
