//! Whatever comes, every frame leaves the gate exactly once, and events begin and end in order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Moment;
use eyewitness::event::Cause;
use eyewitness::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Plane, Planes, Range};
use eyewitness::gate::{EndReason, Gate, Measure, Observation, Outcome, Settings, Settled, Signal};
use eyewitness::ids::CameraId;
use eyewitness::units::{Polygon, Region};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// A picture of one of the sizes, with a square of `luma` at `x`, after `millis`, which may be negative.
    Frame {
        size: usize,
        x: u8,
        luma: u8,
        scene: Scene,
        millis: i32,
        lone: bool,
    },
    Interrupt,
}

/// What lies behind the square.
#[derive(Debug, Clone, Copy)]
enum Scene {
    Even(u8),
    /// Tiles, in a pattern that the number makes, seen from so far to the right.
    Tiles(u8, u8),
    /// The same tiles out of focus.
    Soft(u8),
    Noise,
}

const SIZES: [(u32, u32); 8] = [(1, 1), (16, 16), (64, 36), (97, 33), (3, 200), (160, 90), (1000, 2), (640, 480)];

fn scene() -> impl Strategy<Value = Scene> {
    prop_oneof![
        // Mostly one plain scene.
        20 => Just(Scene::Tiles(1, 0)),
        10 => Just(Scene::Even(90)),
        1 => any::<u8>().prop_map(Scene::Even),
        1 => (0..4_u8, 0..80_u8).prop_map(|(seed, right)| Scene::Tiles(seed, right)),
        1 => (0..4_u8).prop_map(Scene::Soft),
        1 => Just(Scene::Noise),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![20 => Just(2_usize), 20 => Just(5_usize), 1 => 0..SIZES.len()];
    // A steady rate mostly; 120 frames per second, and one in five seconds; the same time again; jumps back and ahead.
    let millis = prop_oneof![
        20 => 20..300_i32, 2 => Just(8), 1 => Just(5_000), 1 => Just(0), 1 => -20_000..20_000_i32,
        1 => 1_000..8_000_i32, 1 => Just(i32::MAX), 1 => Just(i32::MIN)
    ];
    let frame = (size, any::<u8>(), any::<u8>(), scene(), millis, any::<bool>());
    let frame =
        frame.prop_map(|(size, x, luma, scene, millis, lone)| Step::Frame { size, x, luma, scene, millis, lone });
    prop_oneof![60 => frame, 1 => Just(Step::Interrupt)]
}

/// A picture whose rows are longer than it is wide.
struct Padded {
    planes: [Vec<u8>; 2],
    stride: usize,
}

impl Planes for Padded {
    fn plane(&self, index: usize) -> Plane<'_> {
        Plane { data: &self.planes[index], stride: self.stride }
    }
}

fn pixel(scene: Scene, col: usize, row: usize, rng: &mut fastrand::Rng) -> u8 {
    let tile = |seed: u8, col: usize| {
        let mut mixed = fastrand::Rng::with_seed(((col / 9) << 20 | (row / 7) << 8) as u64 ^ u64::from(seed) << 40);
        // Stripes as fine as a lens in focus shows them.
        mixed.u8(30..200) + (col / 2 % 2) as u8 * 8
    };
    match scene {
        Scene::Even(luma) => luma,
        Scene::Tiles(seed, right) => tile(seed, col + usize::from(right)) + rng.u8(0..4),
        Scene::Soft(seed) => ((0..8).map(|i| u32::from(tile(seed, col + i))).sum::<u32>() / 8) as u8,
        Scene::Noise => rng.u8(..),
    }
}

