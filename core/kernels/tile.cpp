// The innermost loops of a correlation: R rows × V vectors of results held in registers.
//
//   for each group of kernel rows (one plane of the kernel)
//     for every 5 or fewer of its rows, K
//       for each weight k along the line
//         for each of the R + K - 1 lines that these results look at
//           load V vectors once; multiply-add them into every result row whose window holds the line
//
// So a loaded vector serves up to min(R, K) results and a loaded weight R·V; the sum runs in one order for a given
// kernel whatever R and V are. Nothing outside a result's window is multiplied by zero: 0·NaN would contaminate it.
#include "kernels/tile.hpp"

namespace convolens::CONVOLENS_ISA {
namespace {

template <class T, int P, int R, int V> struct TileSums {
    Vector<T> at[P][R][V];
};

template <int K, class T, int P, int R, int V>
[[gnu::always_inline]] inline void add_rows(TileSums<T, P, R, V> &sums, const T *const *lines, int64_t offset,
                                            const T *weights, int64_t imaginary, int64_t width, int64_t step) {
    const T *x[R + K - 1];
#pragma GCC unroll 16
    for (int r = 0; r < R + K - 1; ++r)
        x[r] = lines[r] + offset;
    for (int64_t k = 0; k < width; ++k) {
        Vector<T> w[P][K];
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
            for (int j = 0; j < K; ++j)
                w[p][j] = broadcast(weights[p * imaginary + j * width + k]);
#pragma GCC unroll 16
        for (int r = 0; r < R + K - 1; ++r)
#pragma GCC unroll 16
            for (int v = 0; v < V; ++v) {
                Vector<T> value = load(x[r] + k * step + v * lanes<T>);
                hold<T>(value);
#pragma GCC unroll 16
                for (int j = 0; j < R; ++j)
                    if (r - j >= 0 && r - j < K)
#pragma GCC unroll 2
                        for (int p = 0; p < P; ++p)
                            sums.at[p][j][v] += w[p][r - j] * value;
            }
    }
}

// How many kernel rows are applied together: as many as leave registers for the rest (more was measured to gain
// nothing), and no single one at the end.
constexpr int max_kernel_rows = 5;

inline int64_t rows_at_once(int64_t left) {
    return left <= max_kernel_rows ? left : left == max_kernel_rows + 1 ? (left + 1) / 2 : max_kernel_rows;
}

// Results [offset, offset + count) of R rows beginning with `row` of the groups' lines, to out, out + pitch, …
// count is V·lanes or less; reading runs over V·lanes in any case.
template <class T, int P, int R, int V>
inline void tile(Groups<T> groups, int64_t step, int64_t row, int64_t offset, T *out, int64_t pitch, int64_t count) {
    TileSums<T, P, R, V> sums;
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
            for (int v = 0; v < V; ++v)
                sums.at[p][r][v] = Vector<T>{};
    for (int64_t g = 0; g < groups.count; ++g) {
        const T *const *lines = groups.at[g].lines + row;
        const T *weights = groups.at[g].weights;
        const int64_t width = groups.at[g].width;
        for (int p = 0; p < P; ++p)
            will_read(weights + p * groups.imaginary, groups.at[g].height * width);
        for (int64_t left = groups.at[g].height; left > 0;) {
            const int64_t rows = rows_at_once(left);
            auto add = [&]<int K>() [[gnu::always_inline]] {
                add_rows<K>(sums, lines, offset, weights, groups.imaginary, width, step);
            };
            switch (rows) {
            case 1:
                add.template operator()<1>();
                break;
            case 2:
                add.template operator()<2>();
                break;
            case 3:
                add.template operator()<3>();
                break;
            case 4:
                add.template operator()<4>();
                break;
            default:
                add.template operator()<5>();
            }
            left -= rows, lines += rows, weights += rows * width;
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) {
            Vector<T> sum = sums.at[0][r][v];
            if constexpr (P == 2)
                sum = complex_sum<T>(sum, sums.at[1][r][v]);
            store_some(out + r * pitch + v * lanes<T>, sum, count - v * lanes<T>);
        }
}

} // namespace

template <class T, int P>
void tiles(Groups<T> groups, int64_t step, int64_t rows, int64_t width, T *out, int64_t pitch, bool exact) {
    constexpr int R = tile_rows<P>, V = tile_vectors, L = lanes<T>;
    auto row_of_tiles = [&]<int Rows>(int64_t row) {
        T *to = out + row * pitch;
        int64_t i = 0;
        for (; i + V * L <= width; i += V * L)
            tile<T, P, Rows, V>(groups, step, row, i, to + i, pitch, V * L);
        for (; i < width; i += L) {
            if (exact)
                i = min(i, width - L);
            tile<T, P, Rows, 1>(groups, step, row, i, to + i, pitch, width - i);
        }
    };
    int64_t row = 0;
    for (; row + R <= rows; row += R)
        row_of_tiles.template operator()<R>(row);
    for (; row < rows; ++row)
        row_of_tiles.template operator()<1>(row);
}

template void tiles<float, 1>(Groups<float>, int64_t, int64_t, int64_t, float *, int64_t, bool);
template void tiles<float, 2>(Groups<float>, int64_t, int64_t, int64_t, float *, int64_t, bool);
template void tiles<double, 1>(Groups<double>, int64_t, int64_t, int64_t, double *, int64_t, bool);
template void tiles<double, 2>(Groups<double>, int64_t, int64_t, int64_t, double *, int64_t, bool);
template void tiles<uint64_t, 1>(Groups<uint64_t>, int64_t, int64_t, int64_t, uint64_t *, int64_t, bool);

} // namespace convolens::CONVOLENS_ISA
