use std::sync::Arc;

use image::RgbImage;
use proptest::prelude::*;

use super::*;
use crate::frame::{self, Colour, Matrix, PixelFormat, Plane, Range};

const FINE: SnapshotSettings = SnapshotSettings { width: 640, quality: 95 };
const TV: Colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
const FORMATS: [PixelFormat; 2] = [PixelFormat::Nv12, PixelFormat::I420];

fn read(jpeg: &[u8]) -> RgbImage {
    image::load_from_memory(jpeg).unwrap().to_rgb8()
}

/// A picture whose luma and chroma are what `of` says of each pixel (`[y, cb, cr]`); chroma by the left upper pixel of four. Rows
/// are longer than they need be by `padding` bytes of noise, and the last one ends with the picture.
fn picture(
    (width, height): (u32, u32),
    format: PixelFormat,
    colour: Colour,
    padding: usize,
    of: impl Fn(u32, u32) -> [u8; 3],
) -> Picture {
    let plane = |columns: u32, rows: u32, sample: &dyn Fn(u32, u32) -> Vec<u8>| {
        let row = |y| (0..columns).flat_map(|x| sample(x, y)).collect::<Vec<u8>>();
        let stride = row(0).len() + padding;
        let mut data: Vec<u8> = (0..rows).flat_map(|y| [row(y), vec![(y * 37) as u8; padding]].concat()).collect();
        data.truncate(data.len() - padding);
        (data, stride)
    };
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let luma = plane(width, height, &|x, y| vec![of(x, y)[0]]);
    let chroma = |kinds: &[usize]| {
        plane(half_width, half_height, &|x, y| kinds.iter().map(|kind| of(2 * x, 2 * y)[*kind]).collect())
    };
    let planes = match format {
        PixelFormat::Nv12 => vec![luma, chroma(&[1, 2])],
        _ => vec![luma, chroma(&[1]), chroma(&[2])],
    };
    Picture::new(width, height, format, colour, Arc::new(Padded(planes))).unwrap()
}

struct Padded(Vec<(Vec<u8>, usize)>);

impl frame::Planes for Padded {
    fn plane(&self, index: usize) -> Plane<'_> {
        let (data, stride) = &self.0[index];
        Plane { data, stride: *stride }
    }
}

/// Luma and chroma of a colour, by the standards' formulas.
fn samples([r, g, b]: [f64; 3], colour: Colour) -> [u8; 3] {
    let (kr, kb) = if colour.matrix == Matrix::Bt601 { (0.299, 0.114) } else { (0.2126, 0.0722) };
    let luma = kr * r + (1.0 - kr - kb) * g + kb * b;
    let (cb, cr) = ((b - luma) / (2.0 * (1.0 - kb)), (r - luma) / (2.0 * (1.0 - kr)));
    let limited = colour.range == Range::Limited;
    let (black, luma_scale, chroma_scale) =
        if limited { (16.0, 219.0 / 255.0, 224.0 / 255.0) } else { (0.0, 1.0, 1.0) };
    [black + luma * luma_scale, 128.0 + cb * chroma_scale, 128.0 + cr * chroma_scale].map(|v: f64| v.round() as u8)
}

#[test]
fn colours_of_every_kind_of_picture_come_out_as_they_were() {
    let colours = [[200.0, 40.0, 30.0], [20.0, 120.0, 60.0], [240.0, 240.0, 240.0], [10.0, 10.0, 90.0]];
    for matrix in [Matrix::Bt601, Matrix::Bt709] {
        for range in [Range::Limited, Range::Full] {
            for format in FORMATS {
                for wanted in colours {
                    let colour = Colour { matrix, range };
                    let plain = picture((64, 48), format, colour, 0, |_, _| samples(wanted, colour));
                    let found = read(&snapshot(&plain, &[], FINE).unwrap()).get_pixel(30, 20).0;
                    let off = wanted.iter().zip(found).map(|(a, b)| (a - f64::from(b)).abs()).fold(0.0, f64::max);
                    assert!(off <= 4.0, "{colour:?} {format:?}: {wanted:?} became {found:?}");
                }
            }
        }
    }
}

#[test]
fn padding_and_odd_sizes_change_nothing() {
    let scene = |x: u32, y: u32| [(x * 7 + y * 3) as u8, 100 + (x % 40) as u8, 110 + (y % 30) as u8];
    for size in [(64, 36), (65, 37), (33, 1), (1, 33), (1, 1)] {
        let of = |format, padding| snapshot(&picture(size, format, TV, padding, scene), &[], FINE).unwrap();
        let plain = of(PixelFormat::Nv12, 0);
        assert_eq!(read(&plain).dimensions(), size);
        assert_eq!(plain, of(PixelFormat::Nv12, 13), "{size:?}");
        assert_eq!(plain, of(PixelFormat::I420, 0), "{size:?}");
        assert_eq!(plain, of(PixelFormat::I420, 64), "{size:?}");
    }
}

