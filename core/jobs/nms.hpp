// What non-maximum suppression is given, and what it gives.
#pragma once
#include <cstdint>

namespace convolens {

struct NmsJob {
    const float *scores; // pictures × boxes × classes
    const float *boxes;  // pictures × boxes × 4: x1, y1, x2, y2
    int64_t pictures, count, classes;
    float threshold; // only scores above it count
    float iou;       // above this overlap the lower of two goes
    float sigma;     // above 0: nothing goes; scores fade by exp(-IoU² / sigma)
    int64_t top_k;   // the best of each class, before suppression
    int64_t *kept;   // pictures × classes × top_k: numbers of boxes, best first
    float *kept_scores;
    int64_t *counts; // pictures × classes
};

} // namespace convolens
