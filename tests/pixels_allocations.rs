//! From picture to input without one allocation, once the first picture of a size has been seen; a region that moves costs none
//! either. Alone in its binary, because it brings an allocator that counts.

use eyewitness::frame::{Colour, Matrix, Picture, PixelFormat, Range};
use eyewitness::image::{Filter, Geometry, Preprocessor};
use eyewitness::units::{Polygon, Region};

fn picture(format: PixelFormat) -> Picture {
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    Picture::packed(640, 360, format, colour, vec![90; 640 * 360 * 3 / 2]).expect("planes of the size")
}

#[test]
fn a_steady_camera_allocates_nothing() {
    let geometry = Geometry {
        width: 288,
        height: 288,
        resample: Filter::Lanczos,
        rescale: 1.0 / 255.0,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    let pictures = [picture(PixelFormat::Nv12), picture(PixelFormat::I420)];
    let mask = [Polygon(vec![[0.1, 0.1], [0.3, 0.1], [0.2, 0.4]])];
    let region = |x: f32| Region { x, y: 0.25, w: 0.4, h: 0.5 };
    let mut out = vec![0.0_f32; geometry.values()];
    let mut preprocessor = Preprocessor::new(geometry);
    let mut run = |picture: &Picture, view: Region| {
        allocation_counter::measure(|| preprocessor.run(picture, view, &mask, &mut out)).count_total
    };
    assert!(run(&pictures[0], Region::WHOLE) > 0, "the counter counts");
    run(&pictures[0], region(0.3));
    for picture in pictures.iter().cycle().take(10) {
        assert_eq!(run(picture, Region::WHOLE), 0, "{picture:?}");
    }
    for step in 0..20 {
        assert_eq!(run(&pictures[0], region(0.3 - 0.01 * step as f32)), 0, "step {step}");
    }
}
