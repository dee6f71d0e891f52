// The same checks without a fuzzer, where there is none: `self_check ROUNDS [SEED]`, on random bytes.
#include "runtime/kernels.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int main(int count, char **words) {
    const long rounds = count > 1 ? std::atol(words[1]) : 1000;
    std::mt19937_64 random(count > 2 ? uint64_t(std::atol(words[2])) : 0); // of the same numbers everywhere
    std::vector<uint8_t> bytes(600);
    for (long round = 0; round < rounds; ++round) {
        for (uint8_t &byte : bytes)
            byte = uint8_t(random());
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    std::printf("%ld rounds, the same on %s\n", rounds, convolens::instruction_sets());
}
