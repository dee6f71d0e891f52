#include "runtime/fourier.hpp"
#include "runtime/fork.hpp"
#include "runtime/platform.hpp"

#include <cmath>
#include <list>
#include <map>
#include <new>
#include <numbers>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace convolens {
namespace {

// Roots of unity are computed more precisely than they are stored.
template <class T> using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

// Roots w^k of order n, k below n, as products of few computed ones.
template <class T> class Roots {
public:
    explicit Roots(int64_t n) : step_(int64_t(std::sqrt(double(n))) + 1) {
        for (int64_t i = 0; i < step_; ++i)
            fine_.push_back(root(i, n)), coarse_.push_back(root(i * step_, n));
    }
    void write(int64_t k, T *cosine, T *minus_sine) const {
        const Root a = coarse_[size_t(k / step_)], b = fine_[size_t(k % step_)];
        *cosine = T(a.cosine * b.cosine - a.sine * b.sine);
        *minus_sine = -T(a.sine * b.cosine + a.cosine * b.sine);
    }

private:
    struct Root {
        Wide<T> cosine, sine;
    };
    static Root root(int64_t k, int64_t n) {
        const Wide<T> angle = 2 * std::numbers::pi_v<Wide<T>> * Wide<T>(k % n) / Wide<T>(n);
        return {std::cos(angle), std::sin(angle)};
    }
    int64_t step_;
    std::vector<Root> fine_, coarse_;
};

// Eights first, as they touch memory least; no two that a four and a two would beat.
std::vector<int> radices(int64_t n) {
    std::vector<int> found;
    int twos = 0;
    for (; n % 2 == 0; n /= 2)
        ++twos;
    for (; twos > 4 || twos == 3; twos -= 3)
        found.push_back(8);
    for (; twos >= 2; twos -= 2)
        found.push_back(4);
    if (twos == 1)
        found.push_back(2);
    for (int r : {3, 5})
        for (; n % r == 0; n /= r)
            found.push_back(r);
    if (n != 1)
        throw std::invalid_argument("blocks: need sizes that are products of 2, 3 and 5");
    return found;
}

template <class T> struct Made {
    Length<T> length{};
    std::vector<T> tables[max_passes];
};

template <class T> void make(Made<T> &made, int64_t n) {
    const Roots<T> roots(n);
    made.length.n = n;
    int64_t sub = n;
    for (int r : radices(n)) {
        const int pass = made.length.passes++;
        std::vector<T> &table = made.tables[pass];
        const int64_t places = sub / r;
        table.resize(size_t(2 * places * (r - 1)));
        for (int64_t j = 0; j < places; ++j)
            for (int q = 1; q < r; ++q) {
                T *at = &table[size_t(2 * (j * (r - 1) + q - 1))];
                roots.write(j * q * (n / sub) % n, at, at + 1);
            }
        made.length.radix[pass] = r, made.length.twiddles[pass] = table.data();
        sub = places;
    }
}

// The frequency that each place holds after the forward passes.
std::vector<int64_t> frequencies(int64_t n) {
    std::vector<int64_t> of(size_t(n), 0);
    int64_t sub = n, weight = 1;
    for (int r : radices(n)) {
        const int64_t places = sub / r;
        for (int64_t p = 0; p < n; ++p)
            of[size_t(p)] += weight * (p / places % r);
        weight *= r, sub = places;
    }
    return of;
}

ForkSafeMutex making;

template <class T> std::shared_ptr<T> a_table(int64_t scalars) {
    T *table = static_cast<T *>(allocate_aligned((size_t(scalars) * sizeof(T) + 63) / 64 * 64));
    if (!table)
        throw std::bad_alloc();
    return {table, [](T *p) { free_aligned(p); }};
}

} // namespace

template <class T> const Length<T> &length_of(int64_t n) {
    static auto *const kept = new std::map<int64_t, std::unique_ptr<Made<T>>>; // never destroyed: see threads.cpp
    std::lock_guard lock(making);
    if (const auto at = kept->find(n); at != kept->end())
        return at->second->length;
    auto made = std::make_unique<Made<T>>();
    make(*made, n); // kept only when it is whole
    return kept->emplace(n, std::move(made)).first->second->length;
}

template <class T> std::shared_ptr<const T> line_twiddles(int64_t rows, int64_t columns, int64_t lanes) {
    struct Kept {
        int64_t rows, columns, lanes;
        std::shared_ptr<const T> table;
    };
    constexpr size_t max_kept = 6;
    static auto *const kept = new std::list<Kept>;
    std::lock_guard lock(making);
    for (const Kept &one : *kept)
        if (one.rows == rows && one.columns == columns && one.lanes == lanes)
            return one.table;
    const int64_t n = rows * columns;
    const std::shared_ptr<T> table = a_table<T>(2 * n);
    const Roots<T> roots(n);
    const std::vector<int64_t> frequency = frequencies(rows);
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) {
            T *at = table.get() + (r / lanes * columns + c) * 2 * lanes + r % lanes;
            roots.write(frequency[size_t(r)] * c, at, at + lanes);
        }
    kept->push_front({rows, columns, lanes, table});
    if (kept->size() > max_kept)
        kept->pop_back();
    return table;
}

template <class T> std::shared_ptr<const T> right_angle(int64_t n) {
    static auto *const kept = new std::map<int64_t, std::weak_ptr<const T>>;
    std::lock_guard lock(making);
    std::weak_ptr<const T> &known = (*kept)[n];
    if (std::shared_ptr<const T> table = known.lock())
        return table;
    const std::shared_ptr<T> table = a_table<T>(2 * n);
    const Roots<T> roots(4 * n);
    for (int64_t j = 0; j < n; ++j) {
        T minus_sine;
        roots.write(j, table.get() + j, &minus_sine);
        table.get()[n + j] = -minus_sine;
    }
    known = table;
    return table;
}

template const Length<float> &length_of<float>(int64_t);
template const Length<double> &length_of<double>(int64_t);
template std::shared_ptr<const float> line_twiddles<float>(int64_t, int64_t, int64_t);
template std::shared_ptr<const double> line_twiddles<double>(int64_t, int64_t, int64_t);
template std::shared_ptr<const float> right_angle<float>(int64_t);
template std::shared_ptr<const double> right_angle<double>(int64_t);

} // namespace convolens
