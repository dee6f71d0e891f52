// A row of layers as one call: what each of their kernels is called with, where maps are parts of buffers whose
// addresses are said at every call (convolens/layers/fusion/program.py). The first layers may be run for some pictures
// after the others, so that maps that are large in a batch stay in the cache.
#include "bind/bind.hpp"
#include "bind/layers.hpp"
#include "runtime/kernels.hpp"

#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <functional>
#include <vector>

namespace convolens {
namespace {

using Addresses = std::vector<int64_t>;

// Which buffers a step's input, residual and output lie in; of the residual -1 where there is none. The views say how
// many bytes from a buffer's start.
struct Places {
    int64_t x, residual, y;
};
using PlacesView = std::array<int64_t, 3>;

struct Program {
    struct Call;
    std::vector<std::function<void(const Call &)>> steps;
    int64_t buffers = 0;
    size_t early = 0;                          // steps that are run for some pictures after the others
    int64_t pictures = 0, batch = 0, own = -1; // so many of them, of so many; the buffer that holds those alone

    template <class Step> void add(const PlacesView &view, const Step &step) {
        const Places at{view[0], view[1], view[2]};
        need(at.x >= 0 && at.y >= 0 && at.residual >= -1, "Program: buffers");
        buffers = std::max({buffers, at.x + 1, at.residual + 1, at.y + 1});
        steps.push_back([at, step](Call call) { call.at = at, step(call); });
    }

    void in_groups(int64_t count, int64_t pictures_of_group, int64_t pictures_of_all, int64_t buffer) {
        need(count >= 0 && count <= int64_t(steps.size()) && pictures_of_group > 0 && pictures_of_all >= 0,
             "Program: groups");
        early = size_t(count), pictures = pictures_of_group, batch = pictures_of_all, own = buffer;
    }

    // A step's views with the addresses of this call.
    struct Call {
        const Addresses &addresses;
        bool *saw_nan;
        int64_t own = -1, first = 0, count = -1; // pictures; -1: all
        Places at{};

        PicturesView x(PicturesView view, bool of_levels = false) const { return part(view, at.x, of_levels); }
        PicturesView y(PicturesView view, const LevelsView &stored = {}) const {
            return part(view, at.y, stored.first != 0);
        }
        // The residual lies as the output does.
        EpilogueView after(EpilogueView view, const PicturesView &y) const {
            if (at.residual >= 0)
                view[2] += addresses[at.residual] + skipped(y, at.residual, false);
            return view;
        }

    private:
        int64_t skipped(const PicturesView &view, int64_t buffer, bool of_levels) const { // bytes
            const int64_t each = of_levels ? kernels().int8->level_bytes : int64_t(sizeof(float));
            return buffer == own ? 0 : first * view[5] * each;
        }
        PicturesView part(PicturesView view, int64_t buffer, bool of_levels) const {
            view[0] += addresses[buffer] + skipped(view, buffer, of_levels);
            if (count >= 0)
                view[1] = count;
            return view;
        }
    };

    // Whether it is done: NaN has no level, so that the first that one sees ends it.
    bool run(const Addresses &addresses) const {
        need(int64_t(addresses.size()) >= buffers, "Program: addresses");
        bool saw_nan = false;
        for (int64_t first = 0; early > 0 && first < batch; first += pictures)
            for (size_t s = 0; s < early && !saw_nan; ++s)
                steps[s]({addresses, &saw_nan, own, first, std::min(pictures, batch - first)});
        for (size_t s = early; s < steps.size() && !saw_nan; ++s)
            steps[s]({addresses, &saw_nan});
        return !saw_nan;
    }
};

} // namespace

void bind_program(nb::module_ &m) {
    bind_class<Program>(m, "Program", [](nb::class_<Program> program) {
        program.def(nb::init<>());
        program.def("run", &Program::run, "addresses"_a);
        program.def("in_groups", &Program::in_groups, "steps"_a, "pictures"_a, "batch"_a, "buffer"_a);
        program.def("winograd",
                    [](Program &p, PlacesView at, PicturesView x, WeightsView w, int64_t transformed, int tile,
                       int64_t top, int64_t left, bool edge, bool pool, EpilogueView after, PicturesView y) {
                        p.add(at, [=](const Program::Call &c) {
                            winograd(c.x(x), w, transformed, tile, top, left, edge, pool, c.after(after, y), c.y(y));
                        });
                    });
        program.def("im2col", [](Program &p, PlacesView at, PicturesView x, WeightsView w, int64_t packed,
                                 Window window, EpilogueView after, PicturesView y, LevelsView stored) {
            p.add(at, [=](const Program::Call &c) {
                im2col(c.x(x), w, packed, window, c.after(after, y), c.y(y, stored), stored, c.saw_nan);
            });
        });
        program.def("depthwise", [](Program &p, PlacesView at, PicturesView x, WeightsView w, int64_t packed,
                                    Window window, EpilogueView after, PicturesView y) {
            p.add(at, [=](const Program::Call &c) { depthwise(c.x(x), w, packed, window, c.after(after, y), c.y(y)); });
        });
        program.def("bfloat16_convolution", [](Program &p, PlacesView at, PicturesView x, WeightsView w, int64_t packed,
                                               int parts, Window window, EpilogueView after, PicturesView y) {
            p.add(at, [=](const Program::Call &c) {
                bfloat16_convolution(c.x(x), w, packed, parts, window, c.after(after, y), c.y(y));
            });
        });
        program.def("int8_convolution", [](Program &p, PlacesView at, PicturesView x, WeightsView w, int64_t packed,
                                           float step, int32_t lowest, Window window, EpilogueView after,
                                           PicturesView y, LevelsView stored, bool of_levels) {
            p.add(at, [=](const Program::Call &c) {
                int8_convolution(c.x(x, of_levels), w, packed, step, lowest, window, c.after(after, y), c.y(y, stored),
                                 of_levels, stored, c.saw_nan);
            });
        });
        program.def("pool_levels", [](Program &p, PlacesView at, PicturesView x, int64_t rows, int64_t columns,
                                      Window window, PicturesView y) {
            p.add(at,
                  [=](const Program::Call &c) { pool_levels(c.x(x, true), rows, columns, window, c.y(y, {1.0f, 0})); });
        });
        program.def("pool", [](Program &p, PlacesView at, PicturesView x, int64_t rows, int64_t columns, Window window,
                               PicturesView y, int64_t argmax) {
            need(argmax == 0, "Program: no argmax");
            p.add(at, [=](const Program::Call &c) { pool(c.x(x), rows, columns, window, c.y(y), 0); });
        });
    });
}

} // namespace convolens
