#include "runtime/memory.hpp"
#include "runtime/fork.hpp"
#include "runtime/platform.hpp"

#include <chrono>
#include <list>
#include <mutex>
#include <new>
#include <unordered_map>
#include <utility>

namespace convolens {
namespace {

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

// Its blocks come straight from the system, which gets each back as soon as it is no longer pooled: malloc takes what
// is below 32 MB from a heap, where what lies above keeps it from shrinking.
struct BlockPool {
    ForkSafeMutex lock;
    std::list<PooledBlock> pooled; // the most recently released first
    std::unordered_map<void *, size_t> lent;
    size_t bytes = 0, lent_bytes = 0, limit = default_limit;
    size_t expected = 0; // to be lent at once again
    Clock::time_point expected_since;

    bool is_too_full() const { return bytes > limit && bytes + lent_bytes > expected; }

    void lend(void *at, size_t size) {
        lent.emplace(at, size);
        lent_bytes += size;
        if (expected > 0 && expected < lent_bytes)
            expected = lent_bytes;
    }

    void trim() {
        const auto oldest = Clock::now() - max_idle;
        if (expected_since < oldest)
            expected = 0;
        while (!pooled.empty() && (is_too_full() || pooled.back().since < oldest)) {
            bytes -= pooled.back().bytes;
            unmap_pages(pooled.back().at, pooled.back().bytes);
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
            pool.lend(at, block->bytes);
            pool.bytes -= block->bytes;
            pool.pooled.erase(block);
            pool.trim();
            return at;
        }
    pool.trim();
    void *at = map_pages(size);
    if (!at)
        throw std::bad_alloc();
    pool.lend(at, size);
    return at;
}

void release_block(void *at) {
    BlockPool &pool = block_pool();
    std::lock_guard guard(pool.lock);
    const auto entry = pool.lent.find(at);
    pool.pooled.push_front({at, entry->second, Clock::now()});
    pool.bytes += entry->second;
    pool.lent_bytes -= entry->second;
    pool.lent.erase(entry);
    pool.trim();
}

size_t set_pool_limit(size_t bytes) {
    BlockPool &pool = block_pool();
    std::lock_guard guard(pool.lock);
    std::swap(pool.limit, bytes);
    pool.expected = 0;
    pool.trim();
    return bytes;
}

void expect_as_much_again() {
    BlockPool &pool = block_pool();
    std::lock_guard guard(pool.lock);
    pool.expected = pool.expected > pool.lent_bytes ? pool.expected : pool.lent_bytes;
    pool.expected_since = Clock::now();
}

size_t pooled_bytes() {
    BlockPool &pool = block_pool();
    std::lock_guard guard(pool.lock);
    return pool.bytes;
}

} // namespace convolens
