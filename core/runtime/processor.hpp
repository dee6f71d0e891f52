// Which of x86-64's levels, and what beyond them, this processor and its system can run.
//
// Asked of the processor itself: what compilers have for it (`__builtin_cpu_supports`) wants a library of theirs that
// not every linker brings along.
#pragma once

namespace convolens {

bool runs_x86_64_v3(); // AVX2, FMA and what belongs to them
bool runs_x86_64_v4(); // AVX-512 as well, its F, BW, CD, DQ and VL

bool multiplies_bytes_by_avx();    // AVX-VNNI
bool multiplies_bytes_by_avx512(); // AVX-512 VNNI

bool multiplies_vectors_of_bfloat16(); // AVX-512 BF16

// AMX and AVX-512's bfloat16; asks the system to let this process use them.
bool multiplies_tiles_of_bfloat16();

} // namespace convolens
