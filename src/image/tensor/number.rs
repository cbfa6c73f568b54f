//! The numbers that an input is made of.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// What [`super::Preprocessor::run`] writes: `f32`, or `f16` for a model that takes halves.
pub trait Number: Copy {
    /// The nearest number to `value`.
    fn of(value: f32) -> Self;

    /// Writes `values` into `out`, which is as long.
    fn write(values: &[f32], out: &mut [Self]);
}

impl Number for f32 {
    #[inline(always)]
    fn of(value: f32) -> Self {
        value
    }

    #[inline(always)]
    fn write(values: &[f32], out: &mut [Self]) {
        out.copy_from_slice(values);
    }
}

impl Number for f16 {
    #[inline]
    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }

    #[inline]
    fn write(values: &[f32], out: &mut [Self]) {
        out.convert_from_f32_slice(values);
    }
}
