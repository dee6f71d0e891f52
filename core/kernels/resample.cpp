// Separable weighted means of rows and of columns, in one sweep through caches.
//
//   for each strip of columns × chunk of rows (a thread's task)
//     for each block of R output rows
//       down:       R lines of the strip, 8 or 4 at a time, so that a loaded vector serves as many sums
//       transpose:  the lines become columns of R values that lie together, borders put in by the map
//                   (windows of a few columns are summed as they lie instead)
//       across:     the same loop as down, on columns instead of lines
//       transpose back, round, write; large outputs are streamed past the caches
//
// Transposing costs 8 shuffles a vector and makes every load of the across pass aligned, whatever the step from output
// to output and however many channels: a direct pass would load K overlapping, misaligned vectors for each output.
//
// Where windows move by one (a plain filter), sums take only what their window holds, so that a NaN stays in its
// window. Otherwise neighbours share the union of their windows, padded with zero weights, and the caller sees to NaNs.
#include "jobs/resample.hpp"
#include "kernels/pictures.hpp"
#include "kernels/simd.hpp"
#include "kernels/transpose.hpp"
#include "kernels/working_memory.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

constexpr int64_t strip_elements = 1024; // of a line: 32 lines of float32 are 128 KiB
constexpr int64_t blocks_per_task = 4;
constexpr int64_t batch = 16;     // outputs of a line transposed back at once
constexpr int shared = 4;         // outputs that share the union of their windows
constexpr int64_t max_slide = 64; // weights; by measurement
constexpr int moving = 8;         // outputs of windows that move by one

template <class T> constexpr int64_t block_rows = 2 * lanes<T> < 8 ? 8 : 2 * lanes<T>;

template <class In, class T> inline Vector<T> widened(const In *from) {
    if constexpr (sizeof(In) == sizeof(T))
        return load(from);
    else
        return __builtin_convertvector(widen(from), Vector<T>);
}

// Where the p-th line of a window is: one of the picture's rows, or one of the transposed columns.
template <class In> struct PictureLines {
    const In *const *at;
    const In *operator()(int64_t p) const { return at[p]; }
};
template <class T> struct ColumnLines {
    const T *base;
    int64_t pitch;
    const T *operator()(int64_t p) const { return base + p * pitch; }
};

// What is added up: `length` lines, by one set of weights that moves by a line from sum to sum, or by a table of
// `shared` weights for each line.
template <class T> struct Sum {
    const T *weights;
    int64_t length;
};

template <class T, int B, int V> struct SumBlock {
    Vector<T> sum[B][V] = {};

    template <class In> [[gnu::always_inline]] void read(const In *from, Vector<T> (&value)[V]) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v)
            value[v] = widened<In, T>(from + v * lanes<T>);
    }
    [[gnu::always_inline]] void add(int b, T weight, const Vector<T> (&value)[V]) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v)
            sum[b][v] += broadcast(weight) * value[v];
    }
    [[gnu::always_inline]] void write(T *out, int64_t pitch) {
#pragma GCC unroll 8
        for (int b = 0; b < B; ++b)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v)
                store(out + b * pitch + v * lanes<T>, sum[b][v]);
    }
};

// Windows that begin at lines 0, 1, … B-1; needs length >= B.
template <class T, int B, int V, class Source>
inline void moving_sums(const Source &line, Sum<T> s, int64_t x, T *out, int64_t pitch) {
    SumBlock<T, B, V> block;
    Vector<T> value[V];
#pragma GCC unroll 8
    for (int p = 0; p < B - 1; ++p) {
        block.read(line(p) + x, value);
#pragma GCC unroll 8
        for (int b = 0; b <= p; ++b)
            block.add(b, s.weights[p - b], value);
    }
    for (int64_t p = B - 1; p < s.length; ++p) {
        block.read(line(p) + x, value);
#pragma GCC unroll 8
        for (int b = 0; b < B; ++b)
            block.add(b, s.weights[p - b], value);
    }
#pragma GCC unroll 8
    for (int q = 1; q < B; ++q) {
        block.read(line(s.length - 1 + q) + x, value);
#pragma GCC unroll 8
        for (int b = q; b < B; ++b)
            block.add(b, s.weights[s.length - 1 + q - b], value);
    }
    block.write(out + x, pitch);
}

