// libFuzzer's entry: `make fuzz-core MINUTES=20`.
#include "fuzz.hpp"
#include "runtime/platform.hpp"
#include "runtime/threads.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace convolens::fuzzing {

constexpr int64_t page = 16384; // or a part of it, on every system here

Fenced::Fenced(int64_t bytes, bool at_front) {
    const int64_t inside = (bytes + page - 1) / page * page;
    bytes_ = inside + 2 * page;
    all_ = static_cast<char *>(fenced_pages(size_t(inside), size_t(page)));
    if (!all_)
        std::abort();
    data_ = all_ + page + (at_front ? 0 : inside - bytes);
}

Fenced::~Fenced() {
    if (all_)
        unmap_pages(all_, size_t(bytes_));
}

std::vector<const char *> sets() {
    static const std::string names = instruction_sets();
    static const std::vector<std::string> apart = [] {
        std::vector<std::string> found;
        for (size_t from = 0, to; from <= names.size(); from = to + 1) {
            to = std::min(names.find(',', from), names.size());
            found.push_back(names.substr(from, to - from));
        }
        return found;
    }();
    std::vector<const char *> pointers;
    for (const std::string &name : apart)
        pointers.push_back(name.c_str());
    return pointers;
}

void compare(const char *what, const char *set, const Result &first, const Result &other, double allowed) {
    for (size_t i = 0; i < first.size(); ++i) {
        const double a = first[i], b = other[i];
        if (a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= allowed)
            continue;
        std::fprintf(stderr, "%s: %s gives %.9g at %zu of %zu, %s %.9g\n", what, sets()[0], a, i, first.size(), set, b);
        std::abort();
    }
}

} // namespace convolens::fuzzing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    using namespace convolens::fuzzing;
    Data data(bytes, size);
    convolens::set_threads(int(in(data, 1, 3)));
    constexpr void (*kinds[])(Data &) = {correlations, spectra, streams, pictures, convolution_layers, pooling_layers};
    kinds[in(data, 0, std::size(kinds) - 1)](data);
    return 0;
}
