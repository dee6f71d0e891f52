// Bits by the Intel Software Developer's Manual, CPUID and XGETBV; levels by the x86-64 psABI.
#include "runtime/processor.hpp"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstdint>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace convolens {
namespace {

struct Registers {
    unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned part = 0) {
    Registers r;
    __get_cpuid_count(leaf, part, &r.a, &r.b, &r.c, &r.d); // leaves zeros where there is no such leaf
    return r;
}

bool has(unsigned word, unsigned bits) { return (word & bits) == bits; }

// Which registers the system keeps for a thread: XCR0.
uint32_t kept_registers() {
    uint32_t low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

constexpr uint32_t xmm_and_ymm = 0x6;
[[maybe_unused]] constexpr uint32_t opmask_and_zmm = 0xe0; // macOS is not asked for them

} // namespace

bool runs_x86_64_v3() {
    const Registers basic = cpuid(1), more = cpuid(7), extended = cpuid(0x80000001);
    return has(basic.c, bit_AVX | bit_FMA | bit_F16C | bit_MOVBE | bit_OSXSAVE) &&
           has(more.b, bit_AVX2 | bit_BMI | bit_BMI2) && has(extended.c, bit_LZCNT) &&
           has(kept_registers(), xmm_and_ymm);
}

bool runs_x86_64_v4() {
    constexpr unsigned wanted = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
#if defined(__APPLE__)
    const bool kept = true; // macOS keeps them from a thread's first use on, and says so only then
#else
    const bool kept = runs_x86_64_v3() && has(kept_registers(), opmask_and_zmm);
#endif
    return runs_x86_64_v3() && kept && has(cpuid(7).b, wanted);
}

bool multiplies_bytes_by_avx() { return has(cpuid(7, 1).a, 1u << 4); }

bool multiplies_bytes_by_avx512() { return has(cpuid(7).c, 1u << 11); }

bool multiplies_vectors_of_bfloat16() { return has(cpuid(7, 1).a, 1u << 5); }

bool multiplies_tiles_of_bfloat16() {
#if defined(__linux__)
    constexpr unsigned tiles = 1u << 24, tiles_of_bfloat16 = 1u << 22;
    if (!has(cpuid(7).d, tiles | tiles_of_bfloat16) || !multiplies_vectors_of_bfloat16())
        return false;
    // Linux gives a process the tiles' registers, 8 kB a thread, only when it asks.
    constexpr long ask_for_registers = 0x1023, of_tiles = 18; // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, ask_for_registers, of_tiles) == 0;
#else
    return false;
#endif
}

} // namespace convolens

#else

namespace convolens {

bool runs_x86_64_v3() { return false; }
bool runs_x86_64_v4() { return false; }
bool multiplies_bytes_by_avx() { return false; }
bool multiplies_bytes_by_avx512() { return false; }
bool multiplies_vectors_of_bfloat16() { return false; }
bool multiplies_tiles_of_bfloat16() { return false; }

} // namespace convolens

#endif
