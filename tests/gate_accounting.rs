//! Whatever comes, every frame leaves the gate exactly once, and events begin and end in order.

use std::collections::BTreeSet;
use std::time::Duration;

use eyewitness::clock::Moment;
use eyewitness::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Range};
use eyewitness::gate::{EndReason, Gate, Observation, Settings, Settled, Signal};
use eyewitness::ids::CameraId;
use eyewitness::units::Polygon;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// A picture of one of the sizes, with a square of `luma` at `x`, after `millis`, which may be negative.
    Frame {
        size: usize,
        x: u8,
        luma: u8,
        base: u8,
        millis: i32,
    },
    Interrupt,
}

const SIZES: [(u32, u32); 6] = [(1, 1), (16, 16), (64, 36), (97, 33), (3, 200), (160, 90)];

fn step() -> impl Strategy<Value = Step> {
    // Mostly a plain camera: the same size, an even light, a steady rate.
    let size = prop_oneof![20 => Just(2_usize), 1 => 0..SIZES.len()];
    let base = prop_oneof![10 => Just(90_u8), 1 => any::<u8>()];
    let millis = prop_oneof![20 => 20..300_i32, 1 => -20_000..20_000_i32, 1 => Just(0), 1 => 1_000..8_000_i32];
    let frame = (size, any::<u8>(), any::<u8>(), base, millis).prop_map(|(size, x, luma, base, millis)| Step::Frame {
        size,
        x,
        luma,
        base,
        millis,
    });
    prop_oneof![60 => frame, 1 => Just(Step::Interrupt)]
}

fn picture(size: usize, x: u8, luma: u8, base: u8) -> Picture {
    let (w, h) = SIZES[size];
    let (wide, high) = (w as usize, h as usize);
    let mut data = vec![base; wide * high + 2 * wide.div_ceil(2) * high.div_ceil(2)];
    let left = usize::from(x) * wide / 256;
    // In a third of the frames nothing is in view.
    if !luma.is_multiple_of(3) {
        for row in high / 4..high {
            data[row * wide + left..row * wide + (left + wide / 5).min(wide)].fill(luma);
        }
    }
    let colour = Colour { matrix: Matrix::Bt601, range: Range::Full };
    Picture::packed(w, h, PixelFormat::Nv12, colour, data).expect("planes of the size")
}

/// What has left the gate so far, and whether an event runs.
#[derive(Default)]
struct Ledger {
    left: BTreeSet<u64>,
    running: Option<Moment>,
}

impl Ledger {
    fn note(&mut self, observation: &Observation) {
        for Settled { frame, .. } in &observation.settled {
            assert!(self.left.insert(*frame), "frame {frame} left twice");
        }
        for signal in &observation.signals {
            match signal {
                Signal::Start(candidate) => {
                    assert!(self.left.insert(candidate.frame.seq), "frame {} left twice", candidate.frame.seq);
                    assert!(self.running.replace(candidate.started_at).is_none(), "a start within an event");
                }
                Signal::Update(candidate) => {
                    assert!(self.left.insert(candidate.frame.seq), "frame {} left twice", candidate.frame.seq);
                    assert_eq!(self.running, Some(candidate.started_at));
                }
                Signal::End { started_at, .. } => assert_eq!(self.running.take(), Some(*started_at)),
            }
        }
    }
}

fn run(steps: Vec<Step>, settings: Settings) -> usize {
    let camera = CameraId::new("any").expect("an id");
    let mut gate = Gate::new(camera.clone(), settings);
    let mut ledger = Ledger::default();
    let (mut given, mut now, mut events) = (0, 50_000_i64, 0);
    let moment =
        |now: i64| Moment { mono: Duration::from_millis(now.max(0) as u64), wall: jiff::Timestamp::UNIX_EPOCH };
    for step in steps {
        let observation = match step {
            Step::Interrupt => gate.interrupt(moment(now), EndReason::CameraLost),
            Step::Frame { size, x, luma, base, millis } => {
                now = (now + i64::from(millis)).max(0);
                let picture = picture(size, x, luma, base);
                let frame =
                    Frame { camera: camera.clone(), seq: given, at: moment(now), pts: None, lone: false, picture };
                given += 1;
                gate.observe(frame)
            }
        };
        ledger.note(&observation);
        events += observation.signals.iter().filter(|s| matches!(s, Signal::Start(_))).count();
        assert!(given - ledger.left.len() as u64 <= 1, "at most one frame is held");
        assert!(
            (0.0..=1.0).contains(&observation.motion.foreground) && (0.0..=1.0).contains(&observation.motion.lighting)
        );
    }
    ledger.note(&gate.interrupt(moment(now), EndReason::Stopped));
    assert_eq!(given, ledger.left.len() as u64, "after the end nothing is held");
    assert!(ledger.running.is_none(), "after the end no event runs");
    events
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_and_events_add_up(
        steps in prop::collection::vec(step(), 1..200),
        sensitivity in 0.0..1.0_f32,
        settle in 0..3_000_u64,
        masked in any::<bool>(),
    ) {
        let mask = Polygon(vec![[0.0, 0.0], [0.4, 0.0], [0.4, 1.0], [0.0, 1.0]]);
        let masks = if masked { vec![mask] } else { Vec::new() };
        let settings = Settings { sensitivity, settle: Duration::from_millis(settle), masks, ..Settings::default() };
        run(steps, settings);
    }
}

/// The property would hold of a gate that never says anything, so: these streams do make events.
#[test]
fn such_streams_make_events() {
    let frame = |i: u32| {
        let seen = i % 40 > 20;
        Step::Frame { size: 2, x: (i % 40 * 6) as u8, luma: if seen { 230 } else { 0 }, base: 90, millis: 200 }
    };
    assert_eq!(run((0..200).map(frame).collect(), Settings::default()), 5);
}
