// A row of layers as one call: what each of their kernels is called with, where maps are parts of buffers whose
// addresses are said at every call (convolens/layers/fusion/program.py).
#include "bind/bind.hpp"
#include "bind/layers.hpp"

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
    std::vector<std::function<void(const Addresses &, bool *)>> steps;
    int64_t buffers = 0;

    template <class Step> void add(const PlacesView &view, const Step &step) {
        const Places at{view[0], view[1], view[2]};
        need(at.x >= 0 && at.y >= 0 && at.residual >= -1, "Program: buffers");
        buffers = std::max({buffers, at.x + 1, at.residual + 1, at.y + 1});
        steps.push_back([at, step](const Addresses &addresses, bool *saw_nan) { step(Call{at, addresses, saw_nan}); });
    }

    // A step's views with the addresses of this call.
    struct Call {
        const Places &at;
        const Addresses &addresses;
        bool *saw_nan;

        PicturesView x(PicturesView view) const { return view[0] += addresses[at.x], view; }
        PicturesView y(PicturesView view) const { return view[0] += addresses[at.y], view; }
        EpilogueView after(EpilogueView view) const {
            if (at.residual >= 0)
                view[2] += addresses[at.residual];
            return view;
        }
    };

    // Whether it is done: NaN has no level, so that the first that one sees ends it.
    bool run(const Addresses &addresses) const {
        need(int64_t(addresses.size()) >= buffers, "Program: addresses");
        bool saw_nan = false;
        for (const auto &step : steps) {
            step(addresses, &saw_nan);
            if (saw_nan)
                return false;
        }
        return true;
    }
};

} // namespace

void bind_program(nb::module_ &m) {
    bind_class<Program>(m, "Program", [](nb::class_<Program> program) {
        program.def(nb::init<>());
        program.def("run", &Program::run, "addresses"_a);
        program.def("winograd",
                    [](Program &p, PlacesView at, PicturesView x, WeightsView w, int64_t transformed, int tile,
                       int64_t top, int64_t left, bool edge, bool pool, EpilogueView after, PicturesView y) {
                        p.add(at, [=](const Program::Call &c) {
                            winograd(c.x(x), w, transformed, tile, top, left, edge, pool, c.after(after), c.y(y));
                        });
                    });
        program.def("im2col", [](Program &p, PlacesView at, PicturesView x, WeightsView w, int64_t packed,
                                 Window window, EpilogueView after, PicturesView y, LevelsView stored) {
            p.add(at, [=](const Program::Call &c) {
                im2col(c.x(x), w, packed, window, c.after(after), c.y(y), stored, c.saw_nan);
            });
        });
        program.def("depthwise", [](Program &p, PlacesView at, PicturesView x, WeightsView w, int64_t packed,
                                    Window window, EpilogueView after, PicturesView y) {
            p.add(at, [=](const Program::Call &c) { depthwise(c.x(x), w, packed, window, c.after(after), c.y(y)); });
        });
        program.def("bfloat16_convolution", [](Program &p, PlacesView at, PicturesView x, WeightsView w, int64_t packed,
                                               int parts, Window window, EpilogueView after, PicturesView y) {
            p.add(at, [=](const Program::Call &c) {
                bfloat16_convolution(c.x(x), w, packed, parts, window, c.after(after), c.y(y));
            });
        });
        program.def("int8_convolution", [](Program &p, PlacesView at, PicturesView x, WeightsView w, int64_t packed,
                                           float step, int32_t lowest, Window window, EpilogueView after,
                                           PicturesView y, LevelsView stored, bool of_levels) {
            p.add(at, [=](const Program::Call &c) {
                int8_convolution(c.x(x), w, packed, step, lowest, window, c.after(after), c.y(y), of_levels, stored,
                                 c.saw_nan);
            });
        });
        program.def("pool_levels", [](Program &p, PlacesView at, PicturesView x, int64_t rows, int64_t columns,
                                      Window window, PicturesView y) {
            p.add(at, [=](const Program::Call &c) { pool_levels(c.x(x), rows, columns, window, c.y(y)); });
        });
        program.def("pool", [](Program &p, PlacesView at, PicturesView x, int64_t rows, int64_t columns, Window window,
                               PicturesView y, int64_t argmax) {
            need(argmax == 0, "Program: no argmax");
            p.add(at, [=](const Program::Call &c) { pool(c.x(x), rows, columns, window, c.y(y), 0); });
        });
    });
}

} // namespace convolens
