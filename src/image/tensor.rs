//! A picture becomes a model's input: crop, resize, convert, mask, normalise. Every plane is resized where it lies, at its
//! own size; colour is converted at the model's size only, in one pass that writes the input itself.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3};
use fast_image_resize::{FilterType, ImageView, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use super::colour::Conversion;
use super::mask::{Footprint, touched};
use crate::frame::{Picture, PixelFormat, Plane};
use crate::units::{Polygon, Region};

/// Resize filter, with Pillow's numbers as `preprocessor_config.json` has them. All but `Nearest` widen with the reduction
/// (antialiasing), as Pillow's do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    Nearest,
    Lanczos,
    Bilinear,
    Bicubic,
    Box,
    Hamming,
}

impl Filter {
    /// Pillow's `Resampling` number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        const ALL: [Filter; 6] =
            [Filter::Nearest, Filter::Lanczos, Filter::Bilinear, Filter::Bicubic, Filter::Box, Filter::Hamming];
        ALL.get(number as usize).copied()
    }

    fn algorithm(self) -> ResizeAlg {
        ResizeAlg::Convolution(match self {
            Self::Nearest => return ResizeAlg::Nearest,
            Self::Lanczos => FilterType::Lanczos3,
            Self::Bilinear => FilterType::Bilinear,
            Self::Bicubic => FilterType::CatmullRom,
            Self::Box => FilterType::Box,
            Self::Hamming => FilterType::Hamming,
        })
    }

    /// How far it looks, in pixels of the coarser of both grids.
    fn support(self) -> f32 {
        match self {
            Self::Nearest | Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }
}

/// What a model wants to see: value = (sample x `rescale` - `mean`) / `std` per channel (red, green, blue).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    pub resample: Filter,
    pub rescale: f32,
    pub mean: [f32; 3],
    pub std: [f32; 3],
}

impl Geometry {
    /// Numbers of one input: 3 x height x width.
    #[must_use]
    pub fn values(&self) -> usize {
        3 * self.width as usize * self.height as usize
    }

    fn value(&self, channel: usize, sample: f32) -> f32 {
        (sample * self.rescale - self.mean[channel]) / self.std[channel]
    }
}

/// Turns pictures into inputs of one geometry. Its buffers, all of the model's size, are made once; per picture only the
/// resizer's filter coefficients (some kilobytes) are allocated, and for a picture file one buffer.
pub struct Preprocessor {
    geometry: Geometry,
    resizer: Resizer,
    luma: TypedImage<'static, U8>,
    chroma: [TypedImage<'static, U8>; 2],
    chroma_pairs: TypedImage<'static, U8x2>,
    rgb: TypedImage<'static, U8x3>,
    /// The value of each sample of a channel.
    values: Box<[[f32; 256]; 3]>,
    /// Rows without padding, for the rare stride that is no whole number of pixels.
    packed: Vec<u8>,
    crossings: Vec<f32>,
}

impl std::fmt::Debug for Preprocessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preprocessor").field("geometry", &self.geometry).finish_non_exhaustive()
    }
}

impl Preprocessor {
    #[must_use]
    pub fn new(geometry: Geometry) -> Self {
        let (w, h) = (geometry.width, geometry.height);
        let mut values = Box::new([[0.0; 256]; 3]);
        for (channel, table) in values.iter_mut().enumerate() {
            for (sample, value) in table.iter_mut().enumerate() {
                *value = geometry.value(channel, sample as f32);
            }
        }
        Self {
            geometry,
            resizer: Resizer::new(),
            luma: TypedImage::new(w, h),
            chroma: [TypedImage::new(w, h), TypedImage::new(w, h)],
            chroma_pairs: TypedImage::new(w, h),
            rgb: TypedImage::new(w, h),
            values,
            packed: Vec::new(),
            crossings: Vec::new(),
        }
    }

    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Writes the part `view` of `picture`, stretched to the model's size, into `out`: channels, then rows, then columns.
    /// Pixels that `masks` (fractions of the whole picture) touch become mid grey.
    ///
    /// # Panics
    /// If `out` does not hold [`Geometry::values`] numbers.
    pub fn run(&mut self, picture: &Picture, view: Region, masks: &[Polygon], out: &mut [f32]) {
        assert_eq!(out.len(), self.geometry.values(), "the input's size is the geometry's");
        let crop = Crop::new(picture, view);
        self.resize(picture, crop);
        match picture.format() {
            PixelFormat::Rgb => self.write_rgb(out),
            PixelFormat::Nv12 => {
                let pairs = self.chroma_pairs.pixels().iter().map(|pair| pair.0);
                write_yuv(&self.geometry, picture, self.luma.pixels(), pairs, out);
            }
            PixelFormat::I420 => {
                let [cb, cr] = &self.chroma;
                let pairs = cb.pixels().iter().zip(cr.pixels()).map(|(cb, cr)| [cb.0, cr.0]);
                write_yuv(&self.geometry, picture, self.luma.pixels(), pairs, out);
            }
        }
        self.paint(picture, crop, masks, out);
    }