template <class T, int B, int V, class Source>
inline void shared_sums(const Source &line, Sum<T> s, int64_t x, T *out, int64_t pitch) {
    SumBlock<T, B, V> block;
    Vector<T> value[V];
    for (int64_t p = 0; p < s.length; ++p) {
        block.read(line(p) + x, value);
#pragma GCC unroll 8
        for (int b = 0; b < B; ++b)
            block.add(b, s.weights[p * B + b], value);
    }
    block.write(out + x, pitch);
}

// Vectors of a line at once, so that sums, values and a weight fill the registers.
template <int B> constexpr int vectors = vector_bytes == 64 ? (B == 8 ? 2 : 4) : (B == 8 ? 1 : 2);

// B lines of `width` sums; `padded` says that lines may be read and written up to a vector beyond their end.
template <class T, int B, bool moves, class Source>
inline void lines_of_sums(const Source &line, Sum<T> s, int64_t width, bool padded, T *out, int64_t pitch) {
    constexpr int V = vectors<B>, L = lanes<T>;
    auto some = [&]<int N>(int64_t x) {
        if constexpr (moves)
            moving_sums<T, B, N>(line, s, x, out, pitch);
        else
            shared_sums<T, B, N>(line, s, x, out, pitch);
    };
    int64_t x = 0;
    for (; x + V * L <= width; x += V * L)
        some.template operator()<V>(x);
    for (; x + L <= width || (padded && x < width); x += L)
        some.template operator()<1>(x);
    if (x < width && width >= L)
        return some.template operator()<1>(width - L);
    for (; x < width; ++x) // a line shorter than a vector
        for (int b = 0; b < B; ++b) {
            T sum = 0;
            for (int64_t p = 0; p < s.length; ++p)
                sum += s.weights[moves ? p : p * B + b] * T(checked(line(moves ? p + b : p) + x));
            checked(out + b * pitch + x) = sum;
        }
}

// Whether windows move by one, all with the same weights.
inline bool moves_by_one(const Windows &w) {
    bool all = w.phases == 1;
    for (int64_t i = 0; all && i < w.outputs; ++i)
        all = w.first[i] == i;
    return all;
}

// Positions that the `shared` outputs from i on see together.
inline int64_t span(const Windows &w, int64_t i) {
    return w.first[min(i + shared, w.outputs) - 1] + w.length - w.first[i];
}

// The windows of one axis, grouped: outputs of a group are summed together.
template <class T> struct AxisPlan {
    const Windows &w;
    const bool moves;
    bool copies;
    int64_t *begin = nullptr; // of each group of `shared` in the table
    T *table = nullptr;       // for each group, span × shared weights

    // What a plan keeps in the memory it is given.
    struct Table {
        int64_t groups, weights;

        explicit Table(const Windows &w) : groups(moves_by_one(w) ? 0 : ceil_div(w.outputs, shared)), weights(0) {
            for (int64_t g = 0; g < groups; ++g)
                weights += span(w, g * shared) * shared;
        }
        int64_t bytes() const {
            return round_up(groups * int64_t(sizeof(int64_t)) + weights * int64_t(sizeof(T)), vector_bytes);
        }
    };

    AxisPlan(const Windows &windows, char *memory) : w(windows), moves(moves_by_one(windows)) {
        copies = moves && w.length == 1 && *static_cast<const T *>(w.weights) == T(1);
        for (int64_t p = 0; copies && p < w.outputs; ++p)
            copies = w.map[p] == p;
        if (moves)
            return;
        const Table size(w);
        begin = reinterpret_cast<int64_t *>(memory);
        table = reinterpret_cast<T *>(begin + size.groups);
        clear(table, size.weights);
        for (int64_t g = 0, at = 0; g < size.groups; at += span(w, g++ * shared) * shared)
            begin[g] = at;
        for (int64_t i = 0; i < w.outputs; ++i) {
            const int64_t g = i / shared;
            T *to = table + begin[g] + (w.first[i] - w.first[g * shared]) * shared + i % shared;
            for (int64_t k = 0; k < w.length; ++k)
                checked(to + k * shared) = static_cast<const T *>(w.weights)[w.phase[i] * w.length + k];
        }
    }

    // How many of the outputs from i on, `left` at most, are summed together.
    int64_t together(int64_t left) const {
        if (!moves)
            return shared;
        return left >= moving && w.length >= moving ? moving : left >= 2 && w.length >= 2 ? 2 : 1;
    }

    // Sums of the outputs from i on, the source's line 0 being where i's window begins.
    template <class Source>
    void sum(const Source &line, int64_t i, int64_t count, int64_t width, bool padded, T *out, int64_t pitch) const {
        const T *weights = static_cast<const T *>(w.weights);
        if (!moves)
            return lines_of_sums<T, shared, false>(line, {table + begin[i / shared], span(w, i)}, width, padded, out,
                                                   pitch);
        if (count == moving)
            lines_of_sums<T, moving, true>(line, {weights, w.length}, width, padded, out, pitch);
        else if (count == 2)
            lines_of_sums<T, 2, true>(line, {weights, w.length}, width, padded, out, pitch);
        else
            lines_of_sums<T, 1, true>(line, {weights, w.length}, width, padded, out, pitch);
    }
};

