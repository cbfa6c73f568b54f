//! A camera's picture to a model's input, on one core: the fused pass, and beside it what it replaced (each plane resized by
//! `fast_image_resize`, colour converted at the model's size). And a picture for people.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use eyewitness::frame::{Colour, Matrix, Picture, PixelFormat, Range};
use eyewitness::image::{Filter, Geometry, Preprocessor, SnapshotSettings, snapshot};
use eyewitness::units::Region;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

const QUARTER: Region = Region { x: 0.3, y: 0.2, w: 0.5, h: 0.5 };

/// A noisy scene.
fn picture(width: u32, height: u32, format: PixelFormat) -> Picture {
    let mut rng = fastrand::Rng::with_seed(3);
    let (w, h) = (width as usize, height as usize);
    let data = (0..w * h * 3 / 2).map(|i| 60 + (i % w / 9 % 70) as u8 + rng.u8(0..40)).collect();
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    Picture::packed(width, height, format, colour, data).expect("planes of the size")
}

fn geometry(side: u32, resample: Filter) -> Geometry {
    Geometry { width: side, height: side, resample, rescale: 1.0 / 255.0, mean: [0.5; 3], std: [0.5; 3] }
}

/// Plane by plane, as it was done before.
struct PlaneByPlane {
    resizer: Resizer,
    filter: FilterType,
    luma: TypedImage<'static, U8>,
    pairs: TypedImage<'static, U8x2>,
    chroma: [TypedImage<'static, U8>; 2],
}

impl PlaneByPlane {
    fn new(geometry: &Geometry) -> Self {
        let (w, h) = (geometry.width, geometry.height);
        let filter = if geometry.resample == Filter::Lanczos { FilterType::Lanczos3 } else { FilterType::Bilinear };
        Self {
            resizer: Resizer::new(),
            filter,
            luma: TypedImage::new(w, h),
            pairs: TypedImage::new(w, h),
            chroma: [TypedImage::new(w, h), TypedImage::new(w, h)],
        }
    }

    fn run(&mut self, picture: &Picture, view: Region, out: &mut [f32]) {
        let (w, h) = (picture.width(), picture.height());
        let Self { resizer, filter, luma, pairs, chroma } = self;
        resize(resizer, *filter, picture.plane(0).data, (w, h), view, luma);
        if picture.format() == PixelFormat::Nv12 {
            resize(resizer, *filter, picture.plane(1).data, (w / 2, h / 2), view, pairs);
            convert(luma, pairs.pixels().iter().map(|pair| pair.0), out);
        } else {
            for (index, plane) in chroma.iter_mut().enumerate() {
                resize(resizer, *filter, picture.plane(1 + index).data, (w / 2, h / 2), view, plane);
            }
            let [cb, cr] = &*chroma;
            convert(luma, cb.pixels().iter().zip(cr.pixels()).map(|(cb, cr)| [cb.0, cr.0]), out);
        }
    }
}

fn resize<P: PixelTrait>(
    resizer: &mut Resizer,
    filter: FilterType,
    data: &[u8],
    (w, h): (u32, u32),
    view: Region,
    target: &mut TypedImage<'_, P>,
) {
    let data = &data[..w as usize * h as usize * size_of::<P>()];
    let source = TypedImageRef::<P>::from_buffer(w, h, data).expect("planes of the size");
    let part = |share: f32, of: u32| f64::from(share) * f64::from(of);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(part(view.x, w), part(view.y, h), part(view.w, w), part(view.h, h))
        .use_alpha(false);
    resizer.resize_typed(&source, target, &options).expect("a view inside the picture");
}

/// BT.709, limited range; values of -1 to 1.
fn convert(luma: &TypedImage<'_, U8>, chroma: impl Iterator<Item = [u8; 2]>, out: &mut [f32]) {
    let (red, rest) = out.split_at_mut(luma.pixels().len());
    let (green, blue) = rest.split_at_mut(luma.pixels().len());
    let targets = red.iter_mut().zip(green).zip(blue);
    for (((red, green), blue), (y, [cb, cr])) in targets.zip(luma.pixels().iter().zip(chroma)) {
        let y = (f32::from(y.0) - 16.0) * (255.0 / 219.0);
        let (cb, cr) = (f32::from(cb) - 128.0, f32::from(cr) - 128.0);
        let rgb = [y + 1.793 * cr, y - 0.213 * cb - 0.533 * cr, y + 2.112 * cb].map(|v| v.clamp(0.0, 255.0));
        *red = rgb[0] * (2.0 / 255.0) - 1.0;
        *green = rgb[1] * (2.0 / 255.0) - 1.0;
        *blue = rgb[2] * (2.0 / 255.0) - 1.0;
    }
}

fn pixels(c: &mut Criterion) {
    let lanczos = geometry(512, Filter::Lanczos);
    let hd = picture(1920, 1080, PixelFormat::Nv12);
    let cases = [
        ("1080p NV12 to 512, Lanczos", &hd, lanczos, Region::WHOLE),
        ("1080p NV12, a quarter of it to 512, Lanczos", &hd, lanczos, QUARTER),
        ("1080p NV12 to 288, bilinear", &hd, geometry(288, Filter::Bilinear), Region::WHOLE),
        ("4K NV12 to 512, Lanczos", &picture(3840, 2160, PixelFormat::Nv12), lanczos, Region::WHOLE),
        ("1080p I420 to 512, Lanczos", &picture(1920, 1080, PixelFormat::I420), lanczos, Region::WHOLE),
    ];
    let mut group = c.benchmark_group("pixels");
    for (name, picture, geometry, view) in cases {
        let mut out = vec![0.0_f32; geometry.values()];
        let mut before = PlaneByPlane::new(&geometry);
        group.bench_function(BenchmarkId::new("before", name), |b| {
            b.iter(|| before.run(black_box(picture), view, &mut out));
        });
        let mut fused = Preprocessor::new(geometry);
        group.bench_function(BenchmarkId::new("fused", name), |b| {
            b.iter(|| fused.run(black_box(picture), view, &[], &mut out));
        });
    }
    // Two regions in turn: their weights are computed each time.
    let mut out = vec![0.0_f32; lanczos.values()];
    let mut fused = Preprocessor::new(lanczos);
    let mut turn = [QUARTER, Region { x: 0.31, ..QUARTER }].into_iter().cycle();
    group.bench_function(BenchmarkId::new("fused", "1080p NV12, another quarter each time to 512, Lanczos"), |b| {
        b.iter(|| turn.next().map(|view| fused.run(black_box(&hd), view, &[], &mut out)));
    });
    let mut halves = vec![half::f16::ZERO; lanczos.values()];
    group.bench_function(BenchmarkId::new("fused", "1080p NV12 to 512, Lanczos, written as f16"), |b| {
        b.iter(|| fused.run(black_box(&hd), Region::WHOLE, &[], &mut halves));
    });
    group.bench_function(BenchmarkId::new("snapshot", "1080p NV12 to a JPEG of 640"), |b| {
        b.iter(|| snapshot(black_box(&hd), &[], SnapshotSettings::default()));
    });
    group.finish();
}

criterion_group!(benches, pixels);
criterion_main!(benches);
