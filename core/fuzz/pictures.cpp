// Separable weighted means and Sobel's filters.
#include "fuzz.hpp"
#include "jobs/resample.hpp"
#include "jobs/sobel.hpp"

namespace convolens::fuzzing {
namespace {

// One axis of a resampling, and what it points to.
template <class W> struct Axis1 {
    std::vector<int64_t> map, first, phase;
    Exactly<W> weights;
    Windows windows{};

    Axis1(Data &data, int64_t size) : weights(0) {
        const int64_t outputs = in(data, 1, 70), length = in(data, 1, 24), phases = in(data, 1, 4);
        const int64_t padded = length + in(data, 0, 80);
        map = a_map(data, size, padded);
        for (int64_t i = 0, at = 0; i < outputs; ++i) {
            first.push_back(at), phase.push_back(in(data, 0, phases - 1));
            at += in(data, 0, padded - length - at > 3 ? 3 : padded - length - at);
        }
        weights = Exactly<W>(phases * length);
        weights.fill_finite(data);
        for (int64_t i = 0; i < weights.size(); ++i)
            weights[i] /= 8;
        windows = {map.data(), first.data(), phase.data(), weights.data(), padded, outputs, phases, length};
    }
};

template <class From, class To, class W> void resample(Data &data, Scalar from, Scalar to) {
    ResampleJob job{};
    job.from = from, job.to = to;
    job.rows = in(data, 1, 40), job.columns = in(data, 1, 40), job.channels = in(data, 1, 5);
    job.row_stride = job.columns * job.channels + in(data, 0, 5);
    const Axis1<W> down(data, job.rows), across(data, job.columns);
    job.down = down.windows, job.across = across.windows;
    Exactly<From> image((job.rows - 1) * job.row_stride + job.columns * job.channels, data.coin());
    image.fill_finite(data);
    job.image = image.data();
    const double bound = std::is_integral_v<To> ? 1 : 8 * 24 * 24 * (sizeof(To) == 4 ? 1e-6 : 1e-14);
    on_each_set("resample", bound, [&] {
        Exactly<To> out(down.windows.outputs * across.windows.outputs * job.channels);
        job.out = out.data();
        kernels().resample(job);
        return result_of(out);
    });
}

template <class From, class To> void sobel(Data &data, Scalar scalar) {
    SobelJob job{};
    job.scalar = scalar;
    job.rows = in(data, 1, 40), job.columns = in(data, 1, 150), job.channels = in(data, 1, 5);
    job.row_stride = job.columns * job.channels + in(data, 0, 5);
    const auto row_map = a_map(data, job.rows, job.rows + 2), column_map = a_map(data, job.columns, job.columns + 2);
    job.row_map = row_map.data(), job.column_map = column_map.data();
    job.fill = double(in(data, 0, 4)), job.side = double(in(data, 1, 3)), job.middle = double(in(data, 1, 10));
    Exactly<From> image((job.rows - 1) * job.row_stride + job.columns * job.channels, data.coin());
    image.fill_from(data);
    job.image = image.data();
    const bool apart = data.coin();
    on_each_set("sobel", apart ? 0 : 400 * (sizeof(To) == 4 ? 3e-7 : 1e-15), [&] {
        const int64_t count = job.rows * job.columns * job.channels;
        Exactly<To> first(count), second(apart ? count : 0);
        job.magnitude = apart ? nullptr : first.data();
        job.gx = apart ? first.data() : nullptr, job.gy = apart ? second.data() : nullptr;
        kernels().sobel(job);
        Result both = result_of(first), other = result_of(second);
        both.insert(both.end(), other.begin(), other.end());
        return both;
    });
}

} // namespace

void pictures(Data &data) {
    using S = Scalar;
    switch (in(data, 0, 9)) {
    case 0:
        return sobel<uint8_t, float>(data, S::u8);
    case 1:
        return sobel<uint16_t, float>(data, S::u16);
    case 2:
        return sobel<float, float>(data, S::f32);
    case 3:
        return sobel<double, double>(data, S::f64);
    case 4:
        return resample<uint8_t, uint8_t, float>(data, S::u8, S::u8);
    case 5:
        return resample<uint16_t, uint16_t, float>(data, S::u16, S::u16);
    case 6:
        return resample<float, float, float>(data, S::f32, S::f32);
    case 7:
        return resample<uint8_t, float, float>(data, S::u8, S::f32);
    case 8:
        return resample<float, uint16_t, float>(data, S::f32, S::u16);
    default:
        return resample<double, double, double>(data, S::f64, S::f64);
    }
}

} // namespace convolens::fuzzing
