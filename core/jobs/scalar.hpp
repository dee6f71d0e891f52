// The types of an array's numbers, as the kernels are told them; a complex number is two of its parts.
#pragma once

namespace convolens {

enum class Scalar { u8, i8, u16, i16, u32, i32, i64, f32, f64 };

} // namespace convolens
