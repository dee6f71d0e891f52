// The types of pictures' numbers.
#pragma once
#include "jobs/scalar.hpp"

#include <cstdint>

namespace convolens::CONVOLENS_ISA {

// Calls f<In, T>() with the type of a picture's numbers and the one that they are computed in.
template <class F> inline void with_picture_types(Scalar scalar, const F &f) {
    switch (scalar) {
    case Scalar::u8:
        return f.template operator()<uint8_t, float>();
    case Scalar::u16:
        return f.template operator()<uint16_t, float>();
    case Scalar::f32:
        return f.template operator()<float, float>();
    default: // f64
        return f.template operator()<double, double>();
    }
}

} // namespace convolens::CONVOLENS_ISA
