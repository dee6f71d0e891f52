// A kernel that is a sum of outer products, along two axes in one sweep:
//
//   out = Σ_q first[q] ⊗ second[q]          "rank" terms; a Gaussian has one
//
//   for each unit of work (a thread's): one position of the outer axes × a block of rows × a strip of the line
//     for each few rows of the block
//       correlate the rows of x that are new with every second[q], along the line, into rings of scratch lines
//       correlate the rings with every first[q], down the rows, summing over q; write
//
// The lines between the two stay in the first or second-level cache: memory is read once and written once, where two
// separate passes would do so twice.
#include "kernels/units.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t strip_bytes = 2 << 10; // of a scratch line
constexpr int64_t rows_per_unit = 256;   // each unit computes row.kernel_size - 1 scratch lines more than it has rows
constexpr int64_t lines_per_unit = 8;    // but at least this many times that

template <class T, int P> struct Separable {
    static constexpr int64_t R = tile_rows<P>;
    const SeparableJob &job;
    const Correlation &c;
    const T *first, *second;
    Lines<T> lines;
    Axis row;
    int64_t positions = 1, rows_each, row_blocks, width, strips, ring;

    explicit Separable(const SeparableJob &j)
        : job(j), c(j.correlation), first(static_cast<const T *>(j.first)), second(static_cast<const T *>(j.second)),
          lines(j.correlation) {
        for (int a = 0; a < c.count - 1; ++a)
            if (c.axes[a].source == job.row_source)
                row = c.axes[a];
            else
                positions *= c.axes[a].size;
        rows_each = max(rows_per_unit, lines_per_unit * row.kernel_size);
        row_blocks = ceil_div(row.size, rows_each);
        width = max(strip_bytes / (lines.block.size * int64_t(sizeof(T))), 1);
        strips = ceil_div(lines.axis.size, width);
        ring = ceil_div(row.kernel_size - 1 + R, R) * R;
    }

    struct Workspace {
        const T **at; // rank × padded rows of the unit: the ring, over and over
        T *filled, *gathered, *rings, *results;
        int64_t line_pitch, ring_pitch, padded_rows;
        bool exact;
    };

    Workspace workspace(int64_t begin, int64_t stop, int64_t padded_rows) const {
        const int64_t n = (stop - begin) * lines.block.size;
        Workspace m;
        m.padded_rows = padded_rows;
        m.line_pitch = ceil_div(n + (lines.axis.kernel_size - 1) * lines.block.size + tile_width<T>, 16) * 16;
        m.ring_pitch = ceil_div(n, 16) * 16 + tile_width<T>;
        const int64_t at_bytes = ceil_div(job.rank * padded_rows * int64_t(sizeof(T *)), 64) * 64;
        const int64_t scalars = (1 + R) * m.line_pitch + job.rank * ring * m.ring_pitch + R * n;
        char *memory = working_memory<char>(Scratch::own, at_bytes + scalars * int64_t(sizeof(T)));
        m.at = reinterpret_cast<const T **>(memory);
        m.filled = reinterpret_cast<T *>(memory + at_bytes);
        m.gathered = m.filled + m.line_pitch;
        m.rings = m.gathered + R * m.line_pitch;
        m.results = m.rings + job.rank * ring * m.ring_pitch;
        for (int64_t q = 0; q < job.rank; ++q)
            for (int64_t i = 0; i < padded_rows; ++i)
                m.at[q * padded_rows + i] = m.rings + (q * ring + i % ring) * m.ring_pitch;
        const int64_t end = stop + lines.axis.kernel_size - 1;
        m.exact = lines.readable(begin, end) && n >= lanes<T>;
        lines.fill_line(m.filled, m.line_pitch);
        return m;
    }

    // Where an outer position begins in x (null: all fill) and in out.
    struct Place {
        const char *x;
        char *out;
    };

    Place place(int64_t flat) const {
        int64_t from = 0, to = 0;
        bool fill = false;
        for (int a = c.count - 2; a >= 0; --a) {
            const Axis &axis = c.axes[a];
            if (axis.source == job.row_source)
                continue;
            const int64_t i = flat % axis.size;
            flat /= axis.size;
            fill |= axis.map[i] < 0;
            from += axis.map[i] * axis.x_stride, to += i * axis.out_stride;
        }
        return {fill ? nullptr : advance(c.x, c.from, from), const_cast<char *>(advance(c.out, c.to, to))};
    }

    void unit(int64_t index) const {
        const int64_t begin = index % strips * width, stop = min(begin + width, lines.axis.size);
        const int64_t rest = index / strips, r0 = rest % row_blocks * rows_each;
        const int64_t r1 = min(r0 + rows_each, row.size), padded_rows = r1 - r0 + row.kernel_size - 1;
        const Place p = place(rest / row_blocks);
        const Workspace m = workspace(begin, stop, padded_rows);
        Group<T> groups[max_rank];
        for (int64_t q = 0; q < job.rank; ++q)
            groups[q] = {m.at + q * padded_rows, first + q * row.kernel_size, row.kernel_size, 1};
        int64_t done = 0; // scratch lines
        for (int64_t r = r0; r < r1; r += R) {
            const int64_t rows = min(R, r1 - r);
            for (const int64_t needed = r - r0 + rows + row.kernel_size - 1; done < needed; done += R)
                along_line(m, p.x, r0 + done, min(R, padded_rows - done), begin, stop, done);
            write_tiles<T, P>(lines, {groups, job.rank, job.rank * row.kernel_size}, rows, begin, stop,
                              const_cast<char *>(advance(p.out, c.to, r * row.out_stride)), row.out_stride, m.results,
                              false);
            for (int64_t q = 0; q < job.rank; ++q)
                groups[q].lines += R;
        }
    }

    // `rows` padded rows of x, from `padded_row`, correlated with every second[q] into line `done` of each ring and on.
    void along_line(const Workspace &m, const char *x, int64_t padded_row, int64_t rows, int64_t begin, int64_t stop,
                    int64_t done) const {
        const int64_t size = lines.axis.kernel_size, end = stop + size - 1, n = (stop - begin) * lines.block.size;
        const T *from[R];
        for (int64_t i = 0; i < rows; ++i) {
            const int64_t r = x ? row.map[padded_row + i] : -1;
            const char *line = r < 0 ? nullptr : advance(x, c.from, r * row.x_stride);
            if (line && !m.exact)
                lines.gather(line, begin, end, m.gathered + i * m.line_pitch);
            from[i] = !line ? m.filled : m.exact ? lines.at(line, begin) : m.gathered + i * m.line_pitch;
        }
        for (int64_t q = 0; q < job.rank; ++q) {
            const Group<T> group{from, second + q * size, 1, size};
            T *to = m.rings + (q * ring + done % ring) * m.ring_pitch;
            tiles<T, P>({&group, 1, job.rank * size}, lines.block.size, rows, n, to, m.ring_pitch, m.exact);
        }
    }

    void run() const {
        const int64_t units = positions * row_blocks * strips;
        if (units == 0)
            return;
        const int64_t results = positions * row.size * lines.axis.size * lines.block.size;
        each_unit(units, results * job.rank * (row.kernel_size + 2 * lines.axis.kernel_size) * P,
                  [&](int64_t u) { unit(u); });
    }
};

} // namespace

void separable(const SeparableJob &job) {
    with_sums(job.correlation, [&]<class T, int P>() { Separable<T, P>(job).run(); });
}

} // namespace convolens::CONVOLENS_ISA
