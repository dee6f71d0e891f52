// Lines: the innermost axis of a correlation, gathered into scratch where it cannot be read in place, and results
// written back in whatever type and stride the output has.
#pragma once
#include "jobs/correlation.hpp"
#include "kernels/simd.hpp"
#include "kernels/working_memory.hpp"
#include "runtime/threads.hpp"

namespace convolens::CONVOLENS_ISA {

// Calls f with a null pointer of the type that `scalar` names.
template <class F> inline void with_type(Scalar scalar, const F &f) {
    switch (scalar) {
    case Scalar::u8:
        return f((uint8_t *)nullptr);
    case Scalar::i8:
        return f((int8_t *)nullptr);
    case Scalar::u16:
        return f((uint16_t *)nullptr);
    case Scalar::i16:
        return f((int16_t *)nullptr);
    case Scalar::u32:
        return f((uint32_t *)nullptr);
    case Scalar::i32:
        return f((int32_t *)nullptr);
    case Scalar::i64:
        return f((int64_t *)nullptr);
    case Scalar::f32:
        return f((float *)nullptr);
    case Scalar::f64:
        return f((double *)nullptr);
    }
}

// Calls f<T, P>() with the type that a correlation is summed in and the parts of its numbers: 1 real, 2 complex.
template <class F> inline void with_sums(const Correlation &c, const F &f) {
    switch (c.in) {
    case Scalar::f32:
        return c.parts == 2 ? f.template operator()<float, 2>() : f.template operator()<float, 1>();
    case Scalar::f64:
        return c.parts == 2 ? f.template operator()<double, 2>() : f.template operator()<double, 1>();
    default:
        return f.template operator()<uint64_t, 1>(); // unsigned: lanes beyond the results may wrap
    }
}

// What every line of one correlation has in common.
template <class T> struct Lines {
    Axis axis;
    Block block;
    Scalar from, to;
    int parts;
    T fill[2];
    bool in_place;   // a stretch of x inside the run can be read where it lies
    bool contiguous; // the output's too
    bool to_same;    // the output holds what is summed
    bool streaming;  // the output is much larger than the caches

    explicit Lines(const Correlation &c);

    // Positions [begin, end) of the padded axis read nothing but consecutive samples of x.
    bool readable(int64_t begin, int64_t end) const {
        return in_place && begin >= axis.run_begin && end <= axis.run_end;
    }

    const T *at(const void *row, int64_t begin) const {
        return static_cast<const T *>(row) + axis.map[begin] * axis.x_stride;
    }

    // Results may be written where they belong; else they go by way of scratch, and write() puts them there.
    bool straight() const { return contiguous && to_same && !streaming; }

    // Padded positions [begin, end) of the line that starts at `row`, into `to`.
    void gather(const void *row, int64_t begin, int64_t end, T *to) const;

    // `scalars` fill values.
    void fill_line(T *to, int64_t scalars) const {
        will_write(to, scalars);
        for (int64_t i = 0; i < scalars; ++i)
            to[i] = fill[parts == 2 ? i & 1 : 0];
    }

    // Results of positions [begin, end) from `from_line` to the output line at `row`.
    void write(const T *from_line, void *row, int64_t begin, int64_t end) const;
};

inline int64_t bytes_of(Scalar s) {
    switch (s) {
    case Scalar::u8:
    case Scalar::i8:
        return 1;
    case Scalar::u16:
    case Scalar::i16:
        return 2;
    case Scalar::u32:
    case Scalar::i32:
    case Scalar::f32:
        return 4;
    default:
        return 8;
    }
}

inline const char *advance(const void *p, Scalar s, int64_t scalars) {
    return static_cast<const char *>(p) + scalars * bytes_of(s);
}

template <class T> Lines<T>::Lines(const Correlation &c) {
    axis = c.axes[c.count - 1];
    block = c.block;
    from = c.from, to = c.to, parts = c.parts;
    for (int i = 0; i < 2; ++i)
        fill[i] = c.in == Scalar::i64 ? T(c.integer_fill) : T(c.fill[i]);
    in_place = c.from == c.in && (block.size == 1 || block.x_stride == 1) && axis.x_stride == block.size;
    contiguous = (block.size == 1 || block.out_stride == 1) && axis.out_stride == block.size;
    int64_t total = block.size;
    for (int a = 0; a < c.count; ++a)
        total *= c.axes[a].size;
    to_same = c.to == c.in;
    streaming = to_same && contiguous && total * bytes_of(to) > stream_above_bytes;
}

template <class T> void Lines<T>::gather(const void *row, int64_t begin, int64_t end, T *to_line) const {
    with_type(from, [&](auto *kind) {
        const auto *x = static_cast<const __typeof__(*kind) *>(row);
        const int64_t size = block.size, inner = block.x_stride, stride = axis.x_stride;
        T *__restrict line = to_line;
        auto one_by_one = [&](int64_t p0, int64_t p1) {
            for (int64_t p = p0; p < p1; ++p) {
                const int64_t m = axis.map[p];
                T *at = line + (p - begin) * size;
                for (int64_t b = 0; b < size; ++b)
                    checked(at + b) = m < 0 ? fill[parts == 2 ? b & 1 : 0] : T(checked(x + m * stride + b * inner));
            }
        };
        const int64_t r0 = max(min(axis.run_begin, end), begin), r1 = max(min(axis.run_end, end), r0);
        one_by_one(begin, r0);
        if (r1 > r0) {
            const auto *run = x + axis.map[r0] * stride;
            T *at = line + (r0 - begin) * size;
            const int64_t n = r1 - r0;
            will_write(at, n * size);
            if ((size == 1 || inner == 1) && stride == size)
                for (int64_t i = 0; i < n * size; ++i)
                    at[i] = T(checked(run + i));
            else
                for (int64_t b = 0; b < size; ++b)
                    for (int64_t i = 0; i < n; ++i)
                        at[i * size + b] = T(checked(run + i * stride + b * inner));
        }
        one_by_one(r1, end);
    });
}

// n scalars past the caches; head and tail by ordinary stores.
template <class T> inline void stream_line(const T *from, T *to, int64_t n) {
    int64_t i = min(n, int64_t((-(uintptr_t)to % vector_bytes) / sizeof(T)));
    will_write(to, n), will_read(from, n);
    __builtin_memcpy(to, from, size_t(i) * sizeof(T));
    for (; i + lanes<T> <= n; i += lanes<T>)
        stream(to + i, load(from + i));
    __builtin_memcpy(to + i, from + i, size_t(n - i) * sizeof(T));
}

template <class T> void Lines<T>::write(const T *line, void *row, int64_t begin, int64_t end) const {
    const int64_t size = block.size, inner = block.out_stride, stride = axis.out_stride, n = end - begin;
    auto put = [&]<class Out>(Out *__restrict out) {
        if (contiguous)
            for (int64_t i = 0; i < n * size; ++i)
                checked(out + i) = Out(checked(line + i));
        else
            for (int64_t b = 0; b < size; ++b)
                for (int64_t i = 0; i < n; ++i)
                    checked(out + i * stride + b * inner) = Out(checked(line + i * size + b));
    };
    if (to == Scalar::i64)
        return put(static_cast<int64_t *>(row) + begin * stride);
    T *out = static_cast<T *>(row) + begin * stride;
    if (streaming)
        stream_line(line, out, n * size);
    else
        put(out);
}

} // namespace convolens::CONVOLENS_ISA
