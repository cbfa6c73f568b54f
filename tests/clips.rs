//! Recorded footage with checked ground truth, through the real source, gate, model and pipeline: every visit becomes one
//! event, in time, and nothing is invented.
//!
//! `EYEWITNESS_CLIPS` names the folder with `labels.json` and the clips (Intel's sample-videos, CC BY 4.0); without it
//! these tests say that they skipped. `benches/clips/variants.sh` makes a folder of the same clips as other cameras would have
//! sent them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test ends at what it did not expect, and says what it skipped"
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eyewitness::clock::{Clock, Moment};
use eyewitness::config::Config;
use eyewitness::event::{Event, Kind};
use eyewitness::frame::{Frame, Picture, PixelFormat};
use eyewitness::gate::{Gate, Motion, Outcome, Settings, Signal};
use eyewitness::health::CameraHealth;
use eyewitness::ids::CameraId;
use eyewitness::outbox::Outbox;
use eyewitness::pipeline::{Audience, Pipeline};
use eyewitness::source::{self, Decode, Location, Pace, mailbox};
use eyewitness::telemetry::Metrics;
use eyewitness::vlm::{self, Model};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How late an event may start, and how far outside of a visit it may begin, in seconds.
const TOLERANCE: f64 = 1.5;
/// How late an event may say that it began, in seconds: the visits' beginnings are labelled by eye.
const START_DELAY: f64 = 1.0;
/// Of the frames that reach the gate so many at most are worth a description.
const DESCRIBED: f64 = 0.03;

struct Clip {
    path: PathBuf,
    fps: f32,
    visits: Vec<Visit>,
}

struct Visit {
    from: f64,
    to: f64,
    who: String,
}

/// One event of the gate, in seconds of the clip.
#[derive(Debug, Default, Clone)]
struct Seen {
    started: f64,
    /// The frame at which the start was passed on.
    announced: f64,
    ended: f64,
}

fn clips() -> Option<Vec<Clip>> {
    let Some(folder) = std::env::var_os("EYEWITNESS_CLIPS").map(PathBuf::from).filter(|f| f.is_dir()) else {
        eprintln!("skipped: EYEWITNESS_CLIPS names no folder with labelled clips");
        return None;
    };
    let labels: Value = serde_json::from_slice(&std::fs::read(folder.join("labels.json")).unwrap()).unwrap();
    let clips = labels["clips"].as_object().unwrap().iter().map(|(name, clip)| Clip {
        path: folder.join(name),
        fps: clip["fps"].as_f64().unwrap() as f32,
        visits: clip["events"].as_array().unwrap().iter().map(visit).collect(),
    });
    Some(clips.collect())
}

fn visit(event: &Value) -> Visit {
    Visit {
        from: event["from"].as_f64().unwrap(),
        to: event["to"].as_f64().unwrap(),
        who: event["who"].as_str().unwrap().to_owned(),
    }
}

