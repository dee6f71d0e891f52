// A stream under a line of weights, in block after block; see kernels/stream.cpp for the scheme.
#pragma once
#include "jobs/blocks.hpp"

namespace convolens {

constexpr int max_levels = 16;
constexpr int64_t stream_step = 256; // samples that are taken in at once; blocks are multiples of it
constexpr int64_t stream_slack = 16; // scalars that may be read behind the past, and mean nothing

// The weights [size, size + taps) on blocks of `size` samples. A spectrum has 2 · size scalars.
struct StreamLevel {
    int64_t size, taps, partitions; // of `size` weights each, the last filled with zeros
    BlockShape shape;               // the line of `size`, folded into rows and columns
    const void *turns;              // cosines and sines of π j / (2 size), `size` of each
    void *spectra;                  // of the partitions
    int64_t blocks, coming;         // where in a channel's state the latest blocks' spectra begin, and the next sums
};

struct StreamJob {
    Scalar in; // f32 or f64
    const void *weights;
    int64_t taps, head; // the first `head` of them by the definition
    int levels;
    StreamLevel level[max_levels];

    int64_t past, room; // samples that are kept, and scalars for them, at the beginning of a channel's state
    void *state;        // [channels][state_scalars]
    int64_t state_scalars;
    int64_t *ends; // of each channel's past in its room
    int64_t done;  // samples that came before

    const void *x;
    void *out;
    int64_t channels, frames, x_channel, x_frame, out_channel, out_frame; // strides in numbers
};

} // namespace convolens
