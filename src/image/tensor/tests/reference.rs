//! The fused pass against the plain definition in `f64`: weights over the whole plane, one picture at a time, nothing clever.

use proptest::prelude::*;

use super::*;

const FILTERS: [Filter; 6] =
    [Filter::Nearest, Filter::Lanczos, Filter::Bilinear, Filter::Bicubic, Filter::Box, Filter::Hamming];

#[derive(Debug, Clone)]
struct Case {
    width: usize,
    height: usize,
    format: PixelFormat,
    colour: Colour,
    /// Bytes after the rows of luma and of chroma; the last row may lack them.
    padding: [usize; 2],
    short: bool,
    view: Region,
    resample: Filter,
    columns: u32,
    rows: u32,
    /// Zero: samples are 0 and 255 only.
    smoothness: u8,
    seed: u64,
}

impl Case {
    fn geometry(&self) -> Geometry {
        Geometry {
            width: self.columns,
            height: self.rows,
            resample: self.resample,
            rescale: 1.0 / 255.0,
            mean: [0.5, 0.4, 0.6],
            std: [0.5, 0.25, 0.3],
        }
    }

    /// Luma, Cb and Cr without padding.
    fn samples(&self) -> [Vec<u8>; 3] {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mut last = 128_u8;
        let mut plane = |length: usize| -> Vec<u8> {
            let mut next = || {
                last = match self.smoothness {
                    0 => 255 * rng.u8(0..2),
                    most => last.saturating_add(rng.u8(0..=most)).saturating_sub(rng.u8(0..=most)),
                };
                last
            };
            (0..length).map(|_| next()).collect()
        };
        let half = self.width.div_ceil(2) * self.height.div_ceil(2);
        [plane(self.width * self.height), plane(half), plane(half)]
    }

    fn picture(&self) -> Picture {
        let [luma, cb, cr] = self.samples();
        let half = self.width.div_ceil(2);
        let [wide, narrow] = self.padding;
        let mut planes = vec![padded(&luma, self.width, wide, self.short)];
        if self.format == PixelFormat::Nv12 {
            let pairs: Vec<u8> = cb.iter().zip(&cr).flat_map(|(cb, cr)| [*cb, *cr]).collect();
            planes.push(padded(&pairs, 2 * half, narrow, self.short));
        } else {
            planes.extend([cb, cr].map(|plane| padded(&plane, half, narrow, self.short)));
        }
        let planes = Arc::new(Padded { planes });
        Picture::new(self.width as u32, self.height as u32, self.format, self.colour, planes).unwrap()
    }

    /// Left and width, or top and height, in pixels.
    fn part(start: f32, length: f32, size: usize) -> (f64, f64) {
        let size = size as f64;
        let start = (f64::from(start) * size).min(size - 1.0);
        (start, (f64::from(length) * size).max(1.0).min(size - start))
    }

    fn reference(&self) -> Vec<f64> {
        let (left, wide) = Self::part(self.view.x, self.view.w, self.width);
        let (top, high) = Self::part(self.view.y, self.view.h, self.height);
        let [luma, cb, cr] = self.samples();
        let half = (self.width.div_ceil(2), self.height.div_ceil(2));
        let resize = |samples: &[u8], size: (usize, usize), zoom: f64| {
            let across = weights(self.resample, size.0, left / zoom, wide / zoom, self.columns as usize);
            let down = weights(self.resample, size.1, top / zoom, high / zoom, self.rows as usize);
            let narrow: Vec<Vec<f64>> = samples
                .chunks_exact(size.0)
                .map(|row| across.iter().map(|w| w.iter().map(|(at, w)| w * f64::from(row[*at])).sum()).collect())
                .collect();
            let pixel = |w: &[(usize, f64)], x: usize| w.iter().map(|(at, w)| w * narrow[*at][x]).sum::<f64>();
            let columns = 0..self.columns as usize;
            down.iter().flat_map(|w| columns.clone().map(move |x| pixel(w, x))).collect::<Vec<_>>()
        };
        let planes = [resize(&luma, (self.width, self.height), 1.0), resize(&cb, half, 2.0), resize(&cr, half, 2.0)];
        let geometry = self.geometry();
        let mut out = vec![0.0; geometry.values()];
        let area = out.len() / 3;
        for at in 0..area {
            for (channel, value) in rgb(self.colour, planes.each_ref().map(|p| p[at])).into_iter().enumerate() {
                let share = value.clamp(0.0, 255.0) * f64::from(geometry.rescale) - f64::from(geometry.mean[channel]);
                out[channel * area + at] = share / f64::from(geometry.std[channel]);
            }
        }
        out
    }

