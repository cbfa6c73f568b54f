//! What the gate costs per frame of a 1080p camera, on one core.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use eyewitness::clock::Moment;
use eyewitness::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Range};
use eyewitness::gate::{Gate, Settings};
use eyewitness::ids::CameraId;

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;

/// A noisy scene, with a dark rectangle of a person's size at `x` if there is one.
fn picture(rng: &mut fastrand::Rng, person: Option<usize>) -> Picture {
    let mut data = vec![128; WIDTH * HEIGHT * 3 / 2];
    for (i, pixel) in data[..WIDTH * HEIGHT].iter_mut().enumerate() {
        let (x, y) = (i % WIDTH, i / WIDTH);
        let noise = rng.u8(0..8);
        let standing = person.is_some_and(|left| (left..left + 180).contains(&x) && (300..900).contains(&y));
        *pixel = if standing { 30 } else { 90 + (x / 40 % 7 * 8 + y / 60 % 5 * 8) as u8 } + noise;
    }
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    Picture::packed(WIDTH as u32, HEIGHT as u32, PixelFormat::Nv12, colour, data).expect("planes of the size")
}

/// Feeds the pictures in turn, five per second; the first `idle` of them only before the clock runs.
fn observe(c: &mut Criterion, name: &str, idle: &[Picture], pictures: &[Picture]) {
    let camera = CameraId::new("bench").expect("an id");
    let mut gate = Gate::new(camera.clone(), Settings::default());
    let mut seq = 0;
    let mut next = |picture: &Picture| {
        let at = Moment { mono: Duration::from_millis(200 * seq), wall: jiff::Timestamp::UNIX_EPOCH };
        seq += 1;
        gate.observe(Frame { camera: camera.clone(), seq, at, pts: None, lone: false, picture: picture.clone() })
    };
    idle.iter().cycle().take(50).for_each(|picture| drop(next(picture)));
    let mut turn = pictures.iter().cycle();
    c.bench_function(name, |b| b.iter(|| black_box(turn.next().map(&mut next))));
}

fn gate(c: &mut Criterion) {
    let mut rng = fastrand::Rng::with_seed(3);
    let idle: Vec<Picture> = (0..8).map(|_| picture(&mut rng, None)).collect();
    let walk: Vec<Picture> = (0..8).map(|i| picture(&mut rng, Some(200 * i))).collect();
    observe(c, "gate 1080p, nothing moves", &idle, &idle);
    observe(c, "gate 1080p, someone walks", &idle, &walk);
}

criterion_group!(benches, gate);
criterion_main!(benches);