/// What is wrong with these events, in words; empty: each visit is one event, in time, and there is no other.
fn judge(clip: &Clip, events: &[Seen]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut rest: Vec<_> = events.to_vec();
    for visit in &clip.visits {
        let of = |event: &Seen| event.started >= visit.from - TOLERANCE && event.started <= visit.to + TOLERANCE;
        let (mine, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(of);
        rest = others;
        match mine.as_slice() {
            [one] if one.announced > visit.from + TOLERANCE => {
                wrong.push(format!("{} is announced {:.1} s late", visit.who, one.announced - visit.from));
            }
            [one] if one.started > visit.from + START_DELAY => {
                wrong.push(format!("{} begins {:.1} s late", visit.who, one.started - visit.from));
            }
            [_] => {}
            [] => wrong.push(format!("{} is missed", visit.who)),
            many => wrong.push(format!("{} becomes {} events", visit.who, many.len())),
        }
    }
    wrong.extend(rest.iter().map(|event| format!("an event at {:.1} s is invented", event.started)));
    wrong
}

/// The events, and the share of frames that would be described. `gain` darkens the picture, as dusk does.
async fn gate_over(clip: &Clip, fps: f32, gain: f32) -> (Vec<Seen>, f64) {
    source::init().unwrap();
    let camera = CameraId::new("clip").unwrap();
    let clock = Clock::system();
    let (frames_in, mut frames) = mailbox::channel();
    let (health_in, health) = watch::channel(CameraHealth::starting(clock.now().wall));
    let settings = source_settings(&camera, &clip.path, fps);
    tokio::spawn(source::run(
        settings,
        clock,
        Arc::default(),
        Arc::default(),
        frames_in,
        health_in,
        CancellationToken::new(),
    ));
    let mut gate = Gate::new(camera, Settings::default());
    let mut events: Vec<Seen> = Vec::new();
    let mut zero: Option<Moment> = None;
    let (mut given, mut described) = (0_u32, 0_u32);
    while let Some(frame) = frames.take().await {
        let pts = frame.pts.unwrap_or_default();
        let origin = *zero.get_or_insert(Moment { mono: frame.at.mono - pts, wall: frame.at.wall });
        let seconds = |at: Moment| at.since(origin).as_secs_f64();
        let frame = if gain < 1.0 { Frame { picture: darker(&frame.picture, gain), ..frame } } else { frame };
        given += 1;
        for signal in gate.observe(frame).signals {
            described += u32::from(!matches!(signal, Signal::End { .. }));
            match signal {
                Signal::Start(candidate) => events.push(Seen {
                    started: seconds(candidate.started_at),
                    announced: pts.as_secs_f64(),
                    ended: f64::NAN,
                }),
                Signal::Update(_) => {}
                Signal::End { ended_at, .. } => events.last_mut().unwrap().ended = seconds(ended_at),
            }
        }
    }
    assert!(zero.is_some(), "no frame: {}", health.borrow().reason);
    (events, f64::from(described) / f64::from(given))
}

/// The gate reads luma only; what is left of the colours does not matter.
fn darker(picture: &Picture, gain: f32) -> Picture {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let luma = picture.plane(0);
    let dim = |v: &u8| (16.0 + (f32::from(*v) - 16.0) * gain).round().clamp(0.0, 255.0) as u8;
    let rows = (0..height).flat_map(|y| &luma.data[y * luma.stride..y * luma.stride + width]);
    let mut data: Vec<u8> = rows.map(dim).collect();
    data.resize(width * height + 2 * width.div_ceil(2) * height.div_ceil(2), 128);
    Picture::packed(picture.width(), picture.height(), PixelFormat::I420, picture.colour(), data).unwrap()
}

fn source_settings(camera: &CameraId, path: &Path, fps: f32) -> source::Settings {
    source::Settings {
        camera: camera.clone(),
        location: Location::File { path: path.to_owned(), pace: Pace::Fast, repeat: false },
        decode: Decode::All,
        decoder: None,
        fps,
        timeout: Duration::from_secs(20),
        settle: Duration::from_secs(2),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_visit_is_one_event_in_time() {
    let mut wrong = Vec::new();
    for clip in clips().unwrap_or_default() {
        for (fps, gain) in [(5.0, 1.0), (clip.fps, 1.0), (5.0, 0.5)] {
            let (events, described) = gate_over(&clip, fps, gain).await;
            let name = clip.path.file_name().unwrap().display();
            println!("{name} at {fps} frames per second, brightness x {gain}: {:.1} % described", 100.0 * described);
            println!("  {:>6} {:>6}   {:>6} {:>6} {:>6}  who", "from", "to", "start", "said", "end");
            for visit in &clip.visits {
                let near = |e: &&Seen| e.started >= visit.from - TOLERANCE && e.started <= visit.to + TOLERANCE;
                let event = events.iter().find(near).cloned().unwrap_or_default();
                println!(
                    "  {:6.1} {:6.1}   {:6.1} {:6.1} {:6.1}  {}",
                    visit.from, visit.to, event.started, event.announced, event.ended, visit.who
                );
            }
            if described > DESCRIBED {
                wrong.push(format!("{name} at {fps} x {gain}: {:.1} % described", 100.0 * described));
            }
            wrong.extend(judge(&clip, &events).into_iter().map(|w| format!("{name} at {fps} x {gain}: {w}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[derive(Default)]
struct Kept {
    events: Mutex<Vec<Event>>,
    /// Frames that the gate looked at.
    observed: AtomicU64,
}

impl Audience for Kept {
    fn event(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }

    fn observed(&self, _camera: &CameraId, _frame: &Frame, _motion: &Motion) {
        self.observed.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_visit_gets_words() {
    for clip in clips().unwrap_or_default() {
        let text = format!(
            "node = \"test\"\n[[camera]]\nid = \"clip\"\nurl = {}\npace = \"fast\"\n",
            Value::from(clip.path.to_str().unwrap())
        );
        let config = Config::parse("test", &text, &|_| None).unwrap().config;
        let clock = Clock::system();
        let settings = vlm::Settings { threads: 1, ..config.model.settings.clone() };
        let model = Model::start(settings, clock).unwrap();
        source::init().unwrap();
        let kept = Arc::new(Kept::default());
        let metrics = Arc::new(Metrics::new());
        let outbox = Outbox::new(&config.outbox, clock);
        let mut pipeline = Pipeline::start(&config, model, outbox, metrics.clone(), clock, kept.clone());
        tokio::time::timeout(Duration::from_secs(300), pipeline.ended()).await.expect("the clip is over");

        let events = kept.events.lock().unwrap().clone();
        for event in &events {
            println!("{:<6} {}", event.kind.name(), event.description.as_deref().unwrap_or("-"));
        }
        let of = |kind: Kind| events.iter().filter(|event| event.kind == kind).count();
        assert_eq!((of(Kind::Start), of(Kind::End)), (clip.visits.len(), clip.visits.len()));
        assert!(events.iter().all(|event| event.description.is_some()), "an event without words");
        assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64), "a gap in the numbers");
        let described = metrics.frames_of("clip", "described");
        let decoded = Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::DecodeSkipped);
        let frames: u64 = decoded.map(|outcome| metrics.frames_of("clip", outcome.name())).sum();
        assert_eq!(frames, kept.observed.load(Ordering::Relaxed), "every frame ends in exactly one outcome");
        assert!(frames > 100, "{frames}");
        println!("{described} of {frames} frames described, {:.2} s of model", metrics.model_time().as_secs_f64());
        let cached = metrics.frames_of("clip", "cached");
        assert_eq!(described + cached, events.iter().filter(|event| event.kind != Kind::End).count() as u64);
    }
}
