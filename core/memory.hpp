// Large results in memory that was used before.
//
// The system hands out a large block as untouched pages and zeroes each at its first write: for a 33 MB picture that
// takes longer than filtering it. So a large block that is let go is kept, up to a limit, for the next result of about
// its size. What has been kept for three seconds is given back to the system when the next block is taken or let go.
#pragma once
#include <cstddef>

namespace convolens {

void *take_block(size_t bytes); // aligned to a page at least; throws std::bad_alloc
void give_block(void *block);
size_t set_kept_limit(size_t bytes); // 0 keeps nothing; gives the limit there was
size_t kept_bytes();

} // namespace convolens
