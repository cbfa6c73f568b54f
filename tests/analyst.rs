//! The analyst between the gates and the outbox: every frame comes out once whatever the budgets and the model do, earlier
//! answers serve where they should, and a clip gives the same events each time.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test ends at what it did not expect, or says what it skips"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eyewitness::analyst::{self, Allowance, Ask, Camera, Displaced, General, Inbox, Listener, View};
use eyewitness::clock::{Clock, Moment};
use eyewitness::config::Config;
use eyewitness::event::{Cause, Event, Kind, Source};
use eyewitness::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Range};
use eyewitness::gate::{Candidate, EndReason, Outcome, Settled, Signal};
use eyewitness::ids::{CameraId, NodeId, RuleId};
use eyewitness::image::read_file;
use eyewitness::pipeline::{Audience, Pipeline};
use eyewitness::rules::{Rule, When};
use eyewitness::telemetry::Metrics;
use eyewitness::units::{Polygon, Rate, Region};
use eyewitness::vlm::{self, Answer, AskError, Model, Question};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

const CAMERAS: usize = 3;

/// A model that misbehaves in every way, the same each time.
struct Moody(AtomicU64);

impl Ask for Moody {
    async fn ask(&self, question: Question) -> Result<Answer, AskError> {
        tokio::task::yield_now().await;
        let known = question.recall.as_ref().map_or(0, |recall| recall.known.len());
        let mut random = fastrand::Rng::with_seed(self.0.fetch_add(1, Ordering::Relaxed));
        let p_yes = question.asks.iter().map(|_| random.f32()).collect();
        match random.u8(..8) {
            0 => Err(AskError::Expired),
            1 => Err(AskError::NotFinite { tokens: 3 }),
            2 if known > 0 => {
                let nearest = Some(vlm::Nearest { index: known - 1, cosine: 0.95 });
                Ok(Answer {
                    likeness: Some(vlm::Likeness::default()),
                    nearest,
                    recalled: true,
                    p_yes,
                    ..Answer::default()
                })
            }
            _ => Ok(Answer {
                text: "Something.".into(),
                confidence: random.f32(),
                p_yes,
                likeness: question.recall.map(|_| vlm::Likeness::default()),
                ..Answer::default()
            }),
        }
    }

    fn label(&self) -> &'static str {
        "moody"
    }
}

/// What came out, by camera.
#[derive(Default, Clone)]
struct Ledger(Arc<Mutex<[Heard; CAMERAS]>>);

#[derive(Default)]
struct Heard {
    frames: BTreeMap<u64, Outcome>,
    events: Vec<Event>,
    lost: usize,
}

impl Ledger {
    fn frame(&self, camera: &CameraId, settled: &Settled) {
        let lane: usize = camera.as_str().parse().unwrap();
        let before = self.0.lock().unwrap()[lane].frames.insert(settled.frame, settled.outcome);
        assert_eq!(before, None, "frame {} of camera {lane} ended twice", settled.frame);
    }

    fn displaced(&self, camera: &CameraId, displaced: &Displaced) {
        displaced.frames.iter().for_each(|settled| self.frame(camera, settled));
        self.0.lock().unwrap()[camera.as_str().parse::<usize>().unwrap()].lost += displaced.events as usize;
    }
}

impl Listener for Ledger {
    async fn event(&mut self, event: Event) {
        let lane: usize = event.camera.as_str().parse().unwrap();
        self.0.lock().unwrap()[lane].events.push(event);
    }

    fn frame(&mut self, camera: &CameraId, settled: Settled) {
        Ledger::frame(self, camera, &settled);
    }

    fn answer(&mut self, _: &CameraId, _: &Answer) {}

    fn beat(&mut self) {}
}

fn id(lane: usize) -> CameraId {
    CameraId::new(&lane.to_string()).unwrap()
}

fn candidate(lane: usize, seq: u64, at: Moment, started_at: Moment) -> Candidate {
    let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
    let picture = Picture::packed(16, 16, PixelFormat::I420, colour, vec![0; 384]).unwrap();
    let frame = Frame { camera: id(lane), seq, at, pts: None, lone: false, picture };
    let region = seq.is_multiple_of(2).then_some(Region { x: 0.2, y: 0.2, w: 0.1, h: 0.1 });
    Candidate { frame, cause: Cause::Motion, region, started_at, reason: None }
}

