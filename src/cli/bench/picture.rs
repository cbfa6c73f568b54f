//! The picture that is described: a file, or a drawn frame in the form in which cameras send them.

use std::path::Path;

use crate::cli::failure::{Failure, chain};
use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};
use crate::image;

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;

/// A picture and what to call it.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) picture: Picture,
    /// Such as "a drawn 1920x1080 frame, NV12 as from a camera".
    pub(super) words: String,
}

impl Sight {
    /// The file, or the drawn frame.
    pub(super) fn of(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file else {
            return Ok(Self { picture: drawn(), words: "a drawn 1920x1080 frame, NV12 as from a camera".into() });
        };
        let picture = image::read_file(file).map_err(|error| Failure::usage(chain(&error)))?;
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
        let words = format!("{name}, {}x{}, RGB as from a picture file", picture.width(), picture.height());
        Ok(Self { picture, words })
    }
}

/// A meadow under the sky with a house and somebody in front of it, and a sensor's noise; the same at every call.
fn drawn() -> Picture {
    let mut rng = fastrand::Rng::with_seed(1080);
    let mut data = Vec::with_capacity(WIDTH * HEIGHT * 3 / 2);
    for y in 0..HEIGHT {
        data.extend((0..WIDTH).map(|x| colour(x, y)[0] + rng.u8(0..5)));
    }
    for y in (0..HEIGHT).step_by(2) {
        for x in (0..WIDTH).step_by(2) {
            let [_, blue, red] = colour(x, y);
            data.extend([blue, red]);
        }
    }
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    Picture::packed(WIDTH as u32, HEIGHT as u32, PixelFormat::Nv12, colour, data).expect("planes of this size")
}

/// Luma and both chromas at a place of the drawn frame.
fn colour(x: usize, y: usize) -> [u8; 3] {
    let within = |x0: usize, y0: usize, w: usize, h: usize| (x0..x0 + w).contains(&x) && (y0..y0 + h).contains(&y);
    let round = |cx: usize, cy: usize, r: usize| x.abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2) < r * r;
    if round(1300, 430, 60) {
        [150, 112, 156]
    } else if within(1235, 490, 130, 260) {
        [60, 140, 120]
    } else if within(1240, 750, 50, 170) || within(1310, 750, 50, 170) {
        [40, 150, 122]
    } else if within(420, 520, 110, 230) || within(620, 480, 120, 110) {
        [45, 132, 130]
    } else if within(340, 400, 480, 350) {
        [170 - (y / 16 % 2 * 12) as u8, 118, 150]
    } else if y < 400 && y > 220 && x.abs_diff(580) < (y - 220) * 3 / 2 {
        [85, 110, 170]
    } else if y < 640 {
        [150 + (y / 16) as u8, 150, 116]
    } else {
        [95 + ((x / 24 + y / 12) % 3 * 9) as u8, 105, 114]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_the_same_each_time_and_within_its_range() {
        let (one, two) = (drawn(), drawn());
        for plane in 0..2 {
            assert_eq!(one.plane(plane).data, two.plane(plane).data);
            assert!(one.plane(plane).data.iter().all(|value| (16..=240).contains(value)));
        }
        assert_eq!((one.width(), one.height(), one.format()), (1920, 1080, PixelFormat::Nv12));
    }
}
