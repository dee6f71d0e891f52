// Chooses the instruction set once, when the module is imported; CONVOLENS_ISA in the environment overrides it.
#include "runtime/kernels.hpp"
#include "runtime/processor.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace convolens {

#if defined(__aarch64__)
#define CONVOLENS_BASE neon
#else
#define CONVOLENS_BASE baseline
#endif

namespace CONVOLENS_BASE { // what every processor of this kind can run
extern const Kernels table;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}
#endif
#if CONVOLENS_HAS_VNNI
namespace avx2_vnni {
extern const Int8Kernels int8_kernels;
}
namespace avx512_vnni {
extern const Int8Kernels int8_kernels;
}
#endif
#if CONVOLENS_HAS_BF16
namespace avx512_bf16 {
extern const BFloat16Kernels bfloat16_kernels;
}
#endif
#if CONVOLENS_HAS_AMX
namespace amx {
extern const BFloat16Kernels bfloat16_kernels;
}
#endif

namespace {

#if CONVOLENS_HAS_VNNI
// A set and what multiplies bytes.
Kernels with_bytes(const Kernels &set, const char *name, const Int8Kernels &int8) {
    Kernels table = set;
    table.name = name, table.int8 = &int8;
    return table;
}
#endif

#if CONVOLENS_HAS_BF16
// A set and what multiplies bfloat16.
Kernels with_bfloat16(const Kernels &set, const char *name, const BFloat16Kernels &bfloat16) {
    Kernels table = set;
    table.name = name, table.bfloat16 = &bfloat16;
    return table;
}
#endif

std::vector<const Kernels *> runnable_here() {
    std::vector<const Kernels *> sets{&CONVOLENS_BASE::table};
#if defined(__x86_64__)
    if (runs_x86_64_v3())
        sets.push_back(&avx2::table);
#if CONVOLENS_HAS_VNNI
    static const Kernels avx2_bytes = with_bytes(avx2::table, "avx2_vnni", avx2_vnni::int8_kernels);
    if (runs_x86_64_v3() && multiplies_bytes_by_avx())
        sets.push_back(&avx2_bytes);
#endif
    if (runs_x86_64_v4())
        sets.push_back(&avx512::table);
#if CONVOLENS_HAS_VNNI
    static const Kernels avx512_bytes = with_bytes(avx512::table, "avx512_vnni", avx512_vnni::int8_kernels);
    if (runs_x86_64_v4() && multiplies_bytes_by_avx512())
        sets.push_back(&avx512_bytes);
#endif
#if CONVOLENS_HAS_BF16
    static const Kernels vectors = with_bfloat16(*sets.back(), "avx512_bf16", avx512_bf16::bfloat16_kernels);
    if (runs_x86_64_v4() && multiplies_vectors_of_bfloat16())
        sets.push_back(&vectors);
#endif
#if CONVOLENS_HAS_AMX
    static const Kernels tiles = with_bfloat16(*sets.back(), "amx", amx::bfloat16_kernels);
    if (runs_x86_64_v4() && multiplies_tiles_of_bfloat16())
        sets.push_back(&tiles);
#endif
#endif
    return sets;
}

const std::vector<const Kernels *> &sets() {
    static const std::vector<const Kernels *> found = runnable_here();
    return found;
}

const Kernels *find(const char *name) {
    for (const Kernels *set : sets())
        if (std::strcmp(set->name, name) == 0)
            return set;
    return nullptr;
}

const Kernels *initial() {
    const char *name = std::getenv("CONVOLENS_ISA");
    if (!name || !*name)
        return sets().back();
    if (const Kernels *set = find(name))
        return set;
    throw std::invalid_argument("CONVOLENS_ISA: need one of " + std::string(instruction_sets()) + ", got " + name);
}

std::atomic<const Kernels *> &chosen() {
    static std::atomic<const Kernels *> set{initial()};
    return set;
}

} // namespace

const Kernels &kernels() { return *chosen().load(std::memory_order_relaxed); }

const char *instruction_sets() {
    static const std::string names = [] {
        std::string text;
        for (const Kernels *set : sets())
            text.append(text.empty() ? "" : ",").append(set->name);
        return text;
    }();
    return names.c_str();
}

bool use_instruction_set(const char *name) {
    const Kernels *set = find(name);
    if (set)
        chosen() = set;
    return set != nullptr;
}

} // namespace convolens
