#include "runtime/scratch.hpp"
#include "runtime/extents.hpp"
#include "runtime/platform.hpp"

#include <new>

namespace convolens {
namespace {

struct Buffer {
    float *data = nullptr;
    int64_t floats = 0;

    float *at_least(int64_t wanted) {
        if (wanted > floats) {
            free_aligned(data);
            data = nullptr, floats = 0;
            const size_t bytes = (size_t(wanted) * sizeof(float) + 63) / 64 * 64;
            data = static_cast<float *>(allocate_aligned(bytes));
            if (!data)
                throw std::bad_alloc();
            floats = wanted;
        }
        return data;
    }

    ~Buffer() { free_aligned(data); }
};

thread_local Buffer buffers[2];

} // namespace

float *scratch(Scratch which, int64_t floats) {
    float *const at = buffers[int(which)].at_least(floats);
    scratch_was_asked_for(which == Scratch::shared, at, floats * int64_t(sizeof(float)));
    return at;
}

} // namespace convolens
