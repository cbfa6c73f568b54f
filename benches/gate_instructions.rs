//! A run of the gate for an instruction counter: `instructions.sh` has it counted twice, with fewer and with more frames,
//! and the difference is what a frame costs. Milliseconds differ from machine to machine; this number hardly does.
//!
//! Usage: gate_instructions idle|walk FRAMES

use std::hint::black_box;
use std::time::Duration;

use eyewitness::clock::Moment;
use eyewitness::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Range};
use eyewitness::gate::{Gate, Settings};
use eyewitness::ids::CameraId;

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;

/// A noisy scene, with a dark rectangle of a person's size at `left` if there is one.
fn picture(rng: &mut fastrand::Rng, left: Option<usize>) -> Picture {
    let mut data = vec![128; WIDTH * HEIGHT * 3 / 2];
    for (y, line) in data[..WIDTH * HEIGHT].chunks_exact_mut(WIDTH).enumerate() {
        for (x, pixel) in line.iter_mut().enumerate() {
            let person = left.is_some_and(|left| (left..left + 180).contains(&x) && (300..900).contains(&y));
            *pixel = rng.u8(0..8) + if person { 30 } else { 90 + (x / 40 % 7 * 8 + y / 60 % 5 * 8) as u8 };
        }
    }
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    Picture::packed(WIDTH as u32, HEIGHT as u32, PixelFormat::Nv12, colour, data).expect("planes of the size")
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let walks = arguments.next().is_some_and(|scene| scene == "walk");
    let frames = arguments.next().and_then(|frames| frames.parse().ok()).unwrap_or(1);
    let mut rng = fastrand::Rng::with_seed(3);
    let empty = picture(&mut rng, None);
    let places = if walks { [Some(400), Some(520), Some(640)] } else { [None; 3] };
    let pictures = places.map(|left| picture(&mut rng, left));
    let camera = CameraId::new("bench").expect("an id");
    let mut gate = Gate::new(camera.clone(), Settings::default());
    let learning = std::iter::repeat_n(&empty, 10);
    for (seq, picture) in (0..).zip(learning.chain(pictures.iter().cycle().take(frames))) {
        let at = Moment { mono: Duration::from_millis(200 * seq), wall: jiff::Timestamp::UNIX_EPOCH };
        let frame = Frame { camera: camera.clone(), seq, at, pts: None, lone: false, picture: picture.clone() };
        black_box(gate.observe(frame));
    }
}
