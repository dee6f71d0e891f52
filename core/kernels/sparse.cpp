// Sparse kernels: a few shifted, weighted copies of the signal, added up at memory speed.
//
//   for each unit of work (a thread's): one line of the output × a strip of it
//     for each nonzero: point at the stretch of x it adds, gathering it only where it cannot be read in place
//     for each 8 vectors of the strip: sum over all nonzeros in registers, write once
//
// O(nonzeros × samples), and the output goes to memory once however many nonzeros there are.
#include "kernels/lines.hpp"
#include "kernels/tile.hpp"
#include "kernels/units.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

// Of one nonzero's stretch: shorter for many nonzeros, as at the signal's ends each has one gathered into scratch.
constexpr int64_t max_strip_bytes = 16 << 10, min_strip_bytes = 2 << 10, all_strips_bytes = 1 << 20;
constexpr int64_t cost = 4; // of adding a scalar from memory, in multiply-adds from a register
constexpr int sum_vectors = 8;

// Results [i, i + count) of a strip: the sum over nonzeros of weight · at[nonzero][i …].
template <class T, int P, int V>
inline void add_nonzeros(const T *const *at, const T *weights, int64_t nonzeros, int64_t i, T *out, int64_t count) {
    will_read(weights, P * nonzeros);
    Vector<T> sums[P][V] = {};
    for (int64_t t = 0; t < nonzeros; ++t)
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
            const Vector<T> value = load(at[t] + i + v * lanes<T>);
#pragma GCC unroll 2
            for (int p = 0; p < P; ++p)
                sums[p][v] += broadcast(weights[p * nonzeros + t]) * value;
        }
    for (int v = 0; v < V; ++v) {
        Vector<T> sum = sums[0][v];
        if constexpr (P == 2)
            sum = complex_sum<T>(sum, sums[1][v]);
        store_some(out + i + v * lanes<T>, sum, count - v * lanes<T>);
    }
}

template <class T, int P> struct Sparse {
    const SparseJob &job;
    const Correlation &c;
    const T *weights;
    Lines<T> lines;
    int64_t positions = 1, width, strips;

    explicit Sparse(const SparseJob &j)
        : job(j), c(j.correlation), weights(static_cast<const T *>(j.weights)), lines(j.correlation) {
        for (int a = 0; a < c.count - 1; ++a)
            positions *= c.axes[a].size;
        const int64_t bytes = max(min(all_strips_bytes / j.nonzeros, max_strip_bytes), min_strip_bytes);
        width = max(bytes / (lines.block.size * int64_t(sizeof(T))), 1);
        strips = ceil_div(lines.axis.size, width);
    }

    int64_t offset(int64_t nonzero, const Axis &axis) const { return job.offsets[nonzero * job.ndim + axis.source]; }

    // The line of x that a nonzero reads for output line `flat`; null: all fill.
    const char *line_at(int64_t flat, int64_t nonzero) const {
        int64_t scalars = 0;
        for (int a = c.count - 2; a >= 0; --a) {
            const Axis &axis = c.axes[a];
            const int64_t m = axis.map[flat % axis.size + offset(nonzero, axis)];
            if (m < 0)
                return nullptr;
            scalars += m * axis.x_stride;
            flat /= axis.size;
        }
        return advance(c.x, c.from, scalars);
    }

    char *out_at(int64_t flat) const {
        int64_t scalars = 0;
        for (int a = c.count - 2; a >= 0; --a) {
            scalars += flat % c.axes[a].size * c.axes[a].out_stride;
            flat /= c.axes[a].size;
        }
        return const_cast<char *>(advance(c.out, c.to, scalars));
    }

    void unit(int64_t index) const {
        const int64_t begin = index % strips * width, end = min(begin + width, lines.axis.size);
        const int64_t flat = index / strips, n = (end - begin) * lines.block.size;
        const int64_t pitch = ceil_div(n, 16) * 16 + sum_vectors * lanes<T>;
        const bool in_place = n >= lanes<T>;
        int64_t gathered = 0;
        for (int64_t t = 0; t < job.nonzeros; ++t) {
            const int64_t o = offset(t, lines.axis);
            gathered += !(in_place && lines.readable(begin + o, end + o));
        }
        const int64_t at_bytes = ceil_div(job.nonzeros * int64_t(sizeof(T *)), 64) * 64;
        char *memory = working_memory<char>(Scratch::own, at_bytes + (2 + gathered) * pitch * int64_t(sizeof(T)));
        const T **at = reinterpret_cast<const T **>(memory);
        T *results = reinterpret_cast<T *>(memory + at_bytes), *filled = results + pitch, *next = filled + pitch;
        bool has_fill = false;
        for (int64_t t = 0; t < job.nonzeros; ++t) {
            const int64_t o = offset(t, lines.axis);
            const char *row = line_at(flat, t);
            if (!row) {
                if (!has_fill)
                    lines.fill_line(filled, pitch);
                has_fill = true;
                at[t] = filled;
            } else if (in_place && lines.readable(begin + o, end + o)) {
                at[t] = lines.at(row, begin + o);
            } else {
                lines.gather(row, begin + o, end + o, next);
                at[t] = next;
                next += pitch;
            }
        }
        sum(at, n, begin, end, out_at(flat), results, in_place);
    }

    void sum(const T **at, int64_t n, int64_t begin, int64_t end, char *out, T *results, bool exact) const {
        constexpr int V = sum_vectors / P, L = lanes<T>;
        T *to = lines.straight() ? reinterpret_cast<T *>(out) + begin * lines.axis.out_stride : results;
        int64_t i = 0;
        for (; i + V * L <= n; i += V * L)
            add_nonzeros<T, P, V>(at, weights, job.nonzeros, i, to, V * L);
        for (; i < n; i += L) {
            if (exact)
                i = min(i, n - L);
            add_nonzeros<T, P, 1>(at, weights, job.nonzeros, i, to, n - i);
        }
        if (!lines.straight())
            lines.write(results, out, begin, end);
    }

    void run() const {
        const int64_t units = positions * strips;
        if (units == 0)
            return;
        const int64_t work = positions * lines.axis.size * lines.block.size * max(job.nonzeros * P, 2) * cost;
        each_unit(units, work, [&](int64_t u) { unit(u); });
    }
};

} // namespace

void sparse(const SparseJob &job) {
    with_sums(job.correlation, [&]<class T, int P>() { Sparse<T, P>(job).run(); });
}

} // namespace convolens::CONVOLENS_ISA
