use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::frame::{Colour, Matrix, Planes, Range};
use crate::image::read_file;

mod reference;

const COLOUR: Colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };

fn geometry(width: u32, height: u32) -> Geometry {
    // Values are the samples themselves.
    Geometry { width, height, resample: Filter::Bilinear, rescale: 1.0, mean: [0.0; 3], std: [1.0; 3] }
}

fn run(geometry: Geometry, picture: &Picture, view: Region, masks: &[Polygon]) -> Vec<f32> {
    let mut out = vec![f32::NAN; geometry.values()];
    Preprocessor::new(geometry).run(picture, view, masks, &mut out);
    out
}

/// A picture with structure in every plane.
fn nv12(width: usize, height: usize) -> Vec<u8> {
    let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
    let mut data: Vec<u8> = (0..width * height).map(|i| (16 + (i % width * 3 + i / width * 7) % 200) as u8).collect();
    for i in 0..cw * ch {
        data.push((60 + (i % cw * 5) % 130) as u8);
        data.push((190 - (i / cw * 3) % 130) as u8);
    }
    data
}

fn as_i420(nv12: &[u8], width: usize, height: usize) -> Vec<u8> {
    let (luma, pairs) = nv12.split_at(width * height);
    let mut data = luma.to_vec();
    data.extend(pairs.iter().step_by(2));
    data.extend(pairs.iter().skip(1).step_by(2));
    data
}

struct Padded {
    planes: Vec<(Vec<u8>, usize)>,
}

impl Planes for Padded {
    fn plane(&self, index: usize) -> Plane<'_> {
        let (data, stride) = &self.planes[index];
        Plane { data, stride: *stride }
    }
}

