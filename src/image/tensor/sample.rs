//! The numbers that the pass over the planes adds up. `i16` is exact to about a tenth of a sample and twice as fast as `f32`, which is
//! for reductions so strong that its rounding would add up.

/// Samples are counted from here, so that sixteen bits hold them with their fractions. Between two samples: a product of zero
/// has no rounding, and the sums allow for one.
pub(super) const MIDDLE: f32 = 127.5;

/// How far a sample may be from [`MIDDLE`].
const MOST: f64 = 127.5;

/// A sample, a weight, or a sum of samples with weights.
pub(super) trait Sample: Copy + Default + std::fmt::Debug {
    /// What samples are multiplied by when they are read.
    const UNIT: f32;

    fn read(byte: u8) -> Self;

    /// This sum and one sample more.
    fn plus(self, sample: Self, weight: Self) -> Self;

    fn number(self) -> f32;

    /// Takes over `exact` (for each pixel `taps` weights with the sum 1) for samples in `unit`; returns the unit of the sums. `begin`:
    /// what the sum of each pixel begins with.
    fn pack(exact: &[f64], taps: usize, unit: f32, weights: &mut Vec<Self>, begin: &mut Vec<Self>) -> f32;
}

impl Sample for i16 {
    const UNIT: f32 = 256.0;

    #[inline(always)]
    fn read(byte: u8) -> Self {
        ((u16::from(byte) << 8) ^ 0x8080) as i16
    }

    /// Keeps the upper half of the product: one instruction for every lane (x86 `pmulhw`).
    #[inline(always)]
    fn plus(self, sample: Self, weight: Self) -> Self {
        self.wrapping_add(((i32::from(sample) * i32::from(weight)) >> 16) as i16)
    }

    #[inline(always)]
    fn number(self) -> f32 {
        f32::from(self)
    }

    fn pack(exact: &[f64], taps: usize, unit: f32, weights: &mut Vec<Self>, begin: &mut Vec<Self>) -> f32 {
        const ABOVE_ZERO: f64 = 1_048_576.0;
        let largest = exact.iter().fold(0.0_f64, |most, weight| most.max(weight.abs()));
        let spread = exact.chunks_exact(taps).map(|pixel| pixel.iter().map(|w| w.abs()).sum()).fold(1.0, f64::max);
        let fits = |bits: i32| {
            let one = f64::from(bits).exp2();
            // A weight of one becomes the largest number, which is one but for 1/32768.
            largest * one <= 32768.0 && spread * MOST * f64::from(unit) * one / 65536.0 < 32760.0
        };
        let bits = (0..=16).rev().find(|bits| fits(*bits)).unwrap_or(0);
        let one = f64::from(bits).exp2();
        weights.clear();
        begin.clear();
        for pixel in exact.chunks_exact(taps) {
            // Rounded such that their sum stays what it is: an even surface keeps its value.
            // The half up front rounds; the sums stay above zero, where dropping the fraction is rounding down.
            let mut sum = ABOVE_ZERO + 0.5;
            let mut rounded = ABOVE_ZERO as i32;
            let mut inexact = 0;
            for weight in pixel {
                sum += weight * one;
                let step = sum as i32 - rounded;
                rounded += step;
                let step = step.clamp(-32768, 32767) as i16;
                inexact += i16::from(step != 0);
                weights.push(step);
            }
            // Every product loses half a unit on average.
            begin.push(inexact / 2);
        }
        (f64::from(unit) * one / 65536.0) as f32
    }
}

impl Sample for f32 {
    const UNIT: f32 = 1.0;

    #[inline(always)]
    fn read(byte: u8) -> Self {
        f32::from(byte) - MIDDLE
    }

    #[inline(always)]
    fn plus(self, sample: Self, weight: Self) -> Self {
        self + sample * weight
    }

    #[inline(always)]
    fn number(self) -> f32 {
        self
    }

    fn pack(exact: &[f64], taps: usize, unit: f32, weights: &mut Vec<Self>, begin: &mut Vec<Self>) -> f32 {
        weights.clear();
        weights.extend(exact.iter().map(|weight| *weight as f32));
        begin.clear();
        begin.resize(exact.len() / taps, 0.0);
        unit
    }
}
