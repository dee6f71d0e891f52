// How a correlation is cut into units of work, independently of the number of threads, and how a unit's results leave.
#pragma once
#include "kernels/lines.hpp"
#include "kernels/tile.hpp"

namespace convolens::CONVOLENS_ISA {

constexpr int64_t serial_below = 1 << 20; // multiply-adds worth about 30 µs: not worth waking a thread
constexpr int64_t work_per_task = 1 << 18;

// The line cut into strips of `width` positions so that those of the middle can be read in place.
struct Strips {
    int64_t size, width, middle, end; // [middle, end): results whose window lies in the run
    int64_t first, second, count;     // strips before the middle, before the end, in all

    void cut(int64_t positions, int64_t strip, int64_t from, int64_t to) {
        size = positions, width = strip, middle = from, end = to;
        first = ceil_div(middle, width);
        second = first + ceil_div(end - middle, width);
        count = second + ceil_div(size - end, width);
    }
    int64_t begin(int64_t s) const {
        return s < first ? s * width : s < second ? middle + (s - first) * width : end + (s - second) * width;
    }
    int64_t stop(int64_t s) const { return min(begin(s) + width, s < first ? middle : s < second ? end : size); }
};

// Calls unit(u) for every u; `work` is that of all of them together, in multiply-adds.
template <class F> void each_unit(int64_t units, int64_t work, const F &unit) {
    if (work < serial_below) {
        for (int64_t u = 0; u < units; ++u)
            unit(u);
        return;
    }
    const int64_t each = max(work_per_task / max(work / units, 1), 1);
    parallel(ceil_div(units, each), [&](int64_t task, int) {
        for (int64_t u = task * each; u < min((task + 1) * each, units); ++u)
            unit(u);
        fence(); // after streaming stores
    });
}

// Tiles of `rows` rows at positions [begin, stop), straight into the output row at `out` and those below it, or by way
// of `results`.
template <class T, int P>
void write_tiles(const Lines<T> &lines, Groups<T> groups, int64_t rows, int64_t begin, int64_t stop, char *out,
                 int64_t row_stride, T *results, bool exact) {
    const int64_t step = lines.block.size, width = (stop - begin) * step;
    if (lines.straight()) {
        T *to = reinterpret_cast<T *>(out) + begin * lines.axis.out_stride;
        return tiles<T, P>(groups, step, rows, width, to, row_stride, exact);
    }
    tiles<T, P>(groups, step, rows, width, results, width, exact);
    for (int64_t i = 0; i < rows; ++i)
        lines.write(results + i * width, const_cast<char *>(advance(out, lines.to, i * row_stride)), begin, stop);
}

} // namespace convolens::CONVOLENS_ISA
