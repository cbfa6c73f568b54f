//! Pictures of any format, size and stride to a model's input, whole or in part, with masks.

use std::sync::Arc;

use eyewitness::frame::{Colour, Matrix, Picture, PixelFormat, Plane, Planes, Range};
use eyewitness::image::{Filter, Geometry, Preprocessor};
use eyewitness::units::{Polygon, Region};
use half::f16;

use super::input::Input;

/// Planes that promise what the input says, and have what it gives.
pub(crate) struct Given {
    pub(crate) data: Vec<u8>,
    /// Where each begins, where it ends, and its stride.
    pub(crate) planes: [(usize, usize, usize); 3],
}

impl Planes for Given {
    fn plane(&self, index: usize) -> Plane<'_> {
        let (from, to, stride) = self.planes[index];
        Plane { data: self.data.get(from..to).unwrap_or_default(), stride }
    }
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let geometry = geometry(&mut input);
    let regions: Vec<Region> = (0..1 + input.byte() % 3).map(|_| region(&mut input)).collect();
    let masks: Vec<Polygon> = (0..input.byte() % 3).map(|_| polygon(&mut input)).collect();
    let mut preprocessor = Preprocessor::new(geometry);
    let (mut floats, mut halves) = (vec![0.0_f32; geometry.values()], vec![f16::ZERO; geometry.values()]);
    // One preprocessor serves pictures of changing size, as when a camera changes its resolution.
    for _ in 0..2 {
        let Some(picture) = picture(&mut input, 1 << 18) else { continue };
        for view in &regions {
            floats.fill(f32::NAN);
            preprocessor.run(&picture, *view, &masks, &mut floats);
            // Values of samples between 0 and 255, and what filters overshoot.
            let within = |value: &f32| (-512.0..=1024.0).contains(value);
            assert!(floats.iter().all(within), "{picture:?} {view:?}: a number that no sample is");
            preprocessor.run(&picture, *view, &masks, &mut halves);
            let apart = |(float, half): (&f32, &f16)| (float - half.to_f32()).abs() > 1.0;
            assert!(!floats.iter().zip(&halves).any(apart), "halves are other numbers");
        }
    }
}

fn geometry(input: &mut Input<'_>) -> Geometry {
    let (width, height) = (1 + u32::from(input.byte() % 96), 1 + u32::from(input.byte() % 96));
    let resample = Filter::from_number(u32::from(input.byte() % 6)).expect("six filters");
    Geometry { width, height, resample, rescale: 1.0, mean: [0.0; 3], std: [1.0; 3] }
}

fn region(input: &mut Input<'_>) -> Region {
    if input.byte().is_multiple_of(4) {
        return Region::WHOLE;
    }
    Region { x: input.share(), y: input.share(), w: input.share(), h: input.share() }
}

pub(crate) fn polygon(input: &mut Input<'_>) -> Polygon {
    Polygon((0..input.byte() % 8).map(|_| [input.share(), input.share()]).collect())
}

/// `None`: the planes are not what the size promises, and that was noticed.
pub(crate) fn picture(input: &mut Input<'_>, most_pixels: u32) -> Option<Picture> {
    let format = [PixelFormat::Nv12, PixelFormat::I420, PixelFormat::Rgb][usize::from(input.byte() % 3)];
    // Mostly small; sides of up to 4095 now and then, as long as the picture stays so small that many can be tried.
    let mut side = || match input.byte() {
        byte @ 0..200 => u32::from(byte),
        _ => u32::from(input.u16() % 4096),
    };
    let (width, height) = (side(), side());
    if width * height > most_pixels {
        return None;
    }
    let (w, h) = (width as usize, height as usize);
    let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
    let rows = match format {
        PixelFormat::Nv12 => [(w, h), (2 * cw, ch), (0, 0)],
        PixelFormat::I420 => [(w, h), (cw, ch), (cw, ch)],
        PixelFormat::Rgb => [(3 * w, h), (0, 0), (0, 0)],
    };
    let mut planes = [(0, 0, 0); 3];
    let mut at = 0;
    for (plane, (row, rows)) in planes.iter_mut().zip(rows) {
        let (padding, odd) = (usize::from(input.byte() % 40), input.byte());
        // One in sixteen lies about its stride or its length.
        let stride = if odd == 1 { row.saturating_sub(1 + padding) } else { row + padding };
        let length = if rows == 0 { 0 } else { stride * (rows - 1) + row };
        let length = if odd == 2 { length.saturating_sub(1) } else { length };
        *plane = (at, at + length, stride);
        at += length;
    }
    let colour = Colour {
        matrix: if input.byte().is_multiple_of(2) { Matrix::Bt601 } else { Matrix::Bt709 },
        range: if input.byte().is_multiple_of(2) { Range::Limited } else { Range::Full },
    };
    let some = usize::from(input.byte());
    let pattern = input.bytes(some);
    let data = (0..at).map(|i| if pattern.is_empty() { 90 } else { pattern[i % pattern.len()] }).collect();
    let lies = planes
        .iter()
        .zip(rows)
        .any(|((from, to, stride), (row, rows))| rows > 0 && (*stride < row || to - from < stride * (rows - 1) + row));
    let made = Picture::new(width, height, format, colour, Arc::new(Given { data, planes }));
    assert_eq!(made.is_ok(), !lies && width > 0 && height > 0, "{width}x{height} {format:?}: {planes:?}");
    made.ok()
}
