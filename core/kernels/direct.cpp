// Direct correlation of up to eight axes, by the definition.
//
//   for each unit of work (a thread's): one position of the outer axes × a block of rows × a strip of the line
//     point at the lines of x that the unit looks at, gathering those that cannot be read in place
//     for each tile of the unit: every plane, row and weight of the kernel                        (tile.hpp)
//     write the results
//
// A kernel of one row (a sound, a batch of them) gives neighbouring rows nothing to share. There the line itself is
// folded: results i, i + D, i + 2D, … are rows, and weights 0 … D-1, D … 2D-1, … the rows of a kernel D wide.
//
// The strip is narrow enough for the unit's input to stay in the second-level cache.
#include "kernels/lines.hpp"
#include "kernels/tile.hpp"
#include "kernels/units.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t unit_bytes = 256 << 10; // of input
constexpr int64_t rows_per_unit = 64;     // halo rows are gathered or fetched again by the next unit
constexpr int64_t folded_strip_bytes = 64 << 10;
constexpr int64_t split_above_bytes = 4 << 10; // shorter lines are gathered whole, longer ones only at their edges

template <class T, int P> struct Direct {
    const Correlation &c;
    const T *weights;
    Lines<T> lines;
    Axis row;      // one position, one weight where the line is the only axis
    int outer = 0; // axes before the row; axes after it (kernel size 1) are none: see choose_row
    Axis outers[max_axes];
    int64_t planes = 1, positions = 1; // kernel planes, results along the outer axes
    int64_t imaginary = 0;
    bool folded = false;
    int64_t rows_each = 1, row_blocks = 1;
    Strips strips;

    explicit Direct(const DirectJob &job)
        : c(job.correlation), weights(static_cast<const T *>(job.weights)), lines(job.correlation) {
        choose_row();
        for (int a = 0; a < outer; ++a)
            planes *= outers[a].kernel_size, positions *= outers[a].size;
        imaginary = planes * row.kernel_size * lines.axis.kernel_size;
        cut();
    }

    // The last axis that the kernel reaches along; the kernel's memory order then is planes, rows, weights.
    void choose_row() {
        static const int64_t only[1] = {0};
        row = Axis{1, 1, only, 0, 1, 0, 0, 0};
        int chosen = -1;
        for (int a = c.count - 2; a >= 0 && chosen < 0; --a)
            if (c.axes[a].kernel_size > 1)
                chosen = a;
        if (chosen < 0)
            chosen = c.count - 2;
        for (int a = 0; a < c.count - 1; ++a)
            if (a == chosen)
                row = c.axes[a];
            else
                outers[outer++] = c.axes[a];
    }

    int64_t kernel_size() const { return lines.axis.kernel_size; }
    int64_t block() const { return lines.block.size; }

    void cut() {
        const int64_t size = lines.axis.size, line_bytes = size * block() * int64_t(sizeof(T));
        folded = row.kernel_size == 1 && size * block() >= tile_rows<P> * tile_width<T>;
        int64_t width;
        if (folded) {
            width = max(folded_strip_bytes / (block() * int64_t(sizeof(T))), 1);
            const int64_t unit = tile_rows<P> * tile_width<T>;
            width = max(width * block() / unit * unit / block(), 1);
        } else {
            rows_each = min(row.size, rows_per_unit);
            const int64_t lines_read = planes * (rows_each + row.kernel_size - 1);
            width = unit_bytes / (lines_read * int64_t(sizeof(T)));
            width = max(width / tile_width<T>, 1) * tile_width<T> / block();
            width = max(width, 1);
        }
        row_blocks = ceil_div(row.size, rows_each);
        int64_t middle = 0, end = size; // whole lines
        if (lines.in_place && line_bytes > split_above_bytes) {
            const int64_t from = min(lines.axis.run_begin, size);
            const int64_t to = max(lines.axis.run_end - kernel_size() + 1, from);
            if ((to - from) * block() >= 4 * tile_width<T>)
                middle = from, end = min(to, size);
        }
        strips.cut(size, width, middle, end);
    }

    // Scratch of one unit.
    struct Workspace {
        const T **at; // pointers to lines
        Group<T> *groups;
        T *filled, *gathered, *results;
        int64_t pitch; // between gathered lines
        bool exact;    // lines are read in place, so nothing beyond them may be read
        mutable bool has_fill;
    };

    Workspace workspace(int64_t pointers, int64_t groups, int64_t line_scalars, int64_t gathered,
                        int64_t results) const {
        const int64_t pitch = ceil_div(line_scalars + tile_width<T>, 16) * 16;
        const int64_t at_bytes = ceil_div(pointers * int64_t(sizeof(T *)), 64) * 64;
        const int64_t group_bytes = ceil_div(groups * int64_t(sizeof(Group<T>)), 64) * 64;
        const int64_t scalars = (1 + gathered) * pitch + results + 64;
        char *memory = working_memory<char>(Scratch::own, at_bytes + group_bytes + scalars * int64_t(sizeof(T)));
        T *filled = reinterpret_cast<T *>(memory + at_bytes + group_bytes);
        return {reinterpret_cast<const T **>(memory),
                reinterpret_cast<Group<T> *>(memory + at_bytes),
                filled,
                filled + pitch,
                filled + (1 + gathered) * pitch,
                pitch,
                false,
                false};
    }

    // Where the outer axes' position `flat` writes, and what each plane of the kernel reads.
    char *out_at(int64_t flat) const {
        int64_t offset = 0;
        for (int a = outer - 1; a >= 0; --a) {
            offset += flat % outers[a].size * outers[a].out_stride;
            flat /= outers[a].size;
        }
        return const_cast<char *>(advance(c.out, c.to, offset));
    }

    const char *plane_at(int64_t flat, int64_t plane) const { // null: all fill
        int64_t offset = 0;
        for (int a = outer - 1; a >= 0; --a) {
            const int64_t m = outers[a].map[flat % outers[a].size + plane % outers[a].kernel_size];
            if (m < 0)
                return nullptr;
            offset += m * outers[a].x_stride;
            flat /= outers[a].size, plane /= outers[a].kernel_size;
        }
        return advance(c.x, c.from, offset);
    }

    // A line of x for padded positions [begin, end): in place, the fill line, or gathered as number `slot`.
    const T *line(const Workspace &m, const char *plane, int64_t padded_row, int64_t begin, int64_t end,
                  int64_t slot) const {
        const int64_t r = plane ? row.map[padded_row] : -1;
        if (r < 0) {
            if (!m.has_fill)
                lines.fill_line(m.filled, m.pitch);
            m.has_fill = true;
            return m.filled;
        }
        const char *from = advance(plane, c.from, r * row.x_stride);
        if (m.exact)
            return lines.at(from, begin);
        T *to = m.gathered + slot * m.pitch;
        lines.gather(from, begin, end, to);
        return to;
    }

    void unit(int64_t index) const {
        const int64_t strip = index % strips.count, rest = index / strips.count;
        const int64_t r0 = rest % row_blocks * rows_each, r1 = min(r0 + rows_each, row.size);
        if (folded)
            folded_unit(strip, r0, rest / row_blocks);
        else
            plain_unit(strip, r0, r1, rest / row_blocks);
    }

    void plain_unit(int64_t strip, int64_t r0, int64_t r1, int64_t flat) const {
        const int64_t begin = strips.begin(strip), stop = strips.stop(strip), end = stop + kernel_size() - 1;
        const int64_t height = r1 - r0 + row.kernel_size - 1, width = (stop - begin) * block();
        const bool exact = lines.readable(begin, end) && width >= lanes<T>;
        Workspace m = workspace(planes * height, planes, (end - begin) * block(), exact ? 0 : planes * height,
                                tile_rows<P> * width);
        m.exact = exact;
        for (int64_t p = 0; p < planes; ++p) {
            const char *plane = plane_at(flat, p);
            const T **at = m.at + p * height;
            for (int64_t r = 0; r < height; ++r)
                at[r] = line(m, plane, r0 + r, begin, end, p * height + r);
            m.groups[p] = {at, weights + p * row.kernel_size * kernel_size(), row.kernel_size, kernel_size()};
        }
        char *out = out_at(flat);
        for (int64_t r = r0; r < r1; r += tile_rows<P>) {
            write_tiles<T, P>(lines, {m.groups, planes, imaginary}, min(tile_rows<P>, r1 - r), begin, stop,
                              out_scalars(out, r * row.out_stride), row.out_stride, m.results, m.exact);
            for (int64_t p = 0; p < planes; ++p)
                m.groups[p].lines += tile_rows<P>;
        }
    }

    char *out_scalars(char *out, int64_t scalars) const { return const_cast<char *>(advance(out, c.to, scalars)); }

    void folded_unit(int64_t strip, int64_t r, int64_t flat) const {
        constexpr int64_t D = tile_width<T>;
        const int64_t begin = strips.begin(strip), stop = strips.stop(strip), end = stop + kernel_size() - 1;
        const int64_t width = (stop - begin) * block(), rows = width / D, tail = width - rows * D;
        const int64_t per_row = D % block() == 0 ? D / block() : 1; // weights in a row of the folded kernel
        const int64_t height = D % block() == 0 ? kernel_size() / per_row : 0, left = kernel_size() - height * per_row;
        const bool exact = lines.readable(begin, end) && width >= lanes<T>;
        Workspace m =
            workspace(planes * (rows + height + 1), 2 * planes, (end - begin) * block(), exact ? 0 : planes, width);
        m.exact = exact;
        for (int64_t p = 0; p < planes; ++p) {
            const T *from = line(m, plane_at(flat, p), r, begin, end, p);
            const T **at = m.at + p * (rows + height + 1);
            for (int64_t i = 0; i <= rows + height; ++i)
                at[i] = from + i * D;
            const T *w = weights + p * kernel_size();
            m.groups[2 * p] = {at, w, height, per_row};
            m.groups[2 * p + 1] = {at + height, w + height * per_row, left > 0, left};
        }
        char *out = out_scalars(out_at(flat), r * row.out_stride);
        T *to = lines.straight() ? reinterpret_cast<T *>(out) + begin * lines.axis.out_stride : m.results;
        tiles<T, P>({m.groups, 2 * planes, imaginary}, block(), rows, D, to, D, m.exact);
        for (int64_t g = 0; g < 2 * planes; ++g)
            m.groups[g].lines += rows;
        tiles<T, P>({m.groups, 2 * planes, imaginary}, block(), tail > 0, tail, to + rows * D, D, m.exact);
        if (!lines.straight())
            lines.write(m.results, out, begin, stop);
    }

    void run() const {
        const int64_t units = positions * row_blocks * strips.count;
        if (units == 0)
            return;
        const int64_t results = positions * row.size * strips.size * block();
        const int64_t work = results * max(planes * row.kernel_size * kernel_size() * P, 4);
        each_unit(units, work, [&](int64_t u) { unit(u); });
    }
};

} // namespace

void direct(const DirectJob &job) {
    with_sums(job.correlation, [&]<class T, int P>() { Direct<T, P>(job).run(); });
}

} // namespace convolens::CONVOLENS_ISA