fn settings(budgets: &[u32; CAMERAS], of_box: u32, own_time: [bool; CAMERAS], seed: Option<u64>) -> analyst::Settings {
    let allowance = |per_minute: u32| Allowance {
        calls: Rate { count: f64::from(per_minute), per: Duration::from_secs(60) },
        share: 0.5,
    };
    let camera = |lane: usize| Camera {
        id: id(lane),
        prompt: "Describe the scene.".into(),
        rules: rules(lane),
        masks: Arc::new([]),
        view: [View::Whole, View::Region, View::Both][lane],
        reuse_for: Duration::from_secs(600),
        allowance: allowance(budgets[lane]),
        own_time: own_time[lane],
    };
    analyst::Settings {
        node: NodeId::new("box").unwrap(),
        cameras: (0..CAMERAS).map(camera).collect(),
        general: General {
            allowance: allowance(of_box),
            max_tokens: 8,
            // The cameras without a time of their own wait by the clock.
            deadline: Duration::from_millis(50),
        },
        calibrations: Arc::default(),
        seed,
    }
}

/// With every event; always, and loudly; while events go on, about a part of the picture.
fn rules(lane: usize) -> Vec<Rule> {
    let rule = Rule::new(RuleId::new("rule").unwrap(), "Is there a dog?");
    let often = Duration::from_millis(100);
    let part = Polygon(vec![[0.1, 0.1], [0.5, 0.1], [0.1, 0.5]]);
    vec![match lane {
        0 => rule,
        1 => Rule { when: When::Always(often), alert: true, hold: often, ..rule },
        _ => Rule { when: When::During(often), alert: true, region: Some(part), ..rule },
    }]
}

/// One signal of one camera, after so many milliseconds: an update or an end of what goes on, else a start.
#[derive(Debug, Clone)]
struct Step {
    lane: usize,
    ends: bool,
    millis: u64,
    /// Whether the camera waits for the analyst.
    patient: bool,
}

fn step() -> impl Strategy<Value = Step> {
    (0..CAMERAS, prop::bool::weighted(0.3), 0_u64..60, prop::bool::weighted(0.5))
        .prop_map(|(lane, ends, millis, patient)| Step { lane, ends, millis, patient })
}

struct Outcomes {
    heard: [Heard; CAMERAS],
    frames: [u64; CAMERAS],
    starts: [usize; CAMERAS],
}

