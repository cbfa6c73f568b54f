//! Picture files, whose bytes are red, green and blue: as Pillow resizes them, with its rounding to bytes after the columns and
//! again after the rows, because those are the numbers that a model's authors saw. This is not on the way of a camera's frames, so a
//! library does it.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ImageView, ResizeAlg, ResizeOptions, Resizer};

use super::number::Number;
use super::{Crop, Filter, Geometry};
use crate::frame::{Picture, Plane};

#[derive(Default)]
pub(super) struct Pillow {
    resizer: Resizer,
    /// Rows without padding, for the rare stride that is no whole number of pixels.
    packed: Vec<u8>,
}

impl Pillow {
    pub(super) fn run<N: Number>(&mut self, geometry: &Geometry, picture: &Picture, crop: Crop, out: &mut [N]) {
        let size = (picture.width(), picture.height());
        // Columns first, as Pillow does. The resizer alone begins with the rows, which is faster and rounds otherwise.
        let mut narrow = TypedImage::<U8x3>::new(geometry.width, size.1);
        let view = pixels(picture.plane(0), size, &mut self.packed);
        resize(&mut self.resizer, &view, crop.columns(size.1), geometry.resample, &mut narrow);
        let mut rgb = TypedImage::<U8x3>::new(geometry.width, geometry.height);
        resize(&mut self.resizer, &narrow, crop.rows(geometry.width), geometry.resample, &mut rgb);
        let area = out.len() / 3;
        for (channel, plane) in out.chunks_exact_mut(area).enumerate() {
            let table: [N; 256] = std::array::from_fn(|sample| N::of(geometry.value(channel, sample as f32)));
            for (value, pixel) in plane.iter_mut().zip(rgb.pixels()) {
                *value = table[usize::from(pixel.0[channel])];
            }
        }
    }
}

/// The pixels of a plane of `size` pixels.
fn pixels<'a>(
    plane: Plane<'a>,
    (width, height): (u32, u32),
    packed: &'a mut Vec<u8>,
) -> TypedCroppedImage<'a, TypedImageRef<'a, U8x3>> {
    let pixel = size_of::<U8x3>();
    let whole = plane.stride * height as usize;
    // The view spans the padding and is then narrowed, so that no filter ever sees it.
    let (pixels_per_row, buffer) = if plane.stride.is_multiple_of(pixel) && plane.data.len() >= whole {
        (plane.stride / pixel, &plane.data[..whole])
    } else {
        packed.clear();
        for y in 0..height as usize {
            packed.extend_from_slice(&plane.data[y * plane.stride..][..width as usize * pixel]);
        }
        (width as usize, packed.as_slice())
    };
    let rows = TypedImageRef::from_buffer(pixels_per_row as u32, height, buffer)
        .expect("bytes have no alignment and the picture's planes were measured");
    TypedCroppedImage::new(rows, 0, 0, width, height).expect("a row is not longer than its stride")
}

fn resize(
    resizer: &mut Resizer,
    view: &impl ImageView<Pixel = U8x3>,
    crop: Crop,
    filter: Filter,
    target: &mut TypedImage<'_, U8x3>,
) {
    let algorithm = match filter {
        Filter::Nearest => ResizeAlg::Nearest,
        Filter::Lanczos => ResizeAlg::Convolution(FilterType::Lanczos3),
        Filter::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
        Filter::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
        Filter::Box => ResizeAlg::Convolution(FilterType::Box),
        Filter::Hamming => ResizeAlg::Convolution(FilterType::Hamming),
    };
    let options = ResizeOptions::new().resize_alg(algorithm).crop(crop.left, crop.top, crop.width, crop.height);
    resizer.resize_typed(view, target, &options).expect("the crop lies inside the plane");
}
