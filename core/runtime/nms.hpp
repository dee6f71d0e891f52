// Non-maximum suppression. It is compiled once, as it compares and sorts: vectors would gain it nothing.
#pragma once
#include "jobs/nms.hpp"

namespace convolens {

void nms(const NmsJob &);

} // namespace convolens
