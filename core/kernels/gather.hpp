// Which inputs an output of a convolution sees.
#pragma once
#include "jobs/layers.hpp"
#include "kernels/simd.hpp"

namespace convolens::CONVOLENS_ISA {

// The inputs of one output, by its number, in the order of the kernel's rows, columns and channels: put(k, from, count)
// gets those from depth k on, null where they lie past the border and are zero. Gives the output's place in y.
template <class Put> inline int64_t gather(const ConvJob &job, int64_t output, const Put &put) {
    const auto &in = job.x;
    const auto &out = job.y;
    const auto &w = job.weights;
    const int64_t n = output / (out.h * out.w), pixel = output % (out.h * out.w);
    const int64_t y = pixel / out.w, x = pixel % out.w, left = x * job.stride_w - job.pad_left;
    const bool one_run = in.step_w == in.c && job.dilation_w == 1 && left >= 0 && left + w.columns <= in.w;
    for (int64_t r = 0; r < w.rows; ++r) {
        const int64_t at_h = y * job.stride_h - job.pad_top + r * job.dilation_h, k = r * w.columns * in.c;
        const float *line = at_h >= 0 && at_h < in.h ? in.data + n * in.step_n + at_h * in.step_h : nullptr;
        if (!line || one_run) {
            put(k, line ? line + left * in.step_w : nullptr, w.columns * in.c);
            continue;
        }
        for (int64_t s = 0; s < w.columns; ++s) {
            const int64_t at_w = left + s * job.dilation_w;
            put(k + s * in.c, at_w >= 0 && at_w < in.w ? line + at_w * in.step_w : nullptr, in.c);
        }
    }
    return n * out.step_n + y * out.step_h + x * out.step_w;
}

} // namespace convolens::CONVOLENS_ISA