/// Plays the steps, closes the inbox, and returns what went in and what came out.
async fn play(settings: analyst::Settings, steps: &[Step], model_seed: u64, stop_at: Option<usize>) -> Outcomes {
    let clock = Clock::system();
    let inbox = Arc::new(Inbox::new(&settings, clock));
    let ledger = Ledger::default();
    let stopping = CancellationToken::new();
    let own: Vec<bool> = settings.cameras.iter().map(|camera| camera.own_time).collect();
    let model = Moody(AtomicU64::new(model_seed));
    let work = analyst::run(settings, inbox.clone(), model, ledger.clone(), clock, stopping.clone());
    let work = tokio::spawn(work);
    let start = Moment { mono: Duration::from_secs(5), wall: jiff::Timestamp::from_second(1_700_000_000).unwrap() };
    let (mut times, mut running) = ([start; CAMERAS], [None; CAMERAS]);
    let (mut frames, mut starts) = ([0; CAMERAS], [0; CAMERAS]);
    let put = |lane: usize, signal: Signal, now: Moment| {
        ledger.displaced(&id(lane), &inbox.put(lane, signal, if own[lane] { now } else { clock.now() }));
    };
    for (index, Step { lane, ends, millis, patient }) in steps.iter().cloned().enumerate() {
        if stop_at == Some(index) {
            stopping.cancel();
        }
        times[lane] = times[lane].plus(Duration::from_millis(millis));
        let now = times[lane];
        if own[lane] {
            inbox.advance(lane, now);
            inbox.settled(lane).await;
        }
        let signal = match running[lane] {
            Some(started_at) if ends => {
                running[lane] = None;
                let frame = Some(candidate(lane, u64::MAX, now, now).frame);
                Signal::End { started_at, ended_at: now, reason: EndReason::Quiet, frame }
            }
            Some(started_at) => Signal::Update(candidate(lane, frames[lane], now, started_at)),
            None => {
                running[lane] = Some(now);
                starts[lane] += 1;
                Signal::Start(candidate(lane, frames[lane], now, now))
            }
        };
        frames[lane] += u64::from(!matches!(signal, Signal::End { .. }));
        put(lane, signal, now);
        // Its end was said by the gate.
        let looked_at = candidate(lane, u64::MAX, now, now).frame;
        inbox.offer(lane, &looked_at, if own[lane] { now } else { clock.now() });
        if own[lane] || patient {
            inbox.settled(lane).await;
        }
    }
    for (lane, started_at) in running.iter().enumerate() {
        if let Some(started_at) = *started_at {
            let end = Signal::End { started_at, ended_at: times[lane], reason: EndReason::Stopped, frame: None };
            put(lane, end, times[lane]);
        }
    }
    inbox.close();
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it ends").unwrap();
    let heard = std::mem::take(&mut *ledger.0.lock().unwrap());
    Outcomes { heard, frames, starts }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_comes_out_once(
        steps in prop::collection::vec(step(), 1..120),
        budgets in prop::array::uniform3(1_u32..3000),
        of_box in 1_u32..3000,
        own_time in prop::array::uniform3(any::<bool>()),
        model_seed in any::<u64>(),
        stop_at in prop::option::of(0_usize..120),
    ) {
        let settings = settings(&budgets, of_box, own_time, None);
        let Outcomes { heard, frames, starts } = runtime().block_on(play(settings, &steps, model_seed, stop_at));
        for (lane, heard) in heard.iter().enumerate() {
            prop_assert!(heard.frames.keys().copied().eq(0..frames[lane]), "camera {lane}: {:?} of {}", heard.frames, frames[lane]);
            // A rule that turned on makes messages of its own, about frames whose end the gate has said.
            let of_gate = || heard.events.iter().filter(|event| event.cause != Cause::Rule);
            let of = |kind: Kind| of_gate().filter(|event| event.kind == kind).count();
            prop_assert_eq!((of(Kind::Start), of(Kind::End)), (starts[lane] - heard.lost, starts[lane] - heard.lost));
            prop_assert!(heard.events.iter().map(|event| event.seq).eq(1..=heard.events.len() as u64));
            let outcomes = |wanted: Outcome| heard.frames.values().filter(|outcome| **outcome == wanted).count();
            let told = |source: Source| {
                of_gate().filter(|event| event.kind != Kind::End && event.source == source).count()
            };
            let of_rules = || heard.events.iter().filter(|event| event.cause == Cause::Rule);
            let alone = |kind: Kind| of_rules().filter(|event| event.kind == kind).count();
            prop_assert_eq!(alone(Kind::Start), alone(Kind::End));
            prop_assert!(of_rules().all(|event| event.kind == Kind::End || event.alert.len() == 1));
            prop_assert!(lane != 0 || heard.events.iter().all(|event| event.alert.is_empty()));
            let known: BTreeSet<_> = heard.events.iter().map(|event| event.id).collect();
            let begun: Vec<_> = heard.events.iter().filter(|e| e.kind == Kind::Start).map(|event| event.id).collect();
            prop_assert!(known.len() == begun.len(), "an update or an end without its start");

            prop_assert_eq!(outcomes(Outcome::Described), told(Source::Model));
            prop_assert_eq!(outcomes(Outcome::Cached), told(Source::Cache));
            for event in heard.events.iter().filter(|event| event.kind != Kind::End) {
                prop_assert_eq!(event.description.is_none(), event.reason.is_some(), "{:?}", event);
            }
        }
    }

    /// Clips with a time of their own, played together: what happens to each depends on nothing else.
    #[test]
    fn a_clip_is_the_same_each_time(
        steps in prop::collection::vec(step(), 1..80),
        budgets in prop::array::uniform3(1_u32..3000),
        of_box in 1_u32..3000,
    ) {
        let play = || {
            let settings = settings(&budgets, of_box, [true; CAMERAS], Some(7));
            let outcomes = runtime().block_on(play(settings, &steps, 3, None));
            let lines = |heard: &Heard| {
                let events: Vec<_> = heard.events.iter().map(Event::to_json).collect();
                (events, heard.frames.clone())
            };
            outcomes.heard.iter().map(lines).collect::<Vec<_>>()
        };
        let first = play();
        prop_assert!(first.iter().flat_map(|(events, _)| events).all(|event| event.contains("\"timing_ms\":null")));
        prop_assert_eq!(first, play());
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn model(clock: Clock) -> Model {
    let settings =
        vlm::Settings { provider: vlm::Provider::Cpu, threads: 1, ..vlm::Settings::new(root().join("models/tiny")) };
    Model::start(settings, clock).unwrap()
}

#[tokio::test]
async fn the_model_knows_a_picture_again() {
    let clock = Clock::system();
    let model = model(clock);
    let ask = async |file: &str, known: Vec<vlm::Likeness>| {
        let question = Question {
            picture: read_file(&root().join("models/tiny/fixtures").join(file)).unwrap(),
            view: Region::WHOLE,
            masks: Arc::new([]),
            prompt: "Describe the scene.".into(),
            asks: vec!["Is there a cat?".into()],
            max_tokens: 48,
            deadline: clock.now().plus(Duration::from_secs(60)),
            describe: true,
            recall: Some(vlm::Recall { known, least: 0.88 }),
            check: false,
        };
        model.ask(question).await.unwrap()
    };
    let cat = ask("chelsea.png", Vec::new()).await;
    let astronaut = ask("astronaut_300.png", vec![cat.likeness.clone().unwrap()]).await;
    assert!(!astronaut.recalled && !astronaut.text.is_empty() && astronaut.nearest.unwrap().cosine < 0.5);
    let known = vec![astronaut.likeness.unwrap(), cat.likeness.clone().unwrap()];
    let again = ask("chelsea.png", known).await;
    assert!(again.recalled && again.text.is_empty() && again.p_yes == cat.p_yes, "{again:?}");
    assert_eq!(again.nearest.unwrap().index, 1);
    // The question was answered, nothing was said.
    assert!(again.p_yes[0] > 0.8 && again.timing.decode == Duration::ZERO, "{again:?}");
}

#[derive(Default)]
struct Kept {
    events: Mutex<Vec<Event>>,
    settled: Mutex<Vec<Settled>>,
}

impl Audience for Kept {
    fn event(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }

    fn settled(&self, _: &CameraId, settled: &Settled) {
        self.settled.lock().unwrap().push(*settled);
    }
}

/// The clips after one another as one camera would see them; the events, with their times since the first frame.
async fn replay(clip: &Path, model: &Arc<Model>, more: &str) -> Arc<Kept> {
    let text = format!(
        "node = \"test\"\n[[camera]]\nid = \"clip\"\nurl = {}\npace = \"fast\"\n{more}",
        serde_json::Value::from(clip.to_str().unwrap())
    );
    let config = Config::parse("test", &text, &|_| None).unwrap().config;
    eyewitness::source::init().unwrap();
    let kept = Arc::new(Kept::default());
    let metrics = Arc::new(Metrics::new());
    let mut pipeline = Pipeline::replay(&config, model.clone(), 1, metrics, Clock::system(), kept.clone());
    tokio::time::timeout(Duration::from_secs(300), pipeline.ended()).await.expect("the clip is over");
    kept
}

fn clips() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("EYEWITNESS_CLIPS").map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        eprintln!("skipped: EYEWITNESS_CLIPS names no folder with labelled clips");
        return Vec::new();
    };
    ["one-by-one-person-detection.mp4", "car-detection.mp4"].map(|clip| folder.join(clip)).into()
}

