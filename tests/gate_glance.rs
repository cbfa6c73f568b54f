//! Lone frames: the gate of an idle camera looks at a keyframe now and then, and what it sees in one is seen again, in
//! order, with what lies before it.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::time::Duration;

use eyewitness::clock::Moment;
use eyewitness::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Range};
use eyewitness::gate::{Gate, Observation, Outcome, Settings, Signal, Wish};
use eyewitness::ids::CameraId;

const WIDTH: usize = 320;
const HEIGHT: usize = 180;

/// A textured wall; `person`: where somebody stands before it; `other`: another wall.
fn picture(person: Option<usize>, other: bool) -> Picture {
    let mut data = vec![128; WIDTH * HEIGHT * 3 / 2];
    for (i, pixel) in data[..WIDTH * HEIGHT].iter_mut().enumerate() {
        let (x, y) = (i % WIDTH, i / WIDTH);
        let wall = if other { (x * x / 90 + y * 5) % 200 } else { 90 + x / 40 % 7 * 8 + y / 30 % 5 * 8 };
        let stands = person.is_some_and(|left| (left..left + 40).contains(&x) && (40..150).contains(&y));
        *pixel = if stands { 20 + (x / 5 % 2 * 20) as u8 } else { wall as u8 };
    }
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    Picture::packed(WIDTH as u32, HEIGHT as u32, PixelFormat::I420, colour, data).unwrap()
}

struct Camera {
    gate: Gate,
    seq: u64,
}

impl Camera {
    /// With a gate that knows the scene and has nothing to do.
    fn idle() -> Self {
        let mut camera = Self { gate: Gate::new(CameraId::new("cam").unwrap(), Settings::default()), seq: 0 };
        for i in 0..20 {
            camera.see(0.2 * f64::from(i), picture(None, false), false);
        }
        assert_eq!(camera.gate.wish(), Wish::Keyframes);
        camera
    }

    fn see(&mut self, at: f64, picture: Picture, lone: bool) -> Observation {
        let at = Moment { mono: Duration::from_secs_f64(at), wall: jiff::Timestamp::UNIX_EPOCH };
        self.seq += 1;
        let frame = Frame { camera: self.gate.camera().clone(), seq: self.seq, at, pts: None, lone, picture };
        if lone { self.gate.glance(frame) } else { self.gate.observe(frame) }
    }

    /// Somebody walks in, five frames per second; the signals, and the values seen.
    fn walk(&mut self, from: f64) -> Vec<String> {
        let mut seen = Vec::new();
        for i in 0..8 {
            let out = self.see(from + 0.2 * f64::from(i), picture(Some(20 * i as usize), false), false);
            let signals = out.signals.iter().map(|signal| match signal {
                Signal::Start(candidate) => candidate.started_at.mono.as_millis(),
                _ => 0,
            });
            seen.push(format!("{:.4} {:?}", out.motion.foreground, signals.collect::<Vec<_>>()));
        }
        seen
    }
}

#[test]
fn a_lone_frame_in_which_nothing_moves_is_a_frame_as_any_other() {
    let mut camera = Camera::idle();
    for second in [6.0, 8.0, 10.0, 24.0] {
        let out = camera.see(second, picture(None, false), true);
        assert_eq!(out.settled[0].outcome, Outcome::NoMotion);
        assert_eq!(camera.gate.wish(), Wish::Keyframes, "at {second} s");
    }
}

#[test]
fn what_moves_in_one_is_put_out_of_mind_and_asked_for_with_what_lies_before_it() {
    let (mut glanced, mut plain) = (Camera::idle(), Camera::idle());
    for camera in [&mut glanced, &mut plain] {
        camera.see(6.0, picture(None, false), true);
    }
    let out = glanced.see(8.0, picture(Some(140), false), true);
    assert_eq!(out.settled[0].outcome, Outcome::Superseded);
    let because = out.settled[0].because.unwrap();
    assert!(because.value > because.threshold, "{because:?}");
    assert!(out.signals.is_empty());
    assert_eq!(glanced.gate.wish(), Wish::Replay);

    // Another one comes before the source has heard: not even looked at.
    let out = glanced.see(10.0, picture(None, false), true);
    assert_eq!((out.settled[0].outcome, glanced.gate.wish()), (Outcome::Superseded, Wish::Replay));

    let (walked, expected) = (glanced.walk(6.8), plain.walk(6.8));
    assert_eq!(walked, expected, "as if it had never glanced");
    assert!(walked.iter().any(|seen| seen.ends_with("[6800]")), "{walked:?}");
    assert_eq!(glanced.gate.wish(), Wish::All);
}

#[test]
fn another_scene_in_one_is_asked_for_too() {
    let mut camera = Camera::idle();
    let out = camera.see(6.0, picture(None, true), true);
    assert_eq!((out.settled[0].outcome, camera.gate.wish()), (Outcome::Superseded, Wish::Replay));
}

#[test]
fn while_the_scene_is_learnt_a_lone_frame_is_a_frame_as_any_other() {
    let mut camera = Camera { gate: Gate::new(CameraId::new("cam").unwrap(), Settings::default()), seq: 0 };
    camera.see(0.0, picture(None, false), true);
    assert_eq!(camera.gate.wish(), Wish::All);
}