fn picture(size: usize, x: u8, luma: u8, scene: Scene, rng: &mut fastrand::Rng) -> Picture {
    let (w, h) = SIZES[size];
    let (wide, high) = (w as usize, h as usize);
    let stride = wide.div_ceil(2) * 2 + usize::from(luma % 5) * 8;
    let mut data = vec![0; stride * high];
    for row in 0..high {
        for col in 0..wide {
            data[row * stride + col] = pixel(scene, col, row, rng);
        }
    }
    let left = usize::from(x) * wide / 256;
    // In a third of the frames nothing is in view.
    if !luma.is_multiple_of(3) {
        for row in high / 4..high {
            data[row * stride + left..row * stride + (left + wide / 5).min(wide)].fill(luma);
        }
    }
    let planes = [data, vec![128; stride * high.div_ceil(2)]];
    let colour = Colour { matrix: Matrix::Bt601, range: Range::Full };
    Picture::new(w, h, PixelFormat::Nv12, colour, Arc::new(Padded { planes, stride })).expect("planes of the size")
}

/// What has left the gate so far, and whether an event runs.
#[derive(Default)]
struct Ledger {
    left: BTreeSet<u64>,
    running: Option<Moment>,
    causes: BTreeSet<String>,
}

/// How a frame may end at the gate.
const GATES: [Outcome; 6] =
    [Outcome::Superseded, Outcome::NoMotion, Outcome::Masked, Outcome::Lighting, Outcome::Duplicate, Outcome::Budget];

