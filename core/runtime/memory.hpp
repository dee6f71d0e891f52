// Large results in memory that was used before.
//
// The system hands out a large block as untouched pages and zeroes each at its first write: for a 33 MB picture that
// takes longer than filtering it. So a large block that is released is pooled, up to a limit, for the next result of
// about its size. What has been pooled for three seconds is given back to the system when the next block is taken or
// released.
#pragma once
#include <cstddef>

namespace convolens {

void *take_block(size_t bytes); // aligned to 64 bytes at least; throws std::bad_alloc
void release_block(void *block);
size_t set_pool_limit(size_t bytes); // 0 pools nothing; returns the limit there was
size_t pooled_bytes();

// What is lent now will be wanted again soon, as by a training step's successor: until nobody says so for three
// seconds, more than the limit is pooled, as long as what is pooled and what is lent are together no more than what was
// lent at once and a quarter of that.
void expect_as_much_again();

} // namespace convolens
