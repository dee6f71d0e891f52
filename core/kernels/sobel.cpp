// Sobel and its relatives in one pass: the derivatives across and down and their magnitude, each pixel read from memory
// once.
//
//   for each block of rows (a thread's task)
//     for each strip of columns (so that the two scratch lines stay in the first-level cache)
//       for each row r of the block
//         s = side·row[r-1] + middle·row[r] + side·row[r+1]      d = row[r+1] - row[r-1]     (scratch, a pixel wider)
//         gx = s[+1] - s[-1]      gy = side·d[-1] + middle·d[0] + side·d[+1]      magnitude = √(gx² + gy²)
//
// The work is memory-bound: 9 loads would come from cache, but one read and one write of the image must reach memory.
// Outputs larger than the caches are streamed past them, which saves a third of that traffic.
#include "jobs/sobel.hpp"
#include "kernels/pictures.hpp"
#include "kernels/simd.hpp"
#include "kernels/working_memory.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t strip_elements = 2048; // two scratch lines of float32: 16 KiB
constexpr int64_t rows_per_task = 32;

template <class T> struct Smoothing {
    T side, middle;
};

// scratch[0, n) from three image lines; the compiler vectorises this, conversions from integers included.
template <class In, class T>
inline void combine_rows(const In *__restrict above, const In *__restrict here, const In *__restrict below, int64_t n,
                         Smoothing<T> w, T *__restrict s, T *__restrict d) {
    will_read(above, n), will_read(here, n), will_read(below, n);
    will_write(s, n), will_write(d, n);
    for (int64_t i = 0; i < n; ++i) {
        const T a = T(above[i]), b = T(here[i]), c = T(below[i]);
        s[i] = w.side * (a + c) + w.middle * b;
        d[i] = c - a;
    }
}

template <class T> struct Derivatives {
    Vector<T> gx, gy;
};

template <class T> inline Derivatives<T> derivatives_at(const T *s, const T *d, int64_t step, Smoothing<T> w) {
    return {load(s + step) - load(s - step), w.side * (load(d - step) + load(d + step)) + w.middle * load(d)};
}

template <class T> inline Vector<T> root(Vector<T> v) {
    Vector<T> r;
    for (int i = 0; i < lanes<T>; ++i)
        if constexpr (sizeof(T) == 4)
            r[i] = __builtin_sqrtf(v[i]);
        else
            r[i] = __builtin_sqrt(v[i]);
    return r;
}

// n results at out..., from scratch lines that reach one pixel (step elements) to both sides. Whole vectors first; the
// last one overlaps its neighbour rather than falling to scalars. Scratch is padded so that reading past n is safe.
template <class T, bool streaming>
inline void magnitude_line(const T *s, const T *d, int64_t n, int64_t step, Smoothing<T> w, T *out) {
    int64_t i = 0;
    auto at = [&](int64_t j) {
        const auto g = derivatives_at(s + j, d + j, step, w);
        return root<T>(g.gx * g.gx + g.gy * g.gy);
    };
    auto some = [&](int64_t j, int64_t count) { store_some(out + j, at(j), count); };
    if constexpr (streaming) {
        const int64_t head = min(n, int64_t((-(uintptr_t)out % vector_bytes) / sizeof(T)));
        if (head)
            some(0, head);
        for (i = head; i + lanes<T> <= n; i += lanes<T>)
            stream(out + i, at(i));
    } else {
        for (; i + lanes<T> <= n; i += lanes<T>)
            store(out + i, at(i));
    }
    if (i < n)
        some(i, n - i);
}

template <class T>
inline void pair_line(const T *s, const T *d, int64_t n, int64_t step, Smoothing<T> w, T *gx, T *gy) {
    for (int64_t i = 0; i < n; i += lanes<T>) {
        const auto g = derivatives_at(s + i, d + i, step, w);
        store_some(gx + i, g.gx, n - i);
        store_some(gy + i, g.gy, n - i);
    }
}

template <class In, class T> void run(const SobelJob &job) {
    const int64_t step = job.channels, width = job.columns * step;
    const int64_t strip = max(strip_elements / step, 1); // in pixels
    const int64_t line = (strip + 2) * step + 2 * lanes<T>;
    const Smoothing<T> w{T(job.side), T(job.middle)};
    const bool streaming = width * job.rows * int64_t(sizeof(T)) > stream_above_bytes;
    const In *image = static_cast<const In *>(job.image);

    In *fill_row = working_memory<In>(Scratch::shared, width);
    for (int64_t i = 0; i < width; ++i)
        fill_row[i] = In(job.fill);

    auto source = [&](int64_t padded_row) {
        const int64_t r = job.row_map[padded_row];
        return r < 0 ? fill_row : image + r * job.row_stride;
    };
    parallel((job.rows + rows_per_task - 1) / rows_per_task, [&](int64_t task, int) {
        T *s = working_memory<T>(Scratch::own, 2 * line) + step, *d = s + line; // s[-step]: the pixel left of the strip
        const int64_t last_row = min((task + 1) * rows_per_task, job.rows);
        for (int64_t c0 = 0; c0 < job.columns; c0 += strip) {
            const int64_t c1 = min(c0 + strip, job.columns);
            const int64_t from = max(c0 - 1, 0), to = min(c1 + 1, job.columns); // real pixels the strip looks at
            for (int64_t r = task * rows_per_task; r < last_row; ++r) {
                const In *above = source(r), *here = source(r + 1), *below = source(r + 2);
                combine_rows(above + from * step, here + from * step, below + from * step, (to - from) * step, w,
                             s + (from - c0) * step, d + (from - c0) * step);
                auto border = [&](int64_t column) { // the pixel just outside the image, by the map
                    const int64_t c = job.column_map[column + 1], at = (column - c0) * step;
                    if (c >= 0)
                        combine_rows(above + c * step, here + c * step, below + c * step, step, w, s + at, d + at);
                    else
                        combine_rows(fill_row, fill_row, fill_row, step, w, s + at, d + at);
                };
                if (c0 == 0)
                    border(-1);
                if (c1 == job.columns)
                    border(job.columns);
                const int64_t n = (c1 - c0) * step, at = r * width + c0 * step;
                if (job.magnitude) {
                    T *out = static_cast<T *>(job.magnitude) + at;
                    if (streaming)
                        magnitude_line<T, true>(s, d, n, step, w, out);
                    else
                        magnitude_line<T, false>(s, d, n, step, w, out);
                } else {
                    pair_line(s, d, n, step, w, static_cast<T *>(job.gx) + at, static_cast<T *>(job.gy) + at);
                }
            }
        }
        fence();
    });
}

} // namespace

void sobel(const SobelJob &job) {
    with_picture_types(job.scalar, [&]<class In, class T>() { run<In, T>(job); });
}

} // namespace convolens::CONVOLENS_ISA
