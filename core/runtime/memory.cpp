#include "runtime/memory.hpp"
#include "runtime/fork.hpp"

#include <sys/mman.h>

#include <chrono>
#include <cstdint>
#include <list>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>

namespace convolens {
namespace {

constexpr size_t huge_page = size_t(2) << 20;
constexpr size_t default_limit = size_t(512) << 20;

// What nobody asked for this long served other sizes or another model. A step that takes longer loses 3 % at most:
// 512 MB of fresh pages take 70 ms.
using Clock = std::chrono::steady_clock;
constexpr auto max_idle = std::chrono::seconds(3);

struct PooledBlock {
    void *at;
    size_t bytes;
    Clock::time_point since;
};

// Memory straight from the system, which gets it back as soon as it is released: malloc takes blocks below 32 MB from a
// heap, where what lies above them keeps it from shrinking.
void *map_block(size_t size) {
    void *const all = mmap(nullptr, size + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return nullptr;
    char *const from = static_cast<char *>(all);
    const size_t before = (huge_page - uintptr_t(from) % huge_page) % huge_page;
    if (before)
        munmap(from, before);
    munmap(from + before + size, huge_page - before);
    return from + before;
}

struct BlockPool {
    ForkSafeMutex lock;
    std::list<PooledBlock> pooled; // the most recently released first
    std::unordered_map<void *, size_t> lent;
    size_t bytes = 0, limit = default_limit;

    void trim() {
        const auto oldest = Clock::now() - max_idle;
        while (bytes > limit || (!pooled.empty() && pooled.back().since < oldest)) {
            bytes -= pooled.back().bytes;
            munmap(pooled.back().at, pooled.back().bytes);
            pooled.pop_back();
        }
    }
};

BlockPool &block_pool() {
    static BlockPool *const one = new BlockPool; // never destroyed: arrays may outlive the interpreter's exit
    return *one;
}

} // namespace

void *take_block(size_t bytes) {
    const size_t size = (bytes + huge_page - 1) / huge_page * huge_page;
    BlockPool &pool = block_pool();
    std::lock_guard guard(pool.lock);
    for (auto block = pool.pooled.begin(); block != pool.pooled.end(); ++block)
        if (block->bytes >= size && block->bytes <= size + size / 4) { // not so large as to waste it
            void *at = block->at;
            pool.lent.emplace(at, block->bytes);
            pool.bytes -= block->bytes;
            pool.pooled.erase(block);
            pool.trim();
            return at;
        }
    pool.trim();
    void *at = map_block(size);
    if (!at)
        throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    madvise(at, size, MADV_HUGEPAGE); // advice: a refusal costs only speed
#endif
    pool.lent.emplace(at, size);
    return at;
}

void release_block(void *at) {
    BlockPool &pool = block_pool();
    std::lock_guard guard(pool.lock);
    const auto entry = pool.lent.find(at);
    pool.pooled.push_front({at, entry->second, Clock::now()});
    pool.bytes += entry->second;
    pool.lent.erase(entry);
    pool.trim();
}

size_t set_pool_limit(size_t bytes) {
    BlockPool &pool = block_pool();
    std::lock_guard guard(pool.lock);
    std::swap(pool.limit, bytes);
    pool.trim();
    return bytes;
}

size_t pooled_bytes() {
    BlockPool &pool = block_pool();
    std::lock_guard guard(pool.lock);
    return pool.bytes;
}

} // namespace convolens
