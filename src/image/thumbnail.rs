//! A small JPEG of a picture, for people: the report shows it. What lies under a mask is grey in it too.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use super::tensor::{Filter, Geometry, Preprocessor};
use crate::frame::Picture;
use crate::units::{Polygon, Region};

/// Good enough to recognise somebody by the coat; about ten kilobytes at 320 x 180.
const QUALITY: u8 = 70;

/// The picture as JPEG, at most `width` pixels wide and four times as high; never larger than it is. `None` where the
/// encoder refuses.
#[must_use]
pub fn thumbnail(picture: &Picture, masks: &[Polygon], width: u32) -> Option<Vec<u8>> {
    let (width, height) = fitted(picture.width(), picture.height(), width.max(1));
    let geometry = Geometry { width, height, resample: Filter::Box, rescale: 1.0, mean: [0.0; 3], std: [1.0; 3] };
    let mut planes = vec![0.0; geometry.values()];
    Preprocessor::new(geometry).run(picture, Region::WHOLE, masks, &mut planes);
    let area = planes.len() / 3;
    let sample = |at: usize| planes[at].round().clamp(0.0, 255.0) as u8;
    let rgb: Vec<u8> = (0..area).flat_map(|at| [sample(at), sample(at + area), sample(at + 2 * area)]).collect();
    let mut jpeg = Vec::new();
    let encoder = &mut JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    encoder.encode(&rgb, width, height, ExtendedColorType::Rgb8).ok()?;
    Some(jpeg)
}

fn fitted(width: u32, height: u32, most: u32) -> (u32, u32) {
    let scale = (f64::from(most) / f64::from(width)).min(f64::from(most) * 4.0 / f64::from(height)).min(1.0);
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    (side(width), side(height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Matrix, PixelFormat, Range};

    fn red(width: u32, height: u32) -> Picture {
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        let (luma, chroma) = ((width * height) as usize, (width.div_ceil(2) * height.div_ceil(2)) as usize);
        let data = [vec![81; luma], vec![90; chroma], vec![240; chroma]].concat();
        Picture::packed(width, height, PixelFormat::I420, colour, data).unwrap()
    }

    #[test]
    fn it_is_a_small_jpeg_of_the_same_colours() {
        let jpeg = thumbnail(&red(1920, 1080), &[], 320).unwrap();
        assert!(jpeg.len() < 8000, "{} bytes", jpeg.len());
        let read = image::load_from_memory(&jpeg).unwrap().to_rgb8();
        assert_eq!(read.dimensions(), (320, 180));
        let [r, g, b] = read.get_pixel(160, 90).0;
        assert!(r > 240 && g < 15 && b < 15, "{r} {g} {b}");
    }

    #[test]
    fn a_mask_hides() {
        let left = Polygon(vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]);
        let jpeg = thumbnail(&red(640, 360), &[left], 320).unwrap();
        let [r, g, b] = image::load_from_memory(&jpeg).unwrap().to_rgb8().get_pixel(40, 90).0;
        assert!([r, g, b].iter().all(|v| v.abs_diff(128) < 12), "{r} {g} {b}");
    }

    #[test]
    fn strange_sizes_stay_pictures() {
        assert_eq!(fitted(1, 1, 320), (1, 1));
        assert_eq!(fitted(16_384, 2, 320), (320, 1));
        assert_eq!(fitted(2, 16_384, 320), (1, 1280));
        assert!(thumbnail(&red(2, 2000), &[], 320).is_some());
    }
}
