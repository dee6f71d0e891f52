// The table of kernels: plain functions on pointers, sizes and strides, one implementation for each instruction set.
#pragma once
#include "jobs/blocks.hpp"
#include "jobs/correlation.hpp"
#include "jobs/layers.hpp"
#include "jobs/resample.hpp"
#include "jobs/sobel.hpp"

#include <cstdint>

namespace convolens {

struct Kernels {
    const char *name; // of the instruction set
    int vector_bytes;
#define KERNEL(result, name, arguments) result(*name) arguments;
#include "runtime/kernels.def"
#undef KERNEL
};

const Kernels &kernels();                   // the set in use
const char *instruction_sets();             // comma-separated names of those this machine can run
bool use_instruction_set(const char *name); // false if the machine cannot run it

} // namespace convolens
