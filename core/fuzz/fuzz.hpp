// What the fuzzing of the kernels shares: numbers from the fuzzer, arrays of exactly the size that a job may touch, and
// the comparison of what the instruction sets compute.
//
// Values are small whole numbers, so that sums are exact: kernels that only add and multiply must give the same bits on
// every instruction set, the others the same within rounding.
#pragma once
#include "jobs/correlation.hpp"
#include "runtime/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace convolens::fuzzing {

// The fuzzer's bytes as numbers, from the end on: as many for each as its range needs, zeros when there are no more.
class Data {
public:
    Data(const uint8_t *bytes, size_t size) : bytes_(bytes), left_(size) {}

    int64_t in(int64_t least, int64_t most) {
        const uint64_t range = uint64_t(most) - uint64_t(least);
        uint64_t number = 0;
        for (int bits = 0; bits < 64 && range >> bits && left_; bits += 8)
            number = number << 8 | bytes_[--left_];
        return int64_t(uint64_t(least) + (range == UINT64_MAX ? number : number % (range + 1)));
    }
    bool coin() { return in(0, 1); }
    size_t left() const { return left_; }

private:
    const uint8_t *bytes_;
    size_t left_;
};

inline int64_t in(Data &data, int64_t least, int64_t most) { return data.in(least, most); }

// Memory between two pages that nobody may touch, which it ends at (or, `at_front`, begins at): what goes past it ends
// the process, also in code that no sanitizer knows.
class Fenced {
public:
    Fenced(int64_t bytes, bool at_front);
    ~Fenced();
    Fenced(Fenced &&other) noexcept { swap(other); }
    Fenced &operator=(Fenced &&other) noexcept {
        swap(other);
        return *this;
    }
    char *data() const { return data_; }

private:
    void swap(Fenced &other) {
        std::swap(all_, other.all_), std::swap(bytes_, other.bytes_), std::swap(data_, other.data_);
    }
    char *all_ = nullptr, *data_ = nullptr;
    int64_t bytes_ = 0;
};

// An array of exactly so many numbers, at first zeros.
template <class T> class Exactly {
public:
    explicit Exactly(int64_t count, bool at_front = false)
        : count_(count), memory_(count * int64_t(sizeof(T)), at_front) {}
    T *data() { return reinterpret_cast<T *>(memory_.data()); }
    int64_t size() const { return count_; }
    T &operator[](int64_t at) { return data()[at]; }

    void fill_from(Data &data) {
        // A few bytes decide, as the fuzzer would otherwise spend its input on values that no branch looks at.
        uint32_t state = uint32_t(in(data, 0, 65535)) + 1u;
        for (int64_t i = 0; i < size(); ++i) {
            state = state * 1664525u + 1013904223u;
            (*this)[i] = T(int(state >> 24) % 9 - (std::is_unsigned_v<T> ? 0 : 4) * (T(-1) < T(0)));
        }
        if constexpr (std::is_floating_point_v<T>)
            while (size() > 0 && data.left() > 0 && in(data, 0, 7) == 7)
                (*this)[in(data, 0, size() - 1)] = data.coin() ? T(NAN) : T(INFINITY);
    }

    void fill_finite(Data &data) {
        fill_from(data);
        for (int64_t i = 0; i < size(); ++i)
            if (!std::isfinite(double((*this)[i])))
                (*this)[i] = 1;
    }

private:
    int64_t count_;
    Fenced memory_;
};

// The longest stretch of a map that goes up by one, as the kernels read it in place.
inline void find_run(Axis &axis, const std::vector<int64_t> &map) {
    for (int64_t begin = 0, end; begin < int64_t(map.size()); begin = end) {
        for (end = begin + 1; end < int64_t(map.size()) && map[begin] >= 0 && map[end] == map[begin] + end - begin;)
            ++end;
        if (map[begin] >= 0 && end - begin > axis.run_end - axis.run_begin)
            axis.run_begin = begin, axis.run_end = end;
    }
}

// Where each padded position comes from.
inline std::vector<int64_t> a_map(Data &data, int64_t size, int64_t count) {
    std::vector<int64_t> map(size_t(count), 0);
    const int64_t kind = in(data, 0, 3), before = in(data, 0, count);
    for (int64_t p = 0; p < count; ++p) {
        const int64_t at = p - before;
        if (kind == 0) // constant
            map[p] = at < 0 || at >= size ? -1 : at;
        else if (kind == 1) // edge
            map[p] = std::clamp(at, int64_t(0), size - 1);
        else if (kind == 2) // wrap
            map[p] = ((at % size) + size) % size;
        else // anything
            map[p] = in(data, -1, size - 1);
    }
    return map;
}

using Result = std::vector<double>;

template <class T> Result result_of(Exactly<T> &array) { return Result(array.data(), array.data() + array.size()); }

// Runs `compute` on every instruction set, and ends the process where two results differ by more than `allowed`.
template <class F> void on_each_set(const char *what, double allowed, const F &compute);
void compare(const char *what, const char *set, const Result &first, const Result &other, double allowed);
std::vector<const char *> sets();

template <class F> void on_each_set(const char *what, double allowed, const F &compute) {
    Result first;
    for (const char *set : sets()) {
        use_instruction_set(set);
        Result result = compute();
        if (first.empty())
            first = std::move(result);
        else
            compare(what, set, first, result, allowed);
    }
}

void correlations(Data &data);
void spectra(Data &data);
void streams(Data &data);
void pictures(Data &data);
void convolution_layers(Data &data);
void pooling_layers(Data &data);

} // namespace convolens::fuzzing
