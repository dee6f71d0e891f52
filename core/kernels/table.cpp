// One row of function pointers for this instruction set.
#include "../kernels.hpp"
#include "../simd.hpp"

#define CONVOLENS_TEXT_(x) #x
#define CONVOLENS_TEXT(x) CONVOLENS_TEXT_(x)

namespace convolens::CONVOLENS_ISA {

void gradient(const GradientJob &);
void direct(const DirectJob &);
void sparse(const SparseJob &);

extern const Kernels table;
const Kernels table{
    CONVOLENS_TEXT(CONVOLENS_ISA),
    gradient,
    direct,
    sparse,
};

} // namespace convolens::CONVOLENS_ISA
