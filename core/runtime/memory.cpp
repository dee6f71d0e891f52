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

// Blocks that begin at the same place of their huge pages fall into the same sets of the caches and banks of the
// memory, when a kernel goes along several of them. So each begins a little further on than the last, where it has
// room.
constexpr size_t apart = 4096 + 64, steps_apart = 16;

struct Lent {
    void *base; // of the block
    size_t bytes;
};

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
    std::unordered_map<void *, Lent> lent;
    size_t count = 0;
    size_t bytes = 0, lent_bytes = 0, limit = default_limit;
    size_t expected = 0; // to be lent at once again
    Clock::time_point expected_since;

    // What was lent at once were blocks of many sizes: a quarter more, and each finds its own again.
    bool is_too_full() const { return bytes > limit && bytes + lent_bytes > expected + expected / 4; }

    // The block's part that is lent for `bytes` bytes.
    void *lend(void *base, size_t size, size_t bytes) {
        const size_t ahead = count++ % steps_apart * apart;
        void *const at = static_cast<char *>(base) + (ahead <= size - bytes ? ahead : 0);
        lent.emplace(at, Lent{base, size});
        lent_bytes += size;
        if (expected > 0 && expected < lent_bytes)
            expected = lent_bytes;
        return at;
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
            const PooledBlock taken = *block;
            pool.bytes -= taken.bytes;
            pool.pooled.erase(block);
            void *const at = pool.lend(taken.at, taken.bytes, bytes);
            pool.trim();
            return at;
        }
    pool.trim();
    void *const base = map_pages(size);
    if (!base)
        throw std::bad_alloc();
    void *const at = pool.lend(base, size, bytes);
    pool.trim();
    return at;
}

void release_block(void *at) {
    BlockPool &pool = block_pool();
    std::lock_guard guard(pool.lock);
    const auto entry = pool.lent.find(at);
    const Lent block = entry->second;
    pool.pooled.push_front({block.base, block.bytes, Clock::now()});
    pool.bytes += block.bytes;
    pool.lent_bytes -= block.bytes;
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
