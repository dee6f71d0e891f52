// Non-maximum suppression: of boxes of one class that overlap much, the best stays.
//
//   for each picture (a task)
//     for each box, for each class: where the score is above the threshold, the box joins the class's candidates
//   for each picture and class (a task)
//     the best `top_k` candidates, sorted; from the best down: each that is still there suppresses those after it
//
// The first loop reads the scores once, as they lie; few pass. The second is quadratic in what passed, at most top_k².
#include "runtime/nms.hpp"

#include "runtime/threads.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace convolens {
namespace {

struct Candidate {
    float score;
    int64_t box;
};

using Candidates = std::vector<Candidate>;

// Higher scores first, equal ones in the order of the boxes.
bool before(const Candidate &a, const Candidate &b) {
    return a.score > b.score || (a.score == b.score && a.box < b.box);
}

void collect(const NmsJob &job, int64_t picture, Candidates *classes) {
    const float *score = job.scores + picture * job.count * job.classes;
    for (int64_t box = 0; box < job.count; ++box)
        for (int64_t c = 0; c < job.classes; ++c, ++score)
            if (*score > job.threshold)
                classes[c].push_back({*score, box});
}

float iou(const float *a, const float *b) {
    const float width = std::min(a[2], b[2]) - std::max(a[0], b[0]);
    const float height = std::min(a[3], b[3]) - std::max(a[1], b[1]);
    const float shared = std::max(width, 0.0f) * std::max(height, 0.0f);
    const float both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared;
    return shared > 0 ? shared / both : 0;
}

void keep_best(Candidates &candidates, int64_t top_k) {
    if (int64_t(candidates.size()) > top_k) {
        std::nth_element(candidates.begin(), candidates.begin() + top_k, candidates.end(), before);
        candidates.resize(top_k);
    }
    std::sort(candidates.begin(), candidates.end(), before);
}

// Those that stay come to the front; their number.
int64_t suppress(Candidates &candidates, const float *boxes, float threshold) {
    int64_t kept = 0;
    for (const Candidate candidate : candidates) {
        const float *box = boxes + 4 * candidate.box;
        const bool stays = std::none_of(candidates.begin(), candidates.begin() + kept, [&](const Candidate &better) {
            return iou(boxes + 4 * better.box, box) > threshold;
        });
        if (stays)
            candidates[kept++] = candidate;
    }
    return kept;
}

// Bodla et al., "Soft-NMS", ICCV 2017, equation 3: what overlaps a better one fades; below the threshold it is gone.
int64_t fade(Candidates &candidates, const float *boxes, float sigma, float threshold) {
    int64_t kept = 0;
    for (auto from = candidates.begin(); from != candidates.end(); ++from, ++kept) {
        std::iter_swap(from, std::min_element(from, candidates.end(), before));
        if (!(from->score > threshold))
            break;
        for (auto later = from + 1; later != candidates.end(); ++later) {
            const float shared = iou(boxes + 4 * from->box, boxes + 4 * later->box);
            later->score *= std::exp(-shared * shared / sigma);
        }
    }
    return kept;
}

} // namespace

void nms(const NmsJob &job) {
    std::vector<Candidates> candidates(job.pictures * job.classes);
    parallel(job.pictures, [&](int64_t n, int) { collect(job, n, candidates.data() + n * job.classes); });
    parallel(job.pictures * job.classes, [&](int64_t task, int) {
        Candidates &mine = candidates[task];
        const float *boxes = job.boxes + task / job.classes * job.count * 4;
        keep_best(mine, job.top_k);
        const int64_t kept =
            job.sigma > 0 ? fade(mine, boxes, job.sigma, job.threshold) : suppress(mine, boxes, job.iou);
        job.counts[task] = kept;
        for (int64_t i = 0; i < kept; ++i) {
            job.kept[task * job.top_k + i] = mine[i].box;
            job.kept_scores[task * job.top_k + i] = mine[i].score;
        }
    });
}

} // namespace convolens
