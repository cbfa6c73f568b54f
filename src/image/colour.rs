//! Luma and chroma to red, green and blue. Where the chroma samples sit (left, centre) is ignored: at a model's size the
//! difference is a small part of one pixel.

use crate::frame::{Colour, Matrix, Range};

/// The factors of one conversion (ITU-R BT.601-7, BT.709-6), for samples of 0 to 255.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion {
    luma_offset: f32,
    luma: f32,
    red_cr: f32,
    green_cb: f32,
    green_cr: f32,
    blue_cb: f32,
}

impl Conversion {
    pub(super) fn new(colour: Colour) -> Self {
        let (kr, kb) = match colour.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let (luma_offset, luma, chroma) = match colour.range {
            Range::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0.0, 1.0, 1.0),
        };
        let kg = 1.0 - kr - kb;
        Self {
            luma_offset,
            luma,
            red_cr: 2.0 * (1.0 - kr) * chroma,
            green_cb: -2.0 * kb * (1.0 - kb) / kg * chroma,
            green_cr: -2.0 * kr * (1.0 - kr) / kg * chroma,
            blue_cb: 2.0 * (1.0 - kb) * chroma,
        }
    }

    /// Red, green, blue, each within 0 to 255.
    #[inline]
    pub(super) fn rgb(&self, y: u8, cb: u8, cr: u8) -> [f32; 3] {
        let y = (f32::from(y) - self.luma_offset) * self.luma;
        let (cb, cr) = (f32::from(cb) - 128.0, f32::from(cr) - 128.0);
        [y + self.red_cr * cr, y + self.green_cb * cb + self.green_cr * cr, y + self.blue_cb * cb]
            .map(|v| v.clamp(0.0, 255.0))
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
        for (matrix, range, [y, cb, cr], expected) in cases {
            let rgb = Conversion::new(Colour { matrix, range }).rgb(y, cb, cr);
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
        let rgb = Conversion::new(Colour { matrix: Matrix::Bt709, range: Range::Limited }).rgb(255, 255, 255);
        assert_eq!((rgb[0], rgb[2]), (255.0, 255.0));
    }
}
