//! How much fine detail a picture has, in short runs of pixels all over the view: what a lens out of focus takes away, and
//! what the small luma no longer has. What follows is decided in `tamper`.

use crate::frame::Picture;

/// Runs across and down.
const RUNS: usize = 8;
/// Bends that are read per run: by how much the middle of three points is off the line between the others. A blurred edge is
/// as high as a sharp one, but bends less.
const LENGTH: usize = 64;
/// Rows that are averaged: noise is as fine as detail is, and differs from row to row.
const ROWS: usize = 4;
/// Pixels from point to point, at most: those of an 8K picture.
const MOST_REACH: usize = 24;
/// Narrower pictures have no detail that a blur could take.
const LEAST_WIDTH: usize = 160;
/// Grey levels per bend. A run with less shows a wall, or noise alone.
const WORTH: f32 = 4.0;
/// With fewer runs that have detail nothing can be told.
const ENOUGH: usize = 10;
/// A run is soft when it has lost so much of its detail.
const SOFT: f32 = 0.5;
/// With less than this share of the usual contrast, it is the light that changed.
const LIT: f32 = 0.7;

#[derive(Debug)]
pub(super) struct Detail {
    /// Mean size of a bend now, per run, ...
    now: [f32; RUNS * RUNS],
    /// ... and usually.
    usual: [f32; RUNS * RUNS],
    known: bool,
}

impl Default for Detail {
    fn default() -> Self {
        Self { now: [0.0; RUNS * RUNS], usual: [0.0; RUNS * RUNS], known: false }
    }
}

impl Detail {
    pub(super) fn forget(&mut self) {
        self.known = false;
    }

    /// Reads a picture. Returns the share of the runs with detail that are soft now, the contrast of the picture being
    /// `gain` times the usual one; `None` if there are too few.
    pub(super) fn read(&mut self, picture: &Picture, gain: f32) -> Option<f32> {
        let width = picture.width() as usize;
        if width < LEAST_WIDTH {
            return None;
        }
        self.measure(picture);
        if !self.known {
            self.usual = self.now;
            self.known = true;
        }
        // A blur takes a little of the coarse contrast as well.
        let expected = SOFT * if gain < LIT { gain.max(0.0) } else { 1.0 };
        let (mut asked, mut soft) = (0, 0);
        for (now, usual) in self.now.iter().zip(&self.usual).filter(|(_, usual)| **usual >= WORTH) {
            asked += 1;
            soft += usize::from(*now < expected * usual);
        }
        (asked >= ENOUGH).then(|| soft as f32 / asked as f32)
    }

    /// Follows the picture that was read last, by `share`.
    pub(super) fn follow(&mut self, share: f32) {
        for (usual, now) in self.usual.iter_mut().zip(&self.now) {
            *usual += share * (now - *usual);
        }
    }

    fn measure(&mut self, picture: &Picture) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let plane = picture.plane(0);
        // Cameras draw no finer than this, however many pixels they send.
        let reach = (width / 320).clamp(1, MOST_REACH);
        let length = LENGTH.min(width / RUNS - 2 * reach);
        let room = width / RUNS - length - 2 * reach;
        for (i, now) in self.now.iter_mut().enumerate() {
            let (col, row) = (i % RUNS, i / RUNS);
            let top = ((2 * row + 1) * height / (2 * RUNS)).min(height.saturating_sub(ROWS));
            // Shifted from row to row, so that an upright edge is not in all of them.
            let left = col * width / RUNS + row * room / RUNS;
            let mut sums = [0_i32; LENGTH + 2 * MOST_REACH];
            let sums = &mut sums[..length + 2 * reach];
            for y in top..(top + ROWS).min(height) {
                let from = y * plane.stride + left;
                let Some(line) = plane.data.get(from..from + sums.len()) else { continue };
                sums.iter_mut().zip(line).for_each(|(sum, pixel)| *sum += i32::from(*pixel));
            }
            let points = sums.iter().zip(&sums[reach..]).zip(&sums[2 * reach..]);
            let bends = points.map(|((a, b), c)| (a - 2 * b + c).abs());
            *now = bends.sum::<i32>() as f32 / (length * ROWS) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Matrix, PixelFormat, Range};

    fn picture(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u8) -> Picture {
        let mut data: Vec<u8> = (0..width * height).map(|i| pixel(i % width, i / width)).collect();
        data.resize(width * height + 2 * width.div_ceil(2) * height.div_ceil(2), 128);
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        Picture::packed(width as u32, height as u32, PixelFormat::I420, colour, data).unwrap()
    }

    fn stripes(x: usize, contrast: f32) -> u8 {
        (90.0 + contrast * (x / 3 % 2 * 40) as f32) as u8
    }

    #[test]
    fn blur_is_soft_and_dim_light_is_not() {
        let mut detail = Detail::default();
        let sharp = picture(640, 360, |x, _| stripes(x, 1.0));
        assert_eq!(detail.read(&sharp, 1.0), Some(0.0));
        let blurred = picture(640, 360, |x, _| ((0..9).map(|i| u32::from(stripes(x + i, 1.0))).sum::<u32>() / 9) as u8);
        assert_eq!(detail.read(&blurred, 1.0), Some(1.0));
        assert_eq!(detail.read(&picture(640, 360, |x, _| stripes(x, 0.3)), 0.3), Some(0.0));
    }

    #[test]
    fn walls_and_tiny_pictures_tell_nothing() {
        assert_eq!(Detail::default().read(&picture(640, 360, |_, _| 90), 1.0), None);
        for (w, h) in [(1, 1), (16, 400), (160, 1), (161, 3), (4000, 2)] {
            let _ = Detail::default().read(&picture(w, h, |x, _| stripes(x, 1.0)), 1.0);
        }
    }
}