    fn resize(&mut self, picture: &Picture, crop: Crop) {
        let full = (picture.width(), picture.height());
        let half = (full.0.div_ceil(2), full.1.div_ceil(2));
        let mut job = Job { resizer: &mut self.resizer, packed: &mut self.packed, filter: self.geometry.resample };
        match picture.format() {
            PixelFormat::Rgb => {
                // Columns first, as Pillow does: with its rounding in between the numbers are those that a model's authors saw.
                // The resizer alone begins with the rows, which is faster: that is for cameras.
                let mut narrow = TypedImage::<U8x3>::new(self.geometry.width, full.1);
                job.resize(picture.plane(0), full, crop.columns(full.1), &mut narrow);
                resize(job.resizer, &narrow, crop.rows(self.geometry.width), job.filter, &mut self.rgb);
            }
            PixelFormat::Nv12 => {
                job.resize(picture.plane(0), full, crop, &mut self.luma);
                job.resize(picture.plane(1), half, crop.halved(), &mut self.chroma_pairs);
            }
            PixelFormat::I420 => {
                job.resize(picture.plane(0), full, crop, &mut self.luma);
                for (index, plane) in self.chroma.iter_mut().enumerate() {
                    job.resize(picture.plane(1 + index), half, crop.halved(), plane);
                }
            }
        }
    }

    fn write_rgb(&self, out: &mut [f32]) {
        let area = out.len() / 3;
        for (channel, plane) in out.chunks_exact_mut(area).enumerate() {
            let table = &self.values[channel];
            for (value, pixel) in plane.iter_mut().zip(self.rgb.pixels()) {
                *value = table[usize::from(pixel.0[channel])];
            }
        }
    }

    fn paint(&mut self, picture: &Picture, crop: Crop, masks: &[Polygon], out: &mut [f32]) {
        let (columns, rows) = (self.geometry.width as usize, self.geometry.height as usize);
        let step = [crop.width as f32 / columns as f32, crop.height as f32 / rows as f32];
        let source = [picture.width() as f32, picture.height() as f32];
        // A chroma sample stands for two pixels: its filter looks at least that much further. One pixel more for rounding.
        let finest = if picture.format() == PixelFormat::Rgb { 1.0 } else { 2.0 };
        let reach = step.map(|step| self.geometry.resample.support() * step.max(finest) + finest);
        let footprint = Footprint { source, origin: [crop.left as f32, crop.top as f32], step, reach };
        let grey: [f32; 3] = std::array::from_fn(|channel| self.geometry.value(channel, 128.0));
        let area = columns * rows;
        for polygon in masks {
            for row in 0..rows {
                touched(polygon, &footprint, row, columns, &mut self.crossings, |touched| {
                    let at = row * columns;
                    for (channel, grey) in grey.into_iter().enumerate() {
                        out[channel * area + at + touched.start..channel * area + at + touched.end].fill(grey);
                    }
                });
            }
        }
    }
}