#[test]
fn what_is_masked_is_grey_and_the_rest_is_as_it_was() {
    let red = samples([220.0, 20.0, 20.0], TV);
    let left = Polygon(vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]);
    for format in FORMATS {
        for width in [640, 320, 100] {
            let scene = picture((641, 361), format, TV, 7, |_, _| red);
            let jpeg =
                read(&snapshot(&scene, std::slice::from_ref(&left), SnapshotSettings { width, ..FINE }).unwrap());
            let middle = jpeg.width() / 2;
            for (x, y, pixel) in jpeg.enumerate_pixels() {
                let [r, g, b] = pixel.0;
                // A block of 16 pixels with both colours in it rings a little.
                if x + 16 < middle {
                    assert!([r, g, b].iter().all(|v| v.abs_diff(128) < 6), "{width}: {x},{y} shows {pixel:?}");
                } else if x > middle + 20 {
                    assert!(r > 205 && g < 35 && b < 35, "{width}: {x},{y} is hidden: {pixel:?}");
                }
            }
        }
    }
}

#[test]
fn a_better_quality_takes_more_bytes_and_a_wrong_one_is_bent() {
    let scene = picture((320, 180), PixelFormat::Nv12, TV, 0, |x, y| [(x * x + y * 5) as u8, 128, 128]);
    let bytes = |quality| snapshot(&scene, &[], SnapshotSettings { width: 320, quality }).unwrap().len();
    assert!(bytes(30) < bytes(60) && bytes(60) < bytes(90));
    assert_eq!((bytes(0), bytes(255)), (bytes(1), bytes(100)));
}

#[test]
fn strange_sizes_stay_pictures() {
    assert_eq!(fitted(1920, 1080, 640), (640, 360));
    assert_eq!(fitted(1, 1, 320), (1, 1));
    assert_eq!(fitted(16_384, 2, 320), (320, 1));
    assert_eq!(fitted(2, 16_384, 320), (1, 1280));
    let wide = picture((20_000, 2), PixelFormat::I420, TV, 0, |_, _| [90, 128, 128]);
    let jpeg = snapshot(&wide, &[], SnapshotSettings { width: u32::MAX, quality: 50 }).unwrap();
    assert_eq!(read(&jpeg).dimensions(), (WIDEST, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any size and width: it reads, is never larger than the picture, and keeps its proportions to a pixel.
    #[test]
    fn any_size_gives_a_picture_in_its_proportions(
        width in 1..200_u32, height in 1..200_u32, most in 0..260_u32, format in prop::sample::select(&FORMATS), padding in 0..9_usize,
    ) {
        let scene = picture((width, height), format, TV, padding, |x, y| [(x ^ y) as u8, 90, 160]);
        let jpeg = read(&snapshot(&scene, &[], SnapshotSettings { width: most, quality: 80 }).unwrap());
        let (w, h) = jpeg.dimensions();
        prop_assert!(w <= width && h <= height && w <= most.max(1));
        prop_assert!(w == width || w == most.max(1) || h == TALLEST * most.max(1), "{w}x{h} could be larger");
        let scale = f64::from(w.max(h)) / f64::from(width.max(height));
        for (is, was) in [(w, width), (h, height)] {
            prop_assert!((f64::from(is) - f64::from(was) * scale).abs() <= 1.0 + scale, "{width}x{height} became {w}x{h}");
        }
    }

    /// What lies under a mask does not reach a single byte of the JPEG.
    #[test]
    fn nothing_leaks_from_under_a_mask(
        size in (8..90_u32, 8..90_u32), most in 4..90_u32, format in prop::sample::select(&FORMATS), seed: u64,
        points in prop::collection::vec([0.0..1.0_f32, 0.0..1.0_f32], 3..6),
    ) {
        let mask = Polygon(points);
        let rng = std::cell::RefCell::new(fastrand::Rng::with_seed(seed));
        // Chroma is that of the left upper of four pixels, so all four hide it.
        let hidden = |x: u32, y: u32| {
            [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().all(|(dx, dy)| {
                let at = |place: u32, of: u32| (place as f32 + 0.5) / of as f32;
                mask.contains(at((x & !1) + dx, size.0), at((y & !1) + dy, size.1))
            })
        };
        let open = |x: u32, y: u32| [(x * 5 + y) as u8, (x + 90) as u8, (y + 90) as u8];
        let noisy = |x, y| if hidden(x, y) { std::array::from_fn(|_| rng.borrow_mut().u8(..)) } else { open(x, y) };
        let settings = SnapshotSettings { width: most, quality: 90 };
        let of = |scene: Picture| snapshot(&scene, std::slice::from_ref(&mask), settings).unwrap();
        let plain = of(picture(size, format, TV, 3, open));
        prop_assert_eq!(plain, of(picture(size, format, TV, 3, noisy)));
    }
}
