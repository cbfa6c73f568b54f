//! A picture becomes a model's input: crop, resize, convert, mask, normalise. What cameras give (luma and chroma) goes through one
//! fused pass (`planes`); picture files have a way of their own, with the rounding that a model's authors saw (`pillow`).

use super::colour::Conversion;
use super::mask::{Footprint, touched};
use crate::frame::{Picture, PixelFormat, Plane};
use crate::units::{Polygon, Region};

mod number;
mod pillow;
mod planes;
mod sample;
mod weights;

use number::Number;
use pillow::Pillow;
use planes::{Axes, Job, Part, Scratch};
use sample::{MIDDLE, Sample};
use weights::Span;

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

/// With more samples than these per pixel and axis, sums are made of `f32`.
const MANY_TAPS: usize = 64;

/// Turns pictures into inputs of one geometry. Weights are computed when the view or the picture's size changes, those of the
/// whole view apart from those of regions; otherwise nothing is allocated, but for picture files.
pub struct Preprocessor {
    geometry: Geometry,
    fused: Fused<i16>,
    fused_wide: Fused<f32>,
    pillow: Pillow,
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
        Self {
            geometry,
            fused: Fused::default(),
            fused_wide: Fused::default(),
            pillow: Pillow::default(),
            crossings: Vec::new(),
        }
    }

    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Writes the part `view` of `picture`, stretched to the model's size, into `out`: channels, then rows, then columns.
    /// Pixels that `masks` (fractions of the whole picture) touch become mid grey. Numbers are `f32` or `half::f16`.
    ///
    /// # Panics
    /// If `out` does not hold [`Geometry::values`] numbers.
    pub fn run<N: Number>(&mut self, picture: &Picture, view: Region, masks: &[Polygon], out: &mut [N]) {
        assert_eq!(out.len(), self.geometry.values(), "the input's size is the geometry's");
        if out.is_empty() {
            return;
        }
        let crop = Crop::new(picture, view);
        if picture.format() == PixelFormat::Rgb {
            self.pillow.run(&self.geometry, picture, crop, out);
        } else {
            let spans = Spans::new(&self.geometry, picture, crop);
            if spans.all().iter().all(|span| span.taps(self.geometry.resample) <= MANY_TAPS) {
                self.fused.run(&self.geometry, picture, &spans, out);
            } else {
                self.fused_wide.run(&self.geometry, picture, &spans, out);
            }
        }
        self.paint(picture, crop, masks, out);
    }

    fn paint<N: Number>(&mut self, picture: &Picture, crop: Crop, masks: &[Polygon], out: &mut [N]) {
        let (columns, rows) = (self.geometry.width as usize, self.geometry.height as usize);
        let step = [crop.width as f32 / columns as f32, crop.height as f32 / rows as f32];
        let source = [picture.width() as f32, picture.height() as f32];
        // A chroma sample stands for two pixels: its filter looks at least that much further. One pixel more for rounding.
        let finest = if picture.format() == PixelFormat::Rgb { 1.0 } else { 2.0 };
        let reach = step.map(|step| self.geometry.resample.support() * step.max(finest) + finest);
        let footprint = Footprint { source, origin: [crop.left as f32, crop.top as f32], step, reach };
        let grey: [N; 3] = std::array::from_fn(|channel| N::of(self.geometry.value(channel, 128.0)));
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

/// The fused pass with its weights and buffers.
#[derive(Default)]
struct Fused<T> {
    /// Of the whole view, and of the last region.
    kept: [(Option<Spans>, Axes<T>); 2],
    scratch: Scratch<T>,
    exact: Vec<f64>,
}

impl<T: Sample> Fused<T> {
    fn run<N: Number>(&mut self, geometry: &Geometry, picture: &Picture, spans: &Spans, out: &mut [N]) {
        let (kept, axes) = &mut self.kept[usize::from(!spans.whole)];
        if kept.as_ref() != Some(spans) {
            *kept = None;
            for part in 0..2 {
                axes.columns[part].fill(geometry.resample, spans.columns[part], T::UNIT, &mut self.exact);
                let unit = axes.columns[part].unit;
                axes.rows[part].fill(geometry.resample, spans.rows[part], unit, &mut self.exact);
            }
            *kept = Some(*spans);
        }
        self.scratch.fit(axes);
        let part = |plane: usize, step: usize| {
            let Plane { data, stride } = picture.plane(plane);
            Part { data, stride, height: spans.rows[plane.min(1)].size, step }
        };
        let (pairs, apart);
        let chroma: &[Part<'_>] = if picture.format() == PixelFormat::Nv12 {
            pairs = [part(1, 2)];
            &pairs
        } else {
            apart = [part(1, 1), part(2, 1)];
            &apart
        };
        let [luma_unit, chroma_unit] = [axes.rows[0].unit, axes.rows[1].unit];
        let job = Job {
            luma: part(0, 1),
            chroma,
            axes,
            conversion: Conversion::new(picture.colour()).for_numbers(MIDDLE, luma_unit, chroma_unit),
            scale: std::array::from_fn(|c| geometry.rescale / geometry.std[c]),
            offset: std::array::from_fn(|c| -geometry.mean[c] / geometry.std[c]),
        };
        planes::render(&job, &mut self.scratch, out);
    }
}

/// The axes of luma and of chroma.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spans {
    columns: [Span; 2],
    rows: [Span; 2],
    /// Nothing of the picture is left out.
    whole: bool,
}

impl Spans {
    fn new(geometry: &Geometry, picture: &Picture, crop: Crop) -> Self {
        // A chroma plane of an odd picture is half a sample wider than half of it: that half is not seen.
        let both = |size: u32, start: f64, length: f64, count: u32| {
            let count = count as usize;
            let luma = Span { size: size as usize, start, length, count };
            [luma, Span { size: size.div_ceil(2) as usize, start: start / 2.0, length: length / 2.0, count }]
        };
        Self {
            columns: both(picture.width(), crop.left, crop.width, geometry.width),
            rows: both(picture.height(), crop.top, crop.height, geometry.height),
            whole: crop.width >= f64::from(picture.width()) && crop.height >= f64::from(picture.height()),
        }
    }

    fn all(&self) -> [Span; 4] {
        [self.columns[0], self.columns[1], self.rows[0], self.rows[1]]
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

#[cfg(test)]
mod tests;