// `count` values, at most a vector, rounded and clipped to integers.
template <class Out, class T> inline void put_integers(Vector<T> v, T largest, int64_t count, Out *to) {
    v = v > T(0) ? v : Vector<T>{}; // so written, NaN becomes 0
    v = v < largest ? v : broadcast(largest);
    Out few[lanes<T>];
    narrow(__builtin_convertvector(v + T(0.5), Vector<int32_t>), few);
    will_write(to, count);
    if (count == lanes<T>) [[likely]]
        __builtin_memcpy(to, few, sizeof few);
    else
        __builtin_memcpy(to, few, size_t(count) * sizeof(Out));
}

// `count` values, at most a vector, written as `to`; past the caches if `streamed` and the place is aligned.
template <class T> inline void put(Scalar to, void *out, int64_t at, Vector<T> v, int64_t count, bool streamed) {
    if constexpr (sizeof(T) == sizeof(int32_t)) {
        if (to == Scalar::u8)
            return put_integers(v, T(255), count, static_cast<uint8_t *>(out) + at);
        if (to == Scalar::u16)
            return put_integers(v, T(65535), count, static_cast<uint16_t *>(out) + at);
    }
    T *where = static_cast<T *>(out) + at;
    if (count == lanes<T> && streamed && uintptr_t(where) % vector_bytes == 0)
        stream(where, v);
    else
        store_some(where, v, count);
}

