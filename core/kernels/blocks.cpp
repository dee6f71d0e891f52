// Correlation by transforms of overlapping blocks; see jobs/blocks.hpp.
//
// Rows' transforms run down a panel (layout.hpp); columns' go a group of rows at a time, which comes back multiplied,
// so that a block is read from memory once on its way in and once on its way out.
#include "kernels/layout.hpp"
#include "kernels/lines.hpp"

namespace convolens::CONVOLENS_ISA {

namespace {

template <class T> struct Workspace {
    T *block, *group, *line;
    explicit Workspace(const Layout<T> &at, int64_t line_scalars) {
        const int64_t block_scalars = at.scalars(), group_scalars = at.columns * 2 * at.V;
        block = working_memory<T>(Scratch::own, block_scalars + group_scalars + line_scalars);
        group = block + block_scalars;
        line = group + group_scalars;
    }
};

// The leading axes' transforms: every vector of a plane is one of `size` that lie planes apart.
template <class T, bool back> void leading_axes(T *block, const Layout<T> &at) {
    constexpr int V = lanes<T>;
    for (int d = 0; d < at.leading; ++d) {
        const int64_t apart = at.strides[d] * at.plane;
        for (int64_t p = 0; p < at.planes; ++p)
            if (p / at.strides[d] % at.sizes[d] == 0)
                for (int64_t v = 0; v < at.panels * at.rows; ++v) {
                    T *first = block + p * at.plane + v * 2 * V;
                    back ? inverse<T>(first, apart, *at.of_leading[d]) : forward<T>(first, apart, *at.of_leading[d]);
                }
    }
}

// The whole way of one block: transforms, product, transforms back.
template <class T> void filter(const Workspace<T> &work, const T *spectrum, const Layout<T> &at) {
    constexpr int V = lanes<T>;
    leading_axes<T, false>(work.block, at);
    for (int64_t q = 0; q < at.planes; ++q) {
        T *plane = work.block + q * at.plane;
        for (int64_t p = 0; p < at.panels; ++p)
            forward<T>(plane + p * at.panel, 2 * V, *at.of_rows);
        for (int64_t g = 0; g < at.groups; ++g, spectrum += at.columns * 2 * V) {
            columns_forward(plane, g, work.group, at);
            multiply_spectrum<T, false>(work.group, spectrum, at.columns);
            columns_inverse(plane, g, work.group, at);
        }
        for (int64_t p = 0; p < at.panels; ++p)
            inverse<T>(plane + p * at.panel, 2 * V, *at.of_rows);
    }
    leading_axes<T, true>(work.block, at);
}

template <class T> void spectrum_of(const SpectrumJob &job) {
    constexpr int V = lanes<T>;
    const Layout<T> at(job.shape);
    const Workspace<T> work(at, 0);
    clear(work.block, at.scalars());
    const bool folded = job.shape.twiddles;
    int64_t count = 1;
    for (int d = 0; d < job.axes; ++d)
        count *= job.kernel_shape[d];
    // Tap k stands at -k, so that output i of the product is Σ weights[k] · x[i + k].
    const T *weights = static_cast<const T *>(job.weights);
    const T scale = T(1.0L / (long double)(at.planes * at.rows * at.columns));
    for (int64_t k = 0; k < count; ++k) {
        int64_t rest = k, place[max_axes];
        for (int d = job.axes; d-- > 0; rest /= job.kernel_shape[d])
            place[d] = rest % job.kernel_shape[d];
        auto wrapped = [](int64_t k, int64_t n) { return k ? n - k : 0; };
        int64_t plane = 0, row, column;
        if (folded) {
            const int64_t at_line = wrapped(place[0], at.rows * at.columns);
            row = at_line / at.columns, column = at_line % at.columns;
        } else {
            for (int d = 0; d < at.leading; ++d)
                plane += wrapped(place[d], at.sizes[d]) * at.strides[d];
            row = wrapped(place[at.leading], at.rows), column = wrapped(place[at.leading + 1], at.columns);
        }
        T *to = work.block + plane * at.plane + column / V * at.panel + row * 2 * V + column % V;
        checked(to) = checked(weights + k) * scale;
        checked(to + V) = job.parts == 2 ? checked(weights + count + k) * scale : T(0);
    }
    leading_axes<T, false>(work.block, at);
    T *to = static_cast<T *>(job.spectrum);
    for (int64_t q = 0; q < at.planes; ++q) {
        T *plane = work.block + q * at.plane;
        for (int64_t p = 0; p < at.panels; ++p)
            forward<T>(plane + p * at.panel, 2 * V, *at.of_rows);
        for (int64_t g = 0; g < at.groups; ++g, to += at.columns * 2 * V)
            columns_forward(plane, g, to, at);
    }
}

// The signal's blocks: where they lie, how they come in and how their outputs leave.
template <class T> struct Tiling {
    static constexpr int V = lanes<T>;
    const Correlation &c;
    const Lines<T> lines;
    const Layout<T> at;
    int batch, axes;                                          // the convolved axes are [batch, axes)
    int64_t sizes[max_axes], steps[max_axes], many[max_axes]; // of blocks, along each axis
    int64_t blocks = 1;

    explicit Tiling(const BlocksJob &job) : c(job.correlation), lines(c), at(job.shape) {
        axes = c.count, batch = axes - job.convolved;
        for (int d = 0; d < axes; ++d) {
            sizes[d] = d < batch ? 1 : job.convolved == 1 ? at.rows * at.columns : length(d - batch);
            steps[d] = sizes[d] - c.axes[d].kernel_size + 1;
            many[d] = ceil_div(c.axes[d].size, steps[d]);
            blocks *= many[d];
        }
    }
    int64_t length(int d) const { return d < at.leading ? at.sizes[d] : d == at.leading ? at.rows : at.columns; }
    bool folded() const { return axes - batch == 1; }
    int64_t row_length() const { return folded() ? at.columns : sizes[axes - 1]; }

    struct Origin {
        int64_t at[max_axes];
    };
    Origin origin(int64_t block) const {
        Origin o;
        for (int d = axes; d-- > 0; block /= many[d])
            o.at[d] = block % many[d] * steps[d];
        return o;
    }

    void gather(T *block, T *spare, int64_t number) const;
    bool scatter(const T *block, T *spare, int64_t number, int part, T factor) const;

private:
    // Steps through the rows of a block: for each, its first element in the block, the positions on the axes above the
    // line, and where on the line it begins.
    template <class F> void each_row(const Origin &o, const F &row) const {
        const int64_t count = folded() ? at.rows : at.planes * at.rows;
        for (int64_t i = 0; i < count; ++i) {
            Origin p = o;
            if (folded()) {
                p.at[axes - 1] += i * at.columns;
            } else {
                int64_t rest = i;
                for (int d = axes - 1; d-- > batch; rest /= sizes[d])
                    p.at[d] += rest % sizes[d];
            }
            row(p, i / at.rows * at.plane + i % at.rows * 2 * V);
        }
    }
};

// `n` scalars of a row, `hop` apart, into its lane of every panel; the row's rest becomes zero.
template <class T> void put_row(const T *from, int64_t n, int64_t hop, T *to, const Layout<T> &at) {
    constexpr int V = lanes<T>;
    for (int64_t p = 0, done = 0; p < at.panels; ++p, to += at.panel, done += V) {
        if (done + V <= n && hop == 1) {
            store(to, load(from + done));
            continue;
        }
        for (int64_t i = 0; i < V; ++i)
            checked(to + i) = done + i < n ? checked(from + (done + i) * hop) : T(0);
    }
}

template <class T> void Tiling<T>::gather(T *block, T *spare, int64_t number) const {
    const Axis &line = c.axes[axes - 1];
    const int64_t available = line.size + line.kernel_size - 1;
    for (int64_t one = 0; one < (c.parts == 2 ? 1 : 2); ++one) {
        const int64_t which = number + one;
        const Origin o = origin(which < blocks ? which : 0);
        each_row(o, [&](const Origin &p, int64_t place) {
            T *to = block + place + one * V;
            const int64_t begin = p.at[axes - 1], n = min(row_length(), available - begin);
            bool inside = which < blocks && n > 0, filled = false;
            int64_t offset = 0;
            for (int d = 0; d < axes - 1 && inside; ++d) {
                const Axis &axis = c.axes[d];
                if (p.at[d] >= axis.size + axis.kernel_size - 1) {
                    inside = false;
                    break;
                }
                const int64_t m = axis.map[p.at[d]];
                filled |= m < 0;
                offset += max(m, 0) * axis.x_stride;
            }
            if (!inside) {
                for (int part = 0; part < c.parts; ++part)
                    put_row<T>(nullptr, 0, 1, to + part * V, at);
                return;
            }
            const char *row = advance(c.x, c.from, offset);
            const T *from = spare;
            if (filled)
                lines.fill_line(spare, n * c.parts);
            else if (lines.readable(begin, begin + n))
                from = lines.at(row, begin);
            else
                lines.gather(row, begin, begin + n, spare);
            for (int part = 0; part < c.parts; ++part)
                put_row<T>(from + part, n, c.parts, to + part * V, at);
        });
    }
}

// What the second block of a pair is multiplied by on its way in, and both on their way out.
template <class T> struct Balance {
    T in = 1, out[2] = {1, 1};
};

// Rounding errors are in proportion to a pair's larger block. So that a quiet one keeps its digits beside a loud one,
// it is brought to about the same size by a power of two, which is exact; and one of zeros stays zeros.
template <class T> Balance<T> balanced(T *block, const Layout<T> &at) {
    constexpr int V = lanes<T>;
    Vector<T> max_re{}, max_im{};
    auto widen_to = [](Vector<T> &to, Vector<T> v) {
        const Vector<T> size = v < 0 ? -v : v;
        to = size > to ? size : to;
    };
    for (int64_t q = 0; q < at.planes; ++q)
        for (T *v = block + q * at.plane, *end = v + at.panels * at.panel; v < end; v += 2 * V)
            widen_to(max_re, load(v)), widen_to(max_im, load(v + V));
    T re = 0, im = 0;
    for (int i = 0; i < V; ++i)
        re = re < max_re[i] ? max_re[i] : re, im = im < max_im[i] ? max_im[i] : im;
    Balance<T> balance;
    balance.out[0] = re > 0, balance.out[1] = im > 0;
    if (!(re > 0 && im > 0 && __builtin_isfinite(re) && __builtin_isfinite(im)))
        return balance;
    constexpr int max_power = sizeof(T) == 4 ? 120 : 1000;
    int up = __builtin_ilogb(re) - __builtin_ilogb(im);
    up = up > max_power ? max_power : up < -max_power ? -max_power : up;
    if (up > -4 && up < 4)
        return balance;
    balance.in = T(__builtin_ldexp(1.0, up)), balance.out[1] = T(__builtin_ldexp(1.0, -up));
    for (int64_t q = 0; q < at.planes; ++q)
        for (T *v = block + q * at.plane + V, *end = v + at.panels * at.panel; v < end; v += 2 * V)
            store(v, load(v) * balance.in);
    return balance;
}

// Writes the outputs of a block that is the real (part 0) or imaginary part of what came back, times `factor`; complex
// ones have both parts. False if one of them is a NaN or infinity.
template <class T> bool Tiling<T>::scatter(const T *block, T *spare, int64_t number, int part, T factor) const {
    const Origin o = origin(number);
    Vector<T> sum = broadcast(T(0)); // 0 · x is 0 only for finite x
    T last = 0;
    each_row(o, [&](const Origin &p, int64_t place) {
        int64_t offset = 0;
        for (int d = 0; d < axes; ++d) {
            const int64_t stop = min(o.at[d] + steps[d], c.axes[d].size);
            if (p.at[d] >= stop)
                return;
            if (d < axes - 1)
                offset += p.at[d] * c.axes[d].out_stride;
        }
        const int64_t begin = p.at[axes - 1];
        const int64_t end = min(min(begin + row_length(), o.at[axes - 1] + steps[axes - 1]), c.axes[axes - 1].size);
        const T *from = block + place + part * V;
        for (int64_t i = 0; i < end - begin; i += V, from += at.panel) {
            const int64_t n = min(V, end - begin - i);
            if (c.parts == 2) {
                for (int64_t k = 0; k < n; ++k) {
                    will_write(spare + 2 * (i + k), 2);
                    spare[2 * (i + k)] = from[k], spare[2 * (i + k) + 1] = from[V + k];
                    last += T(0) * from[k] + T(0) * from[V + k];
                }
            } else if (n == V) {
                const Vector<T> v = load(from);
                sum += T(0) * v;
                store(spare + i, factor * v);
            } else {
                for (int64_t k = 0; k < n; ++k)
                    checked(spare + i + k) = factor * checked(from + k), last += T(0) * from[k];
            }
        }
        if (c.to == Scalar::i64)
            for (int64_t i = 0; i < end - begin; ++i)
                spare[i] = __builtin_rint(spare[i]);
        lines.write(spare, const_cast<char *>(advance(c.out, c.to, offset)), begin, end);
    });
    for (int i = 0; i < V; ++i)
        last += sum[i];
    return last == T(0);
}

constexpr int64_t few_points = 1 << 14; // worth about 30 µs: not worth waking a thread

template <class T> void run(const BlocksJob &job) {
    const Tiling<T> tiling(job);
    const int each = job.correlation.parts == 2 ? 1 : 2;
    const auto one = [&](int64_t task, int) {
        const Workspace<T> work(tiling.at, tiling.row_length() * 2 + tiling.V);
        tiling.gather(work.block, work.line, task * each);
        const Balance<T> balance = each == 2 ? balanced(work.block, tiling.at) : Balance<T>{};
        filter(work, static_cast<const T *>(job.spectrum), tiling.at);
        bool finite = true;
        for (int64_t one = 0; one < each && task * each + one < tiling.blocks; ++one)
            finite &= tiling.scatter(work.block, work.line, task * each + one, int(one), balance.out[one]);
        job.contaminated[task] = !finite;
        fence(); // after streaming stores
    };
    if (job.tasks * tiling.at.scalars() / 2 > few_points)
        return parallel(job.tasks, one);
    for (int64_t task = 0; task < job.tasks; ++task)
        one(task, 0);
}

} // namespace

int64_t spectrum_scalars(const BlockShape &shape) {
    return shape.in == Scalar::f32 ? Layout<float>(shape).spectrum_scalars() : Layout<double>(shape).spectrum_scalars();
}

void spectrum(const SpectrumJob &job) {
    job.shape.in == Scalar::f32 ? spectrum_of<float>(job) : spectrum_of<double>(job);
}

void blocks(const BlocksJob &job) { job.shape.in == Scalar::f32 ? run<float>(job) : run<double>(job); }

} // namespace convolens::CONVOLENS_ISA
