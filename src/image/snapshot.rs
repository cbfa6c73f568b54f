//! A JPEG of a camera's picture, for people. What lies under a mask is grey before anything is encoded, by the same brush that
//! hides it from the model.
//!
//! `jpeg-encoder` takes rows of luma and chroma as they are made, and halves the chroma, as the camera had it: of a 1080p
//! picture, 640 pixels wide, it makes 24 KB in 1.4 ms, where the encoder of `image` (whole pixels of RGB, whole chroma) makes 28 KB
//! in 5.4 ms.

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use super::tensor::{Filter, Geometry, Preprocessor};
use crate::frame::Picture;
use crate::units::{Polygon, Region};

/// How large a picture for people is, and how good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// In pixels, at most: a picture is never enlarged.
    pub width: u32,
    /// From 1 to 100, as usual with JPEG: at 80 nobody sees a difference, at 50 everybody who looks for one.
    pub quality: u8,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self { width: 640, quality: 75 }
    }
}

/// So wide, and [`TALLEST`] times as high, is what a JPEG can be: 65,535 pixels on a side.
const WIDEST: u32 = 16_383;

/// No picture is made higher than so many times its greatest width.
const TALLEST: u32 = 4;

/// The picture as JPEG (JFIF: BT.601, full range), as wide as the settings say or as it is, in its own proportions. `None` where
/// the encoder refuses.
#[must_use]
pub fn snapshot(picture: &Picture, masks: &[Polygon], settings: SnapshotSettings) -> Option<Vec<u8>> {
    let (width, height) = fitted(picture.width(), picture.height(), settings.width.clamp(1, WIDEST));
    // Of the filters that look smooth it is the one that looks least far, so that masks grow least.
    let resample = Filter::Bilinear;
    let geometry = Geometry { width, height, resample, rescale: 1.0, mean: [0.0; 3], std: [1.0; 3] };
    let mut colours = vec![0.0; geometry.values()];
    Preprocessor::new(geometry).run(picture, Region::WHOLE, masks, &mut colours);
    let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, settings.quality.clamp(1, 100));
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode_image(Planes { colours: &colours, width, height }).ok()?;
    Some(jpeg)
}

/// The size within `most` pixels of width, in the same proportions as far as whole pixels go.
fn fitted(width: u32, height: u32, most: u32) -> (u32, u32) {
    let across = f64::from(most) / f64::from(width);
    let down = f64::from(most) * f64::from(TALLEST) / f64::from(height);
    let scale = across.min(down).min(1.0);
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    (side(width), side(height))
}

/// Red, green and blue, each a plane of 0 to 255, read as JFIF's luma and chroma.
struct Planes<'a> {
    colours: &'a [f32],
    width: u16,
    height: u16,
}

impl ImageBuffer for Planes<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (columns, area) = (usize::from(self.width), usize::from(self.width) * usize::from(self.height));
        let row = |plane: usize| &self.colours[plane * area + usize::from(y) * columns..][..columns];
        let pixels = || row(0).iter().zip(row(1)).zip(row(2)).map(|((r, g), b)| (*r, *g, *b));
        // The cast keeps within 0 to 255.
        let [luma, cb, cr, _] = buffers;
        luma.extend(pixels().map(|(r, g, b)| (0.299 * r + 0.587 * g + 0.114 * b + 0.5) as u8));
        cb.extend(pixels().map(|(r, g, b)| (-0.168_736 * r - 0.331_264 * g + 0.5 * b + 128.5) as u8));
        cr.extend(pixels().map(|(r, g, b)| (0.5 * r - 0.418_688 * g - 0.081_312 * b + 128.5) as u8));
    }
}

#[cfg(test)]
mod tests;