/// In the clips nobody comes twice: the words of one visit never serve for another.
#[tokio::test(flavor = "multi_thread")]
async fn words_are_not_said_again_about_somebody_else() {
    let clock = Clock::system();
    let model = Arc::new(model(clock));
    for clip in clips() {
        for view in ["region", "whole", "both"] {
            let more = format!(
                "view = \"{view}\"\n[camera.gate]\nmin_interval = \"1s\"\nrefresh = \"2s\"\nbudget = \"600/min\"\n"
            );
            let kept = replay(&clip, &model, &format!("{more}[model]\nbudget = \"600/min\"\n")).await;
            let events = kept.events.lock().unwrap();
            let (mut said, mut again) = (BTreeMap::new(), 0);
            for event in events.iter().filter(|event| event.kind != Kind::End) {
                let words = (event.description.clone().unwrap(), event.confidence.unwrap().to_bits());
                match event.source {
                    Source::Model => drop(said.insert(words, event.id)),
                    Source::Cache => {
                        again += 1;
                        assert_eq!(said.get(&words), Some(&event.id), "{}", event.to_json());
                    }
                    Source::None => assert!(event.reason.is_none(), "{}", event.to_json()),
                }
            }
            let updates = events.iter().filter(|event| event.kind != Kind::End).count();
            println!("{} {view}: {updates} pictures, {again} of them with earlier words", clip.display());
        }
    }
}
