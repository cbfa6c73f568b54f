//! Luma and chroma to red, green and blue. Where the chroma samples sit (left, centre) is ignored: at a model's size the
//! difference is a small part of one pixel.

use crate::frame::{Colour, Matrix, Range};

/// The factors of one conversion (ITU-R BT.601-7, BT.709-6).
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion {
    luma: f32,
    red_cr: f32,
    green_cb: f32,
    green_cr: f32,
    blue_cb: f32,
    /// Red, green, blue where luma, Cb and Cr are zero.
    zero: [f32; 3],
}

impl Conversion {
    /// For samples of 0 to 255.
    pub(super) fn new(colour: Colour) -> Self {
        let (kr, kb) = match colour.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let (black, luma, chroma) = match colour.range {
            Range::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0.0, 1.0, 1.0),
        };
        let kg = 1.0 - kr - kb;
        let bare = Self {
            luma,
            red_cr: 2.0 * (1.0 - kr) * chroma,
            green_cb: -2.0 * kb * (1.0 - kb) / kg * chroma,
            green_cr: -2.0 * kr * (1.0 - kr) / kg * chroma,
            blue_cb: 2.0 * (1.0 - kb) * chroma,
            zero: [0.0; 3],
        };
        Self { zero: bare.linear(-black, -128.0, -128.0), ..bare }
    }

    /// The same for numbers of (sample - `middle`) x `luma`, and of (sample - `middle`) x `chroma`.
    pub(super) fn for_numbers(self, middle: f32, luma: f32, chroma: f32) -> Self {
        Self {
            luma: self.luma / luma,
            red_cr: self.red_cr / chroma,
            green_cb: self.green_cb / chroma,
            green_cr: self.green_cr / chroma,
            blue_cb: self.blue_cb / chroma,
            zero: self.linear(middle, middle, middle),
        }
    }

    #[inline(always)]
    fn linear(&self, y: f32, cb: f32, cr: f32) -> [f32; 3] {
        let y = y * self.luma;
        [
            y + self.zero[0] + self.red_cr * cr,
            y + self.zero[1] + self.green_cb * cb + self.green_cr * cr,
            y + self.zero[2] + self.blue_cb * cb,
        ]
    }

    /// Red, green, blue, each within 0 to 255.
    #[inline(always)]
    pub(super) fn rgb(&self, y: f32, cb: f32, cr: f32) -> [f32; 3] {
        self.linear(y, cb, cr).map(|v| v.clamp(0.0, 255.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known triples: the standards' own 8-bit values of the pure colours.
    #[test]
    fn pure_colours_come_out_pure() {
        use Matrix::{Bt601, Bt709};
        use Range::{Full, Limited};
        let cases = [
            (Bt601, Limited, [16, 128, 128], [0, 0, 0]),
            (Bt601, Limited, [235, 128, 128], [255, 255, 255]),
            (Bt601, Limited, [81, 90, 240], [255, 0, 0]),
            (Bt601, Limited, [145, 54, 34], [0, 255, 0]),
            (Bt601, Limited, [41, 240, 110], [0, 0, 255]),
            (Bt709, Limited, [63, 102, 240], [255, 0, 0]),
            (Bt709, Limited, [173, 42, 26], [0, 255, 0]),
            (Bt709, Limited, [32, 240, 118], [0, 0, 255]),
            (Bt601, Full, [76, 85, 255], [254, 0, 0]),
            (Bt601, Full, [150, 44, 21], [0, 255, 0]),
            (Bt709, Full, [54, 99, 255], [254, 0, 0]),
            (Bt709, Full, [18, 255, 116], [0, 0, 255]),
            (Bt709, Full, [100, 128, 128], [100, 100, 100]),
        ];
        for (matrix, range, samples, expected) in cases {
            let [y, cb, cr] = samples.map(|sample: u8| f32::from(sample));
            let plain = Conversion::new(Colour { matrix, range });
            let rgb = plain.rgb(y, cb, cr);
            let numbers = plain.for_numbers(127.5, 64.0, 128.0);
            let same = numbers.rgb((y - 127.5) * 64.0, (cb - 127.5) * 128.0, (cr - 127.5) * 128.0);
            assert!(rgb.iter().zip(same).all(|(a, b)| (a - b).abs() < 1e-3), "{rgb:?}, as numbers {same:?}");
            for (have, want) in rgb.into_iter().zip(expected) {
                assert!(
                    (have - want as f32).abs() < 2.5,
                    "{matrix:?} {range:?} {y},{cb},{cr}: {rgb:?}, not {expected:?}"
                );
            }
        }
    }

    #[test]
    fn out_of_range_samples_are_clamped() {
        let rgb = Conversion::new(Colour { matrix: Matrix::Bt709, range: Range::Limited }).rgb(255.0, 255.0, 255.0);
        assert_eq!((rgb[0], rgb[2]), (255.0, 255.0));
    }
}