template <class In, class T> struct Sweep {
    static constexpr int64_t R = block_rows<T>, L = lanes<T>;
    using Table = typename AxisPlan<T>::Table;
    const ResampleJob &job;
    AxisPlan<T> down, across;
    In *zeros;
    int64_t C, strip, strips; // outputs of a strip
    bool streamed;

    struct Strip {
        int64_t begin, end;  // outputs
        int64_t from, to;    // padded positions
        int64_t left, right; // source columns
        int64_t start, stop; // the padded positions of a run of neighbours that holds all these columns; none if equal
    };

    // `memory` is for both plans and for a row of zeros.
    Sweep(const ResampleJob &j, char *memory)
        : job(j), down(j.down, memory), across(j.across, memory + Table(j.down).bytes()), C(j.channels) {
        const Windows &w = job.across;
        const int64_t step = w.outputs > 1 ? max(w.first[w.outputs - 1] / (w.outputs - 1), 1) : 1;
        const int64_t wanted = max(strip_elements / C, 2 * w.length);
        strip = (wanted / step + batch) / batch * batch;
        strips = (w.outputs + strip - 1) / strip;
        streamed = job.down.outputs * w.outputs * C * int64_t(sizeof(T)) > stream_above_bytes;
        zeros = reinterpret_cast<In *>(memory + Table(j.down).bytes() + Table(j.across).bytes());
        clear(zeros, row_scalars(job));
    }

    static int64_t row_scalars(const ResampleJob &job) { return job.columns * job.channels; }

    static int64_t bytes(const ResampleJob &job) {
        return Table(job.down).bytes() + Table(job.across).bytes() + row_scalars(job) * int64_t(sizeof(In));
    }

    int64_t run_end(int64_t p, int64_t last) const {
        const int64_t *map = job.across.map;
        for (++p; p < last && map[p] == map[p - 1] + 1;)
            ++p;
        return p;
    }

    Strip strip_at(int64_t s) const {
        const Windows &w = job.across;
        Strip at{s * strip, min((s + 1) * strip, w.outputs), 0, 0, job.columns, 0, 0, 0};
        at.from = w.first[at.begin], at.to = w.first[at.end - 1] + w.length;
        for (int64_t p = at.from; p < at.to; ++p)
            if (w.map[p] >= 0)
                at.left = min(at.left, w.map[p]), at.right = max(at.right, w.map[p] + 1);
        if (at.right <= at.left) // nothing but fill
            at.left = 0, at.right = 1;
        for (int64_t p = at.from; p < at.to && at.start == at.stop; ++p)
            if (w.map[p] == at.left)
                at.start = p, at.stop = run_end(p, at.to);
        if (at.stop - at.start != at.right - at.left)
            at.stop = at.start;
        return at;
    }

    // What one task works in. Transposed columns hold R values each, those of rows beyond the last of them 0.
    struct Workspace {
        int64_t pitch;
        T *lines, *columns, *sums;
        const In **rows;
    };

    void task(int64_t s, int64_t first_row, int64_t last_row) const {
        const Strip at = strip_at(s);
        Workspace m;
        m.pitch = ((at.to - at.from + at.right - at.left) * C + 6 * L) / L * L;
        const int64_t columns = (at.to - at.from) * C * R, sums = (batch + moving) * C * R;
        const int64_t lines = m.pitch * (R + shared), all = lines + columns + sums;
        const int64_t bytes = all * int64_t(sizeof(T)) + job.down.padded * int64_t(sizeof(In *));
        m.lines = reinterpret_cast<T *>(working_memory<char>(Scratch::own, bytes)), m.columns = m.lines + lines,
        m.sums = m.columns + columns;
        m.rows = reinterpret_cast<const In **>(m.lines + all); // aligned, as `all` is even
        clear(m.lines, lines);
        const In *image = static_cast<const In *>(job.image);
        for (int64_t p = job.down.first[first_row]; p < job.down.first[last_row - 1] + job.down.length; ++p) {
            const int64_t row = job.down.map[p];
            m.rows[p] = (row < 0 ? zeros : image + row * job.row_stride) + at.left * C;
        }
        for (int64_t row = first_row; row < last_row; row += R) {
            const int64_t count = min(R, last_row - row);
            sum_down(at, m, row, count);
            if (across.copies)
                write_lines(at, m, row, count);
            else if (slides(at))
                slide_across(at, m, row, count);
            else
                sum_across(at, m, row, count);
        }
    }

    void sum_down(const Strip &at, const Workspace &m, int64_t row, int64_t count) const {
        const int64_t shift = slides(at) ? (at.start - at.from) * C : 0;
        for (int64_t r = 0; r < count;) {
            const int64_t together = down.together(count - r);
            down.sum(PictureLines<In>{m.rows + job.down.first[row + r]}, row + r, together, (at.right - at.left) * C,
                     false, m.lines + r * m.pitch + shift, m.pitch);
            r += together;
        }
    }

    void write_lines(const Strip &at, const Workspace &m, int64_t row, int64_t count) const {
        for (int64_t r = 0; r < count; ++r) {
            const int64_t n = (at.end - at.begin) * C, to = ((row + r) * job.across.outputs + at.begin) * C;
            for (int64_t x = 0; x < n; x += L)
                put<T>(job.to, job.out, to + x, load(m.lines + r * m.pitch + x), min(L, n - x), streamed);
        }
    }

    // Short windows that move by one are summed where they lie: their few misaligned loads cost less than transposing.
    bool slides(const Strip &at) const { return across.moves && job.across.length <= max_slide && at.stop > at.start; }

    // Lines begin at their strip's padded start, so that the borders can be put in beside them.
    void slide_across(const Strip &at, const Workspace &m, int64_t row, int64_t count) const {
        const int64_t n = (at.end - at.begin) * C;
        for (int64_t r = 0; r < count; ++r) {
            T *line = m.lines + r * m.pitch;
            put_borders(at, line);
            const int64_t to = ((row + r) * job.across.outputs + at.begin) * C;
            int64_t x = 0;
            for (; x + 4 * L <= n; x += 4 * L)
                slide<4>(line + x, to + x, 4 * L);
            for (; x < n; x += L)
                slide<1>(line + x, to + x, min(L, n - x));
        }
    }

    void put_borders(const Strip &at, T *line) const {
        const int64_t *map = job.across.map;
        for (int64_t p = at.from; p < at.to; ++p) {
            if (p == at.start)
                p = at.stop;
            if (p == at.to)
                break;
            for (int64_t c = 0; c < C; ++c)
                checked(line + (p - at.from) * C + c) =
                    map[p] < 0 ? T(0) : line[(at.start - at.from + map[p] - at.left) * C + c];
        }
    }

    template <int V> void slide(const T *line, int64_t to, int64_t count) const {
        const T *weights = static_cast<const T *>(job.across.weights);
        SumBlock<T, 1, V> block;
        Vector<T> value[V];
        for (int64_t k = 0; k < job.across.length; ++k) {
            block.read(line + k * C, value);
            block.add(0, weights[k], value);
        }
        for (int v = 0; v < V; ++v)
            put<T>(job.to, job.out, to + v * L, block.sum[0][v], min(L, count - v * L), streamed);
    }

    void sum_across(const Strip &at, const Workspace &m, int64_t row, int64_t count) const {
        transpose_lines(at, m);
        for (int64_t begin = at.begin; begin < at.end; begin += batch) {
            const int64_t end = min(begin + batch, at.end);
            for (int64_t i = begin; i < end;) {
                const int64_t together = across.together(end - i);
                const T *window = m.columns + (job.across.first[i] - at.from) * C * R;
                across.sum(ColumnLines<T>{window, C * R}, i, together, C * R, true, m.sums + (i - begin) * C * R,
                           C * R);
                i += together;
            }
            write_columns(m, begin, end, row, count);
        }
    }

    // Columns at.from … at.to of the padded axis, from the lines; runs of neighbours go by squares.
    void transpose_lines(const Strip &at, const Workspace &m) const {
        const int64_t *map = job.across.map;
        for (int64_t p = at.from; p < at.to;) {
            if (map[p] < 0) {
                clear(m.columns + (p - at.from) * C * R, C * R);
                ++p;
                continue;
            }
            const int64_t q = run_end(p, at.to);
            transpose_run(m, m.lines + (map[p] - at.left) * C, m.columns + (p - at.from) * C * R, (q - p) * C);
            p = q;
        }
    }

    void transpose_run(const Workspace &m, const T *from, T *to, int64_t n) const {
        int64_t x = 0;
        for (; x + L <= n; x += L)
            for (int64_t r = 0; r < R; r += L) {
                Vector<T> square[L];
#pragma GCC unroll 64
                for (int i = 0; i < L; ++i)
                    square[i] = load(from + (r + i) * m.pitch + x);
                transpose<T>(square);
#pragma GCC unroll 64
                for (int i = 0; i < L; ++i)
                    store(to + (x + i) * R + r, square[i]);
            }
        for (; x < n; ++x)
            for (int64_t r = 0; r < R; ++r)
                checked(to + x * R + r) = checked(from + r * m.pitch + x);
    }

    void write_columns(const Workspace &m, int64_t begin, int64_t end, int64_t row, int64_t count) const {
        const int64_t n = (end - begin) * C;
        for (int64_t x = 0; x < n; x += L)
            for (int64_t r = 0; r < count; r += L) {
                Vector<T> square[L];
#pragma GCC unroll 64
                for (int i = 0; i < L; ++i)
                    square[i] = load(m.sums + min(x + i, n - 1) * R + r);
                transpose<T>(square);
                const int64_t to = ((row + r) * job.across.outputs + begin) * C + x;
                for (int64_t i = 0; i < min(L, count - r); ++i)
                    put<T>(job.to, job.out, to + i * job.across.outputs * C, square[i], min(L, n - x), streamed);
            }
    }
};

template <class In, class T> void run(const ResampleJob &job) {
    const Sweep<In, T> sweep(job, working_memory<char>(Scratch::shared, Sweep<In, T>::bytes(job)));
    const int64_t rows = Sweep<In, T>::R * blocks_per_task, chunks = (job.down.outputs + rows - 1) / rows;
    parallel(chunks * sweep.strips, [&](int64_t task, int) {
        const int64_t chunk = task / sweep.strips;
        sweep.task(task % sweep.strips, chunk * rows, min((chunk + 1) * rows, job.down.outputs));
        fence();
    });
}

} // namespace

void resample(const ResampleJob &job) {
    with_picture_types(job.from, [&]<class In, class T>() { run<In, T>(job); });
}

} // namespace convolens::CONVOLENS_ISA
