//! A small JPEG of a picture: the report shows many. What lies under a mask is grey in it too.

use super::snapshot::{SnapshotSettings, snapshot};
use crate::frame::Picture;
use crate::units::Polygon;

/// Good enough to recognise somebody by the coat; less than ten kilobytes at 320 x 180.
const QUALITY: u8 = 70;

/// The picture as JPEG, at most `width` pixels wide and four times as high; never larger than it is. `None` where the
/// encoder refuses.
#[must_use]
pub fn thumbnail(picture: &Picture, masks: &[Polygon], width: u32) -> Option<Vec<u8>> {
    snapshot(picture, masks, SnapshotSettings { width, quality: QUALITY })
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
}