    /// Of the pass against the reference, in steps of 1/255.
    fn errors(&self) -> Vec<f64> {
        let geometry = self.geometry();
        let mut out = vec![f32::NAN; geometry.values()];
        Preprocessor::new(geometry).run(&self.picture(), self.view, &[], &mut out);
        let area = out.len() / 3;
        let step = |at: usize| 255.0 * f64::from(geometry.std[at / area]);
        let pairs = out.iter().zip(self.reference());
        pairs.enumerate().map(|(at, (have, want))| (f64::from(*have) - want).abs() * step(at)).collect()
    }
}

/// Per pixel, the samples that have a weight, and it.
fn weights(filter: Filter, size: usize, start: f64, length: f64, count: usize) -> Vec<Vec<(usize, f64)>> {
    let step = length / count as f64;
    let pixel = |index: usize| {
        let middle = start + (index as f64 + 0.5) * step;
        let mut weights: Vec<f64> =
            (0..size).map(|s| kernel(filter, (s as f64 + 0.5 - middle) / step.max(1.0))).collect();
        if filter == Filter::Nearest {
            weights = (0..size).map(|s| f64::from(s == (middle as usize).min(size - 1))).collect();
        }
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|w| w / sum).enumerate().filter(|(_, w)| *w != 0.0).collect()
    };
    (0..count).map(pixel).collect()
}

fn kernel(filter: Filter, x: f64) -> f64 {
    let pi = std::f64::consts::PI;
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (pi * x).sin() / (pi * x) };
    let d = x.abs();
    match filter {
        Filter::Nearest => 0.0,
        Filter::Box => f64::from(x > -0.5 && x <= 0.5),
        Filter::Bilinear => (1.0 - d).max(0.0),
        Filter::Hamming if d < 1.0 => sinc(d) * (0.54 + 0.46 * (pi * d).cos()),
        Filter::Lanczos if d < 3.0 => sinc(d) * sinc(d / 3.0),
        // Keys' cubic with a = -1/2.
        Filter::Bicubic if d < 1.0 => 1.5 * d.powi(3) - 2.5 * d.powi(2) + 1.0,
        Filter::Bicubic if d < 2.0 => -0.5 * d.powi(3) + 2.5 * d.powi(2) - 4.0 * d + 2.0,
        _ => 0.0,
    }
}

/// As the standards write it: from shares of 0 to 1 and of -1/2 to 1/2.
fn rgb(colour: Colour, [y, cb, cr]: [f64; 3]) -> [f64; 3] {
    let (kr, kb) = match colour.matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
    };
    let (y, cb, cr) = match colour.range {
        Range::Limited => ((y - 16.0) / 219.0, (cb - 128.0) / 224.0, (cr - 128.0) / 224.0),
        Range::Full => (y / 255.0, (cb - 128.0) / 255.0, (cr - 128.0) / 255.0),
    };
    let (red, blue) = (y + cr * 2.0 * (1.0 - kr), y + cb * 2.0 * (1.0 - kb));
    [red, (y - kr * red - kb * blue) / (1.0 - kr - kb), blue].map(|share| 255.0 * share)
}

prop_compose! {
    fn view()(whole: bool, x in 0.0_f32..1.0, y in 0.0_f32..1.0, w in 0.0_f32..1.0, h in 0.0_f32..1.0) -> Region {
        if whole { Region::WHOLE } else { Region { x, y, w: w * (1.0 - x), h: h * (1.0 - y) } }
    }
}