/// Every row followed by `padding` loud bytes; the last row ends with the picture if `short`.
fn padded(rows: &[u8], row: usize, padding: usize, short: bool) -> (Vec<u8>, usize) {
    let mut data = Vec::new();
    for line in rows.chunks_exact(row) {
        data.extend_from_slice(line);
        data.extend(std::iter::repeat_n(255, padding));
    }
    if short {
        data.truncate(data.len() - padding);
    }
    (data, row + padding)
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn nv12_and_i420_are_the_same_picture() {
    for (width, height) in [(64, 48), (61, 33), (1, 1), (2, 1), (3, 2)] {
        let data = nv12(width, height);
        let (w, h) = (width as u32, height as u32);
        let planar = Picture::packed(w, h, PixelFormat::I420, COLOUR, as_i420(&data, width, height)).unwrap();
        let pairs = Picture::packed(w, h, PixelFormat::Nv12, COLOUR, data).unwrap();
        let view = Region { x: 0.1, y: 0.2, w: 0.7, h: 0.6 };
        for view in [Region::WHOLE, view] {
            let difference = largest_difference(
                &run(geometry(24, 20), &planar, view, &[]),
                &run(geometry(24, 20), &pairs, view, &[]),
            );
            assert!(difference < 2.5, "{width}x{height}: {difference}");
        }
    }
}

#[test]
fn padding_is_never_seen() {
    let (width, height) = (61_usize, 33_usize);
    let data = nv12(width, height);
    let packed = Picture::packed(61, 33, PixelFormat::Nv12, COLOUR, data.clone()).unwrap();
    let expected = run(geometry(24, 20), &packed, Region::WHOLE, &[]);
    // An odd stride of pairs cannot be viewed as pixels, and a short last row cannot be viewed as a whole one.
    for (padding, short) in [(3, false), (3, true), (2, false), (2, true), (19, true)] {
        let (luma, pairs) = data.split_at(width * height);
        let planes = vec![padded(luma, width, padding, short), padded(pairs, 62, padding, short)];
        let picture = Picture::new(61, 33, PixelFormat::Nv12, COLOUR, Arc::new(Padded { planes })).unwrap();
        assert_eq!(run(geometry(24, 20), &picture, Region::WHOLE, &[]), expected, "padding {padding}, short {short}");
    }
}

#[test]
fn colours_survive_the_way() {
    for (matrix, range, samples, rgb) in [
        (Matrix::Bt601, Range::Limited, [81, 90, 240], [255.0, 0.0, 0.0]),
        (Matrix::Bt709, Range::Limited, [63, 102, 240], [255.0, 0.0, 0.0]),
        (Matrix::Bt601, Range::Full, [150, 44, 21], [0.0, 255.0, 0.0]),
        (Matrix::Bt709, Range::Full, [18, 255, 116], [0.0, 0.0, 255.0]),
    ] {
        let mut data = vec![samples[0]; 40 * 30];
        data.extend([samples[1], samples[2]].repeat(20 * 15));
        let picture = Picture::packed(40, 30, PixelFormat::Nv12, Colour { matrix, range }, data).unwrap();
        let out = run(geometry(8, 8), &picture, Region::WHOLE, &[]);
        for (channel, plane) in out.chunks_exact(64).enumerate() {
            assert!(plane.iter().all(|v| (v - rgb[channel]).abs() < 2.5), "{matrix:?} {range:?}: {plane:?}");
        }
    }
}

#[test]
fn one_pixel_fills_the_view() {
    let picture = Picture::packed(1, 1, PixelFormat::Rgb, COLOUR, vec![10, 20, 30]).unwrap();
    let out = run(geometry(4, 4), &picture, Region::WHOLE, &[]);
    assert_eq!(out, [[10.0; 16], [20.0; 16], [30.0; 16]].concat());
}

#[test]
fn a_view_is_the_picture_cut_out_beforehand() {
    let pixel = |x: u32, y: u32| [(x * 3) as u8, (y * 5) as u8, (x + y) as u8];
    let cut = |x0: u32, y0: u32, w: u32, h: u32| {
        let data = (y0..y0 + h).flat_map(|y| (x0..x0 + w).flat_map(move |x| pixel(x, y))).collect();
        Picture::packed(w, h, PixelFormat::Rgb, COLOUR, data).unwrap()
    };
    let whole = cut(0, 0, 80, 40);
    let view = Region { x: 0.25, y: 0.5, w: 0.5, h: 0.25 };
    let seen = run(geometry(40, 10), &whole, view, &[]);
    // At the size of the view nothing is resized: the pixels are the very same.
    assert_eq!(seen, run(geometry(40, 10), &cut(20, 20, 40, 10), Region::WHOLE, &[]));
}

#[test]
fn nonsense_views_are_kept_inside() {
    let picture = Picture::packed(9, 7, PixelFormat::Nv12, COLOUR, nv12(9, 7)).unwrap();
    for view in [
        Region { x: 2.0, y: -3.0, w: 0.5, h: 9.0 },
        Region { x: 0.999, y: 0.999, w: 0.0, h: 0.0 },
        Region { x: f32::NAN, y: f32::INFINITY, w: f32::NAN, h: -1.0 },
        Region { x: 0.1, y: 0.7, w: 0.9, h: 0.3 },
    ] {
        assert!(run(geometry(5, 5), &picture, view, &[]).iter().all(|v| v.is_finite()), "{view:?}");
    }
}

/// Whatever lies under the mask, the model's picture is the same.
#[test]
fn nothing_under_a_mask_reaches_the_model() {
    let mask = Polygon(vec![[0.3, 0.3], [0.7, 0.35], [0.6, 0.8]]);
    let (width, height) = (96_usize, 54_usize);
    let hidden = |x: usize, y: usize| mask.contains((x as f32 + 0.5) / 96.0, (y as f32 + 0.5) / 54.0);
    for resample in [Filter::Nearest, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
        for (size, view) in
            [(24, Region::WHOLE), (150, Region::WHOLE), (24, Region { x: 0.2, y: 0.25, w: 0.5, h: 0.5 })]
        {
            let plain = nv12(width, height);
            let mut loud = plain.clone();
            for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).filter(|(x, y)| hidden(*x, *y)) {
                loud[y * width + x] = 255 - loud[y * width + x];
                let chroma = width * height + y / 2 * width + x / 2 * 2;
                loud[chroma] = 240;
                loud[chroma + 1] = 16;
            }
            assert_ne!(plain, loud);
            let geometry = Geometry { resample, ..geometry(size, size) };
            let seen = |data: Vec<u8>| {
                let picture = Picture::packed(96, 54, PixelFormat::Nv12, COLOUR, data).unwrap();
                run(geometry, &picture, view, std::slice::from_ref(&mask))
            };
            let out = seen(plain);
            assert_eq!(out, seen(loud), "{resample:?} {size} {view:?}");
            let grey = out.iter().filter(|v| **v == 128.0).count() * 100 / out.len();
            assert!((5..95).contains(&grey), "{resample:?}: {grey} % is grey");
        }
    }
}

/// `models/tiny/fixtures/expected.json`, made with Pillow.
#[test]
fn picture_files_become_the_reference_numbers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny/fixtures");
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let geometry = Geometry {
        width: 288,
        height: 288,
        resample: Filter::Bilinear,
        rescale: 1.0 / 255.0,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    for picture in expected["pictures"].as_array().unwrap() {
        let file = picture["file"].as_str().unwrap();
        let out = run(geometry, &read_file(&folder.join(file)).unwrap(), Region::WHOLE, &[]);
        let count = out.len() as f64;
        let mean = out.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
        let std = (out.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count).sqrt();
        let wanted = &picture["pixel_values"];
        assert!((mean - wanted["mean"].as_f64().unwrap()).abs() < 1e-3, "{file}: mean {mean}");
        assert!((std - wanted["std"].as_f64().unwrap()).abs() < 1e-3, "{file}: std {std}");
        // One step of a sample is 0.0079: nothing is further off than rounding.
        let steps = 1.5;
        for (name, at) in [("at_r0_c0", 0), ("at_r144_c144", 144 * 288 + 144)] {
            for channel in 0..3 {
                let (have, want) = (f64::from(out[channel * 288 * 288 + at]), wanted[name][channel].as_f64().unwrap());
                assert!((have - want).abs() < steps * 2.0 / 255.0, "{file} {name} {channel}: {have}, not {want}");
            }
        }
    }
}
