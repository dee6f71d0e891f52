// This instruction set's table of kernels.
#include "kernels/simd.hpp"
#include "runtime/kernels.hpp"

#define CONVOLENS_TEXT_(x) #x
#define CONVOLENS_TEXT(x) CONVOLENS_TEXT_(x)

namespace convolens::CONVOLENS_ISA {

#define KERNEL(result, name, arguments) result name arguments;
#include "runtime/kernels.def"
#undef KERNEL

extern const Int8Kernels int8_kernels;
extern const Kernels table;
const Kernels table{
    .name = CONVOLENS_TEXT(CONVOLENS_ISA),
    .vector_bytes = vector_bytes,
    .bfloat16 = nullptr,
    .int8 = &int8_kernels,
#define KERNEL(result, name, arguments) .name = name,
#include "runtime/kernels.def"
#undef KERNEL
};

} // namespace convolens::CONVOLENS_ISA
