// What follows a panel's sums while they are in registers: scale, bias, residual, ReLU, and the store.
#pragma once
#include "kernels/epilogue.hpp"
#include "kernels/gemm.hpp"
#include "kernels/levels.hpp"

namespace convolens::CONVOLENS_ISA {

// Sums of `count` outputs for a panel that ends beyond the last filter.
[[gnu::noinline]] inline void store_last_panel(const ConvJob &job, const float *sums, const int64_t *at, int64_t count,
                                               int64_t filter) {
    for (int64_t i = 0; i < count; ++i)
        for (int64_t f = 0; filter + f < job.y.c; f += lanes<float>)
            store_output(job.epilogue, load(sums + i * panel + f), job.y.data, at[i] + filter + f,
                         job.y.c - filter - f);
}

// What bytes are stored to might be anything, to the compiler: so all that is read of the job is read before.
template <class Level, bool whole>
inline void store_as_levels(const ConvJob &job, const float *sums, const int64_t *at, int64_t count, int64_t filter) {
    const Rounding rounding(job.epilogue.stored->levels, sizeof(Level) == 1);
    auto *const y = reinterpret_cast<Level *>(job.y.data) + filter;
    const float *const residual = job.epilogue.residual ? job.epilogue.residual + filter : nullptr;
    const bool relu = job.epilogue.relu;
    const int64_t filters = whole ? panel : job.y.c - filter;
    Ints not_a_number{};
    for (int64_t i = 0; i < count; ++i)
        for (int64_t f = 0; f < filters; f += lanes<float>) {
            Floats number = load(sums + i * panel + f);
            if (residual)
                number += whole ? load(residual + at[i] + f) : load_some(residual + at[i] + f, filters - f);
            if (relu)
                number = number < Floats{} ? Floats{} : number;
            not_a_number |= number != number;
            if (whole)
                store_levels(rounding(number), y + at[i] + f);
            else
                store_some_levels(rounding(number), y + at[i] + f, filters - f);
        }
    if (any_lane(not_a_number))
        tell(job.epilogue.stored->saw_nan);
}

// Sums of `count` outputs, stored as levels.
[[gnu::noinline]] inline void store_panel_as_levels(const ConvJob &job, const float *sums, const int64_t *at,
                                                    int64_t count, int64_t filter) {
    const bool bytes = job.epilogue.stored->bytes == 1, whole = filter + panel <= job.y.c;
    if (bytes && whole)
        store_as_levels<uint8_t, true>(job, sums, at, count, filter);
    else if (bytes)
        store_as_levels<uint8_t, false>(job, sums, at, count, filter);
    else if (whole)
        store_as_levels<int16_t, true>(job, sums, at, count, filter);
    else
        store_as_levels<int16_t, false>(job, sums, at, count, filter);
}

// What is done to a panel's sums while they are in registers: by one branch for all of them, not one each, as all of
// this is compiled for every number of rows.
struct PanelEpilogue {
    const ConvJob &job;
    int64_t filter;
    Floats scale[panel_vectors], bias[panel_vectors];

    PanelEpilogue(const ConvJob &job, int64_t filter) : job(job), filter(filter) {
        for (int v = 0; v < panel_vectors; ++v) {
            const int64_t first = filter + v * lanes<float>, count = job.y.c - first;
            scale[v] = scale_of(job.epilogue, first, count), bias[v] = bias_of(job.epilogue, first, count);
        }
    }

    // Output i goes to at[i], counted from y's first filter.
    template <int R> [[gnu::always_inline]] void store_all(Sums<R> &sums, const int64_t *at) const {
        each_sum(sums, [&](int, int v, Floats &sum) { sum = scale[v] * sum + bias[v]; });
        if (job.epilogue.stored || filter + panel > job.y.c) {
            float stored[R * panel];
            each_sum(sums, [&](int i, int v, Floats &sum) { store(stored + i * panel + v * lanes<float>, sum); });
            return job.epilogue.stored ? store_panel_as_levels(job, stored, at, R, filter)
                                       : store_last_panel(job, stored, at, R, filter);
        }
        const float *residual = job.epilogue.residual;
        if (residual)
            each_sum(sums,
                     [&](int i, int v, Floats &sum) { sum += load(residual + at[i] + filter + v * lanes<float>); });
        if (job.epilogue.relu)
            each_sum(sums, [&](int, int, Floats &sum) { sum = sum < Floats{} ? Floats{} : sum; });
        each_sum(sums, [&](int i, int v, Floats &sum) { store(job.y.data + at[i] + filter + v * lanes<float>, sum); });
    }
};

} // namespace convolens::CONVOLENS_ISA