impl Ledger {
    fn note(&mut self, observation: &Observation) {
        for Settled { frame, outcome, because, .. } in &observation.settled {
            assert!(self.left.insert(*frame), "frame {frame} left twice");
            assert!(GATES.contains(outcome), "the gate does not decide about {outcome:?}");
            // Only a frame whose event began otherwise has no measure.
            assert!(because.is_some() || *outcome == Outcome::Superseded, "{outcome:?} without a value");
            let finite = |because: &Measure| because.value.is_finite() && because.threshold.is_finite();
            assert!(because.as_ref().is_none_or(finite), "{because:?}");
        }
        for signal in &observation.signals {
            match signal {
                Signal::Start(candidate) => {
                    assert_eq!(candidate.reason.is_some(), candidate.cause == Cause::Tamper);
                    assert!(candidate.started_at <= candidate.frame.at, "it begins after its first frame");
                    self.causes.insert(format!("{:?}", candidate.cause));
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

/// Returns the number of events and what they began with.
fn run(steps: impl IntoIterator<Item = Step>, settings: Settings) -> (usize, BTreeSet<String>) {
    let camera = CameraId::new("any").expect("an id");
    let mut gate = Gate::new(camera.clone(), settings);
    let mut ledger = Ledger::default();
    let mut rng = fastrand::Rng::with_seed(9);
    let (mut given, mut now, mut events) = (0, 50_000_i64, 0);
    let moment =
        |now: i64| Moment { mono: Duration::from_millis(now.max(0) as u64), wall: jiff::Timestamp::UNIX_EPOCH };
    for step in steps {
        let observation = match step {
            Step::Interrupt => gate.interrupt(moment(now), EndReason::CameraLost),
            Step::Frame { size, x, luma, scene, millis, lone } => {
                now = (now + i64::from(millis)).max(0);
                let picture = picture(size, x, luma, scene, &mut rng);
                let frame = Frame { camera: camera.clone(), seq: given, at: moment(now), pts: None, lone, picture };
                given += 1;
                gate.observe(frame)
            }
        };
        ledger.note(&observation);
        events += observation.signals.iter().filter(|s| matches!(s, Signal::Start(_))).count();
        assert!(given - ledger.left.len() as u64 <= 1, "at most one frame is held");
        let motion = &observation.motion;
        assert!([motion.foreground, motion.threshold, motion.lighting].iter().all(|share| (0.0..=1.0).contains(share)));
        let whole =
            |r: Region| r.x >= 0.0 && r.y >= 0.0 && r.x + r.w <= 1.0001 && r.y + r.h <= 1.0001 && r.area() >= 0.0;
        assert!(motion.region.is_none_or(whole), "{:?}", motion.region);
    }
    ledger.note(&gate.interrupt(moment(now), EndReason::Stopped));
    assert_eq!(given, ledger.left.len() as u64, "after the end nothing is held");
    assert!(ledger.running.is_none(), "after the end no event runs");
    (events, ledger.causes)
}

/// So many, unless PROPTEST_CASES says otherwise (`make fuzz`).
fn cases(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases, ..config } }
}

fn left(to: f32) -> Polygon {
    Polygon(vec![[0.0, 0.0], [to, 0.0], [to, 1.0], [0.0, 1.0]])
}

fn settings() -> impl Strategy<Value = Settings> {
    let places = (any::<bool>(), any::<bool>());
    (0.0..1.0_f32, 0..3_000_u64, 0..5_000_u64, places).prop_map(|(sensitivity, settle, least, (masked, zoned))| {
        Settings {
            sensitivity,
            settle: Duration::from_millis(settle),
            min_interval: Duration::from_millis(least),
            refresh: Duration::from_millis(2 * least),
            masks: if masked { vec![left(0.4)] } else { Vec::new() },
            zones: if zoned { vec![left(0.7)] } else { Vec::new() },
            ..Settings::default()
        }
    })
}

/// A stretch of a stream in which one thing happens.
fn stretch() -> impl Strategy<Value = Vec<Step>> {
    let scene = prop_oneof![
        4 => Just(Scene::Tiles(1, 0)), 1 => Just(Scene::Tiles(2, 0)), 2 => Just(Scene::Even(16)),
        1 => Just(Scene::Even(120)), 2 => Just(Scene::Soft(1)), 1 => Just(Scene::Noise),
    ];
    let millis = prop_oneof![8 => Just(200), 1 => Just(40), 1 => Just(2_000)];
    (scene, millis, 1..40_u8, any::<bool>(), any::<bool>()).prop_map(|(scene, millis, frames, turns, someone)| {
        let frame = |i: u8| Step::Frame {
            size: 5,
            x: i * 5,
            luma: if someone { 230 } else { 0 },
            scene: match scene {
                Scene::Tiles(seed, _) if turns => Scene::Tiles(seed, i.min(10) * 8),
                scene => scene,
            },
            millis,
            lone: false,
        };
        (0..frames).map(frame).collect()
    })
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn frames_and_events_add_up(steps in prop::collection::vec(step(), 1..120), settings in settings()) {
        run(steps, settings);
    }
}

proptest! {
    #![proptest_config(cases(24))]

    /// Streams that go on for long enough to reach every state: covers, turns, cuts, visits, noise.
    #[test]
    fn long_streams_add_up(stretches in prop::collection::vec(stretch(), 1..10), settings in settings()) {
        run(stretches.into_iter().flatten(), settings);
    }
}

/// The property would hold of a gate that never says anything, so: these streams do make events.
#[test]
fn such_streams_make_events() {
    let frame = |i: u32| {
        let luma = if i % 40 > 20 { 230 } else { 0 };
        Step::Frame { size: 2, x: (i % 40 * 6) as u8, luma, scene: Scene::Even(90), millis: 200, lone: false }
    };
    assert_eq!(run((0..200).map(frame), Settings::default()).0, 5);
    let still = |scene, frames: u32| {
        (0..frames).map(move |_| Step::Frame { size: 5, x: 0, luma: 0, scene, millis: 200, lone: false })
    };
    let home = Scene::Tiles(1, 0);
    let cut = still(home, 30).chain(still(Scene::Tiles(2, 0), 60));
    assert_eq!(run(cut, Settings::default()), (1, BTreeSet::from(["Novelty".to_owned()])));
    let covered = still(home, 30).chain(still(Scene::Even(90), 60)).chain(still(home, 60));
    assert_eq!(run(covered, Settings::default()), (1, BTreeSet::from(["Tamper".to_owned()])));
    let soft = still(home, 30).chain(still(Scene::Soft(1), 60));
    // Going out of focus moves every edge of the scene, which may look like something before it is told apart.
    let (events, causes) = run(soft, Settings::default());
    assert!(events <= 2 && causes.contains("Tamper"), "{events} {causes:?}");
}