prop_compose! {
    fn case()(
        (width, height) in prop_oneof![(1_usize..40, 1_usize..40), (1_usize..300, 1_usize..300)],
        (columns, rows) in prop_oneof![(1_u32..12, 1_u32..12), (1_u32..150, 1_u32..150)],
        nv12: bool,
        bt601: bool,
        full: bool,
        padding in [0_usize..40, 0_usize..40],
        short: bool,
        view in view(),
        resample in proptest::sample::select(FILTERS.to_vec()),
        smoothness in prop_oneof![Just(0), Just(255), 1_u8..60],
        seed: u64,
    ) -> Case {
        let colour = Colour {
            matrix: if bt601 { Matrix::Bt601 } else { Matrix::Bt709 },
            range: if full { Range::Full } else { Range::Limited },
        };
        let format = if nv12 { PixelFormat::Nv12 } else { PixelFormat::I420 };
        Case { width, height, format, colour, padding, short, view, resample, columns, rows, smoothness, seed }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_number_is_that_of_the_definition(case in case()) {
        let worst = case.errors().into_iter().fold(0.0, f64::max);
        prop_assert!(worst < 1.0, "{worst} steps");
    }
}

/// Sizes as they come from cameras: nearly every number is much nearer than a step.
#[test]
fn a_camera_s_picture_is_exact_to_a_fraction_of_a_step() {
    let sizes = [(1920, 1080, 512), (1280, 720, 288), (3840, 2160, 512), (640, 481, 512)];
    for (index, (width, height, side)) in sizes.into_iter().enumerate() {
        for (resample, smoothness) in [(Filter::Lanczos, 0), (Filter::Lanczos, 9), (Filter::Bilinear, 255)] {
            let case = Case {
                width,
                height,
                format: if index % 2 == 0 { PixelFormat::Nv12 } else { PixelFormat::I420 },
                colour: COLOUR,
                padding: [0, 0],
                short: false,
                view: Region::WHOLE,
                resample,
                columns: side,
                rows: side,
                smoothness,
                seed: 7,
            };
            let mut errors = case.errors();
            errors.sort_by(f64::total_cmp);
            let (typical, worst) = (errors[errors.len() * 99 / 100], errors[errors.len() - 1]);
            println!(
                "{width}x{height} to {side}, {resample:?}, smoothness {smoothness}: 99 % within {typical:.3}, all within {worst:.3}"
            );
            assert!(typical < 0.25 && worst < 0.5, "{width}x{height}: {typical}, {worst}");
        }
    }
}

/// Whatever a caller may ask for.
#[test]
fn no_view_is_too_strange() {
    let picture = Picture::packed(9, 7, PixelFormat::I420, COLOUR, vec![90; 63 + 40]).unwrap();
    let numbers = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 0.0, 1e-30, 0.3, 0.999_999, 1.0, 7e9];
    for (x, w) in numbers.into_iter().flat_map(|x| numbers.map(|w| (x, w))) {
        for resample in FILTERS {
            let view = Region { x, y: w, w, h: x };
            let out = run(Geometry { resample, ..geometry(5, 6) }, &picture, view, &[]);
            assert!(out.iter().all(|v| v.is_finite()), "{resample:?} {view:?}");
        }
    }
}

#[test]
fn halves_are_the_same_numbers() {
    let data = nv12(96, 54);
    let picture = Picture::packed(96, 54, PixelFormat::Nv12, COLOUR, data).unwrap();
    let mask = Polygon(vec![[0.3, 0.3], [0.7, 0.35], [0.6, 0.8]]);
    let geometry = Geometry { rescale: 1.0 / 255.0, mean: [0.5; 3], std: [0.5; 3], ..geometry(70, 33) };
    let singles = run(geometry, &picture, Region::WHOLE, std::slice::from_ref(&mask));
    let mut halves = vec![half::f16::NAN; geometry.values()];
    Preprocessor::new(geometry).run(&picture, Region::WHOLE, &[mask], &mut halves);
    assert!(halves.iter().zip(singles).all(|(half, single)| *half == half::f16::from_f32(single)));
}

/// One preprocessor for many pictures gives what a new one gives.
#[test]
fn nothing_is_left_over_from_the_picture_before() {
    let mut kept = Preprocessor::new(Geometry { resample: Filter::Lanczos, ..geometry(40, 30) });
    let picture = |width: usize, height: usize, format: PixelFormat| {
        let data = nv12(width, height);
        let data = if format == PixelFormat::I420 { as_i420(&data, width, height) } else { data };
        Picture::packed(width as u32, height as u32, format, COLOUR, data).unwrap()
    };
    let large = picture(640, 360, PixelFormat::Nv12);
    let small = picture(33, 21, PixelFormat::I420);
    let region = Region { x: 0.4, y: 0.1, w: 0.3, h: 0.5 };
    let huge = picture(1400, 1300, PixelFormat::Nv12);
    for (picture, view) in [
        (&large, Region::WHOLE),
        (&small, Region::WHOLE),
        (&large, region),
        (&huge, Region::WHOLE),
        (&large, Region::WHOLE),
        (&small, region),
        (&huge, region),
    ] {
        let mut out = vec![f32::NAN; kept.geometry().values()];
        kept.run(picture, view, &[], &mut out);
        assert_eq!(out, run(*kept.geometry(), picture, view, &[]), "{picture:?} {view:?}");
    }
}
