//! Which samples of a plane one row or column of the model's picture is made of, and with which weights: the numbers of Pillow's
//! resize (`Image.resize` with a `box`), in the form that the pass over the planes takes them.

use std::f64::consts::PI;

use super::Filter;
use super::sample::Sample;

/// One axis of the model's picture on one plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    /// Samples of the plane along this axis.
    pub size: usize,
    /// Of the part that is seen, in samples.
    pub start: f64,
    /// Of the part that is seen, in samples.
    pub length: f64,
    /// Pixels that it becomes.
    pub count: usize,
}

impl Span {
    fn step(&self) -> f64 {
        self.length / self.count as f64
    }

    /// How far from its middle a pixel looks, in samples.
    fn radius(&self, filter: Filter) -> f64 {
        f64::from(filter.support()) * self.step().max(1.0)
    }

    /// Most samples per pixel.
    pub(super) fn taps(&self, filter: Filter) -> usize {
        ((2.0 * self.radius(filter)).ceil() as usize + 1).min(self.size)
    }

    /// First and last (exclusive) sample that pixel `index` may see, and its middle.
    fn window(&self, filter: Filter, index: usize) -> (usize, usize, f64) {
        let middle = self.start + (index as f64 + 0.5) * self.step();
        let nearest = (middle as usize).min(self.size - 1);
        if filter == Filter::Nearest {
            return (nearest, nearest + 1, middle);
        }
        let radius = self.radius(filter);
        let from = ((middle - radius - 0.5).ceil().max(0.0) as usize).min(nearest);
        let to = (((middle + radius - 0.5).floor() + 1.0).max(0.0) as usize).clamp(nearest + 1, self.size);
        (from, to, middle)
    }
}

/// Weights for each pixel of one axis. Every pixel has the same number of them, so some are zero.
#[derive(Debug, Default)]
pub(super) struct Weights<T> {
    /// Weights per pixel.
    pub taps: usize,
    /// Weights per pixel that a view of this size may come to need when it moves.
    pub most_taps: usize,
    /// Per pixel: its first sample. Never falls; `first + taps` is within the plane.
    pub first: Vec<u32>,
    /// Per pixel: what its sum begins with.
    pub begin: Vec<T>,
    /// Per pixel: `taps` weights.
    pub weights: Vec<T>,
    /// Sums are this many times the samples.
    pub unit: f32,
}

impl<T: Sample> Weights<T> {
    /// For samples that come in as `unit` times themselves. `exact` is scratch.
    pub(super) fn fill(&mut self, filter: Filter, span: Span, unit: f32, exact: &mut Vec<f64>) {
        let windows = (0..span.count).map(|index| span.window(filter, index));
        self.taps = windows.clone().map(|(from, to, _)| to - from).max().unwrap_or(1);
        self.most_taps = span.taps(filter);
        self.first.clear();
        exact.clear();
        exact.reserve(span.count * self.most_taps);
        self.weights.reserve((span.count * self.most_taps).saturating_sub(self.weights.len()));
        exact.resize(span.count * self.taps, 0.0);
        let widening = if filter == Filter::Nearest { 1.0 } else { span.step().max(1.0) };
        for ((from, to, middle), weights) in windows.zip(exact.chunks_exact_mut(self.taps)) {
            let first = from.min(span.size - self.taps);
            self.first.push(first as u32);
            let seen = &mut weights[from - first..to - first];
            filter.weigh(from as f64 + 0.5 - middle, widening, seen);
            let sum: f64 = seen.iter().sum();
            if sum > 0.0 {
                seen.iter_mut().for_each(|weight| *weight /= sum);
            } else {
                // Only rounding can bring a pixel out of reach of every sample.
                seen[(middle as usize).clamp(from, to - 1) - from] = 1.0;
            }
        }
        self.unit = T::pack(exact, self.taps, unit, &mut self.weights, &mut self.begin);
    }

    /// Weights of pixel `index`, and what its sum begins with.
    #[inline(always)]
    pub(super) fn of(&self, index: usize) -> (&[T], T) {
        (&self.weights[index * self.taps..][..self.taps], self.begin[index])
    }
}

impl Filter {
    /// Weights of samples at distances of `first`, `first + 1`, and so on, before normalising. The filter is `widening`
    /// times as wide as it is.
    fn weigh(self, first: f64, widening: f64, weights: &mut [f64]) {
        if self == Self::Lanczos {
            return lanczos(first, widening, weights);
        }
        for (index, weight) in weights.iter_mut().enumerate() {
            *weight = self.weight((first + index as f64) / widening);
        }
    }

    fn weight(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            Self::Nearest => 1.0,
            // One end only: a sample on the border belongs to one pixel.
            Self::Box => f64::from(x > -0.5 && x <= 0.5),
            Self::Bilinear => (1.0 - distance).max(0.0),
            Self::Bicubic if distance < 1.0 => (1.5 * distance - 2.5) * distance * distance + 1.0,
            Self::Bicubic if distance < 2.0 => ((2.5 - 0.5 * distance) * distance - 4.0) * distance + 2.0,
            Self::Hamming if distance < 1e-6 => 1.0,
            Self::Hamming if distance < 1.0 => {
                let (sin, cos) = (distance * PI).sin_cos();
                (0.54 + 0.46 * cos) * sin / (distance * PI)
            }
            Self::Bicubic | Self::Hamming | Self::Lanczos => 0.0,
        }
    }
}

/// sinc(x) sinc(x/3), with sin(3a) = 3 sin(a) - 4 sin(a)^3, and each sine from the one before: a region that moves needs
/// thousands of them per picture.
fn lanczos(first: f64, widening: f64, weights: &mut [f64]) {
    let step = PI / 3.0 / widening;
    let (mut sin, mut cos) = (first * step).sin_cos();
    let (sin_step, cos_step) = step.sin_cos();
    for (index, weight) in weights.iter_mut().enumerate() {
        let angle = (first + index as f64) * step;
        let share = if angle.abs() < 1e-6 { 1.0 } else { sin / angle };
        *weight = if angle.abs() < PI { share * share * (1.0 - 4.0 / 3.0 * sin * sin) } else { 0.0 };
        (sin, cos) = (sin * cos_step + cos * sin_step, cos * cos_step - sin * sin_step);
    }
}
