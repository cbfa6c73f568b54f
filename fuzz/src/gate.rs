//! Frames of any size, stride, content and time through one camera's gate: each leaves once, and events begin and end in order.

use std::collections::BTreeSet;
use std::time::Duration;

use eyewitness::clock::Moment;
use eyewitness::event::Cause;
use eyewitness::frame::{Frame, Picture, PixelFormat};
use eyewitness::gate::{EndReason, Gate, Observation, Settings, Signal};
use eyewitness::ids::CameraId;

use super::input::Input;
use super::pixels;

/// So that an input of a few bytes does not become minutes of pictures.
const MOST_FRAMES: u64 = 120;
const MOST_PIXELS: u32 = 1 << 12;

pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let camera = CameraId::new("any").expect("an id");
    let mut gate = Gate::new(camera.clone(), settings(&mut input));
    let mut ledger = Ledger::default();
    let (mut now, mut picture) = (50_000_u64, None);
    while !input.is_empty() && ledger.given < MOST_FRAMES {
        let step = input.byte();
        // Mostly a steady rate, sometimes a jump either way.
        now = match input.byte() {
            255 => now.saturating_sub(u64::from(input.u16())),
            254 => now.saturating_add(u64::from(input.u16()) * 1000),
            253 => u64::MAX / 1_000_000_000,
            millis => now.saturating_add(u64::from(millis) * 4),
        };
        let at = Moment { mono: Duration::from_millis(now), wall: jiff::Timestamp::UNIX_EPOCH };
        let observation = match step {
            0 => gate.interrupt(at, EndReason::CameraLost),
            1 => gate.interrupt(at, EndReason::Stopped),
            // A new picture, or the last one again: a scene that stays is what most of the gate is about.
            step => {
                if step % 4 == 2 || picture.is_none() {
                    picture = seen(&mut input).or(picture);
                }
                let Some(picture) = picture.clone() else { continue };
                let lone = step % 8 > 3;
                let frame = Frame { camera: camera.clone(), seq: ledger.given, at, pts: None, lone, picture };
                ledger.given += 1;
                if lone { gate.glance(frame) } else { gate.observe(frame) }
            }
        };
        ledger.note(&observation);
        let _ = gate.wish();
    }
    let at = Moment { mono: Duration::from_millis(now), wall: jiff::Timestamp::UNIX_EPOCH };
    ledger.note(&gate.interrupt(at, EndReason::Stopped));
    assert_eq!(ledger.left.len() as u64, ledger.given, "after the end nothing is held");
    assert!(!ledger.running, "after the end no event runs");
}

/// What a camera gives, which is luma and chroma.
fn seen(input: &mut Input<'_>) -> Option<Picture> {
    pixels::picture(input, MOST_PIXELS).filter(|picture| picture.format() != PixelFormat::Rgb)
}

fn settings(input: &mut Input<'_>) -> Settings {
    let millis = |byte: u8| Duration::from_millis(100 * u64::from(byte));
    Settings {
        sensitivity: f32::from(input.byte()) / 255.0,
        settle: millis(input.byte()),
        min_interval: millis(input.byte()),
        refresh: millis(input.byte()),
        masks: (0..input.byte() % 3).map(|_| pixels::polygon(input)).collect(),
        zones: (0..input.byte() % 3).map(|_| pixels::polygon(input)).collect(),
        ..Settings::default()
    }
}

#[derive(Default)]
struct Ledger {
    given: u64,
    left: BTreeSet<u64>,
    running: bool,
}

impl Ledger {
    fn note(&mut self, observation: &Observation) {
        let finite = |value: f32| (0.0..=1.0).contains(&value);
        let motion = observation.motion;
        assert!(finite(motion.foreground) && finite(motion.threshold) && finite(motion.lighting), "{motion:?}");
        for settled in &observation.settled {
            self.leaves(settled.frame);
            let measure = |m: &eyewitness::gate::Measure| m.value.is_finite() && m.threshold.is_finite();
            assert!(settled.because.as_ref().is_none_or(measure), "{settled:?}");
        }
        for signal in &observation.signals {
            match signal {
                Signal::Start(candidate) => {
                    assert!(!self.running, "a start within an event");
                    assert_eq!(candidate.reason.is_some(), candidate.cause == Cause::Tamper);
                    self.running = true;
                    self.leaves(candidate.frame.seq);
                }
                Signal::Update(candidate) => {
                    assert!(self.running, "an update without an event");
                    self.leaves(candidate.frame.seq);
                }
                Signal::End { .. } => {
                    assert!(self.running, "an end without an event");
                    self.running = false;
                }
            }
        }
        assert!(self.given - self.left.len() as u64 <= 1, "at most one frame is held");
    }

    fn leaves(&mut self, frame: u64) {
        assert!(frame < self.given, "frame {frame} was never given");
        assert!(self.left.insert(frame), "frame {frame} left twice");
    }
}
