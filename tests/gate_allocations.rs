//! A steady stream costs the gate no memory: not one allocation per frame, neither when nothing moves nor while somebody
//! does. Alone in its binary, because it brings an allocator that counts.

use std::time::Duration;

use eyewitness::clock::Moment;
use eyewitness::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Range};
use eyewitness::gate::{Gate, Settings};
use eyewitness::ids::CameraId;

const WIDTH: usize = 640;
const HEIGHT: usize = 360;

/// A noisy wall, with somebody at `left` if there is one.
fn picture(rng: &mut fastrand::Rng, left: Option<usize>) -> Picture {
    let mut data = vec![128; WIDTH * HEIGHT * 3 / 2];
    for (i, pixel) in data[..WIDTH * HEIGHT].iter_mut().enumerate() {
        let (x, y) = (i % WIDTH, i / WIDTH);
        let person = left.is_some_and(|left| (left..left + 60).contains(&x) && (100..300).contains(&y));
        *pixel = rng.u8(0..8) + if person { 30 } else { 90 + (x / 20 % 7 * 8) as u8 };
    }
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    Picture::packed(WIDTH as u32, HEIGHT as u32, PixelFormat::Nv12, colour, data).expect("planes of the size")
}

/// A gate that is given pictures, five a second.
struct Fed {
    gate: Gate,
    seq: u64,
}

impl Fed {
    /// Gives one picture; returns the number of signals and of allocations.
    fn give(&mut self, picture: &Picture) -> (usize, u64) {
        let at = Moment { mono: Duration::from_millis(200 * self.seq), wall: jiff::Timestamp::UNIX_EPOCH };
        let (camera, picture) = (self.gate.camera().clone(), picture.clone());
        let frame = Frame { camera, seq: self.seq, at, pts: None, lone: false, picture };
        self.seq += 1;
        let mut signals = 0;
        let counted = allocation_counter::measure(|| signals = self.gate.observe(frame).signals.len());
        (signals, counted.count_total)
    }
}

#[test]
fn a_steady_stream_allocates_nothing() {
    let mut rng = fastrand::Rng::with_seed(5);
    let empty: Vec<_> = (0..8).map(|_| picture(&mut rng, None)).collect();
    let walk: Vec<_> = (0..8).map(|i| picture(&mut rng, Some(40 * i))).collect();
    let mut fed = Fed { gate: Gate::new(CameraId::new("steady").unwrap(), Settings::default()), seq: 0 };

    // The first frames make room.
    for picture in empty.iter().cycle().take(20) {
        fed.give(picture);
    }
    for picture in empty.iter().cycle().take(500) {
        assert_eq!(fed.give(picture), (0, 0), "at frame {}, when nothing moves", fed.seq);
    }
    // Whoever comes makes some more; from then on only a frame that is passed on may cost anything: it will cost a
    // description.
    let begun = walk.iter().cycle().take(20).map(|picture| fed.give(picture).0).sum::<usize>();
    assert!(begun >= 1, "nobody was found");
    for picture in walk.iter().cycle().take(500) {
        let (signals, allocations) = fed.give(picture);
        assert!(signals > 0 || allocations == 0, "{allocations} at frame {}, while someone walks", fed.seq);
    }
}