fn write_yuv(
    geometry: &Geometry,
    picture: &Picture,
    luma: &[U8],
    chroma: impl Iterator<Item = [u8; 2]>,
    out: &mut [f32],
) {
    let conversion = Conversion::new(picture.colour());
    let scale: [f32; 3] = std::array::from_fn(|c| geometry.rescale / geometry.std[c]);
    let offset: [f32; 3] = std::array::from_fn(|c| -geometry.mean[c] / geometry.std[c]);
    let (red, rest) = out.split_at_mut(luma.len());
    let (green, blue) = rest.split_at_mut(luma.len());
    let targets = red.iter_mut().zip(green).zip(blue);
    for (((red, green), blue), (y, [cb, cr])) in targets.zip(luma.iter().zip(chroma)) {
        let rgb = conversion.rgb(y.0, cb, cr);
        *red = rgb[0] * scale[0] + offset[0];
        *green = rgb[1] * scale[1] + offset[1];
        *blue = rgb[2] * scale[2] + offset[2];
    }
}

/// A part of a plane, in its pixels.
#[derive(Debug, Clone, Copy)]
struct Crop {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Crop {
    /// `view` of the picture, kept inside it, at least one pixel wide and high.
    fn new(picture: &Picture, view: Region) -> Self {
        let (left, width) = inside(view.x, view.w, picture.width());
        let (top, height) = inside(view.y, view.h, picture.height());
        Self { left, top, width, height }
    }

    /// The same columns, and all rows of a picture of `height`.
    fn columns(self, height: u32) -> Self {
        Self { top: 0.0, height: f64::from(height), ..self }
    }

    /// The same rows, and all columns of a picture of `width`.
    fn rows(self, width: u32) -> Self {
        Self { left: 0.0, width: f64::from(width), ..self }
    }

    /// The same part of a plane of half the size. A chroma plane of an odd picture is half a sample wider: not read.
    fn halved(self) -> Self {
        Self { left: self.left / 2.0, top: self.top / 2.0, width: self.width / 2.0, height: self.height / 2.0 }
    }
}

fn inside(start: f32, length: f32, size: u32) -> (f64, f64) {
    let size = f64::from(size);
    let finite = |v: f32, otherwise: f64| if v.is_finite() { f64::from(v) } else { otherwise };
    let start = (finite(start, 0.0) * size).clamp(0.0, size - 1.0);
    let mut length = (finite(length, 1.0) * size).clamp(1.0, size - start);
    while start + length > size {
        length = length.next_down();
    }
    (start, length)
}

struct Job<'a> {
    resizer: &'a mut Resizer,
    packed: &'a mut Vec<u8>,
    filter: Filter,
}

impl Job<'_> {
    /// Resizes the part `crop` of a plane of `size` pixels into `target`.
    fn resize<P: PixelTrait>(
        &mut self,
        plane: Plane<'_>,
        size: (u32, u32),
        crop: Crop,
        target: &mut TypedImage<'_, P>,
    ) {
        let (width, height) = size;
        let pixel = size_of::<P>();
        let whole = plane.stride * height as usize;
        let buffer;
        // The view spans the padding and is then narrowed, so that no filter ever sees it.
        let pixels_per_row = if plane.stride.is_multiple_of(pixel) && plane.data.len() >= whole {
            buffer = &plane.data[..whole];
            plane.stride / pixel
        } else {
            let row = width as usize * pixel;
            self.packed.clear();
            for y in 0..height as usize {
                self.packed.extend_from_slice(&plane.data[y * plane.stride..][..row]);
            }
            buffer = self.packed.as_slice();
            width as usize
        };
        let rows = TypedImageRef::<P>::from_buffer(pixels_per_row as u32, height, buffer)
            .expect("bytes have no alignment and the picture's planes were measured");
        let view = TypedCroppedImage::new(rows, 0, 0, width, height).expect("a row is not longer than its stride");
        resize(self.resizer, &view, crop, self.filter, target);
    }
}

fn resize<P: PixelTrait>(
    resizer: &mut Resizer,
    view: &impl ImageView<Pixel = P>,
    crop: Crop,
    filter: Filter,
    target: &mut TypedImage<'_, P>,
) {
    // Two bytes per pixel are chroma here, not grey with alpha.
    let options = ResizeOptions::new()
        .resize_alg(filter.algorithm())
        .crop(crop.left, crop.top, crop.width, crop.height)
        .use_alpha(false);
    resizer.resize_typed(view, target, &options).expect("the crop lies inside the plane");
}

#[cfg(test)]
mod tests;
