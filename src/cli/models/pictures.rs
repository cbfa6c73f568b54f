//! Pictures to check a model with, drawn the same on every machine.

use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};

const WIDTH: usize = 640;
const HEIGHT: usize = 480;

/// Day with a figure, night with lights, and texture without sense.
pub(super) fn drawn() -> [Picture; 3] {
    [picture(day), picture(night), picture(texture)]
}

fn picture(colour: fn(usize, usize, u32) -> [u8; 3]) -> Picture {
    let mut state = 0x9e37_79b9_u32;
    let mut data = Vec::with_capacity(WIDTH * HEIGHT * 3);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            // xorshift: the same noise everywhere.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            data.extend(colour(x, y, state));
        }
    }
    let full = Colour { matrix: Matrix::Bt709, range: Range::Full };
    Picture::packed(WIDTH as u32, HEIGHT as u32, PixelFormat::Rgb, full, data).expect("all rows were drawn")
}

fn inside(x: usize, y: usize, (cx, cy): (i32, i32), radius: i32) -> bool {
    let (dx, dy) = (x as i32 - cx, y as i32 - cy);
    dx * dx + dy * dy < radius * radius
}

fn day(x: usize, y: usize, noise: u32) -> [u8; 3] {
    let grain = (noise & 7) as u8;
    if inside(x, y, (250, 190), 28) {
        return [214, 160, 130];
    }
    if (215..285).contains(&x) && (215..360).contains(&y) {
        return [40 + grain, 60, 150];
    }
    if (420..580).contains(&x) && (280..370).contains(&y) {
        return [170, 30 + grain, 30];
    }
    let fall = (y * 90 / HEIGHT) as u8;
    if y < 300 { [120 - fall / 2 + grain, 170 - fall / 2, 230 - fall] } else { [90 + grain, 130 - fall, 70] }
}

fn night(x: usize, y: usize, noise: u32) -> [u8; 3] {
    let grain = (noise & 15) as u8;
    let lamp = [(120, 100), (330, 80), (540, 130)].iter().any(|at| inside(x, y, *at, 16));
    if lamp {
        return [255, 240, 190];
    }
    let near = (x as i32 - 330).unsigned_abs().min(255) as u8;
    [20 + grain + (255 - near) / 12, 22 + grain, 34 + grain]
}

fn texture(x: usize, y: usize, noise: u32) -> [u8; 3] {
    let board = if (x / 20 + y / 20).is_multiple_of(2) { 60 } else { 0 };
    [(noise & 127) as u8 + board, (noise >> 8 & 127) as u8 + board, (noise >> 16 & 127) as u8 + board]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_differ_and_stay_the_same() {
        let sum = |picture: &Picture| -> u64 {
            let plane = picture.plane(0);
            plane.data.iter().map(|byte| u64::from(*byte)).sum()
        };
        let sums = drawn().map(|picture| sum(&picture));
        assert_eq!(sums, drawn().map(|picture| sum(&picture)));
        assert!(sums[0] != sums[1] && sums[1] != sums[2]);
    }
}
