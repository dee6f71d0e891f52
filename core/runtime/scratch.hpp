// Memory a kernel works in and forgets. Each thread keeps its own and grows it as needed: fresh pages from the system
// would cost more than many a small layer. `shared` is what the caller fills for all threads, `own` is one task's.
#pragma once
#include <cstdint>

namespace convolens {

enum class Scratch { shared, own };

// At least `floats` numbers, aligned to 64 bytes, contents unspecified; valid until this thread next asks for the same.
float *scratch(Scratch which, int64_t floats);

} // namespace convolens
