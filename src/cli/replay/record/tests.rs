use std::collections::BTreeMap;

use super::*;
use crate::event::{Schema, Source};
use crate::frame::{Colour, Matrix, Picture as Pixels, PixelFormat, Range};
use crate::ids::NodeId;
use crate::units::Region;

/// The clip's second 0 is this long after the clock's.
const ZERO: f64 = 1000.0;
const REGION: Region = Region { x: 0.25, y: 0.25, w: 0.5, h: 0.5 };

fn camera() -> CameraId {
    CameraId::new("door").unwrap()
}

fn moment(second: f64) -> Moment {
    Moment { mono: Duration::ZERO, wall: Timestamp::from_second(1_700_000_000).unwrap() }
        .plus(Duration::from_secs_f64(ZERO + second))
}

fn frame(seq: u64, second: f64) -> Frame {
    let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
    let picture = Pixels::packed(64, 36, PixelFormat::I420, colour, vec![100; 64 * 36 * 3 / 2]).unwrap();
    let pts = Some(Duration::from_secs_f64(second));
    Frame { camera: camera(), seq, at: moment(second), pts, lone: false, picture }
}

fn candidate(seq: u64, second: f64) -> Candidate {
    Candidate {
        frame: frame(seq, second),
        cause: Cause::Motion,
        region: Some(REGION),
        started_at: moment(second - 0.4),
        reason: None,
    }
}

fn event(kind: Kind, from: f64, at: f64, words: Option<&str>) -> Event {
    Event {
        schema: Schema,
        id: EventId::new(moment(from).wall, 7),
        seq: 1,
        kind,
        node: NodeId::new("box").unwrap(),
        camera: camera(),
        started_at: moment(from).wall,
        at: moment(at).wall,
        ended_at: (kind == Kind::End).then_some(moment(at).wall),
        description: words.map(str::to_owned),
        confidence: words.map(|_| 0.7),
        cause: Cause::Motion,
        source: if words.is_some() { Source::Model } else { Source::None },
        reason: words.is_none().then(|| "the model was busy".to_owned()),
        model: None,
        region: Some(REGION),
        rules: BTreeMap::new(),
        alert: Vec::new(),
        checked: BTreeMap::new(),
        snapshot: None,
        timing_ms: None,
        replayed: false,
    }
}

fn recorder() -> Recorder {
    Recorder::new(camera(), Vec::new())
}

fn see(recorder: &Recorder, seq: u64, second: f64, outcome: Option<Outcome>) {
    let motion = Motion { foreground: 0.01 * seq as f32, threshold: 0.0025, ..Motion::default() };
    let frame = frame(seq, second);
    recorder.observed(&camera(), &frame, &motion);
    if let Some(outcome) = outcome {
        recorder.settled(&camera(), &Settled::new(&frame, outcome));
    }
}

#[test]
fn a_visit_becomes_looks_a_picture_and_an_event() {
    let recorder = recorder();
    see(&recorder, 0, 0.2, Some(Outcome::NoMotion));
    see(&recorder, 1, 0.4, None);
    see(&recorder, 2, 0.6, Some(Outcome::Superseded));
    recorder.chosen(&camera(), &candidate(1, 0.4), true);
    recorder.settled(&camera(), &Settled::new(&frame(1, 0.4), Outcome::Described));
    recorder.event(&event(Kind::Start, 0.0, 0.4, Some("A man.")));
    recorder.event(&event(Kind::End, 0.0, 0.6, Some("A man.")));
    recorder.dropped(&camera(), Outcome::DecodeSkipped, 40);
    let run = recorder.finish(About::default());

    let looks: Vec<_> = run.looks.iter().map(|look| ((look.at * 10.0).round(), look.outcome)).collect();
    assert_eq!(looks, [(2.0, Outcome::NoMotion), (4.0, Outcome::Described), (6.0, Outcome::Superseded)]);
    assert!((run.looks[1].seen.unwrap().motion - 0.01).abs() < 1e-6, "what was seen goes with how it ended");
    let [picture] = run.pictures.as_slice() else { panic!("{:?}", run.pictures) };
    assert!((picture.at - 0.4).abs() < 1e-3 && picture.start && picture.jpeg.is_some());
    assert_eq!((picture.words.as_deref(), picture.size, picture.region), (Some("A man."), (64, 36), Some(REGION)));
    let [stretch] = run.events.as_slice() else { panic!("{:?}", run.events) };
    assert!(stretch.from.abs() < 1e-3 && (stretch.to.unwrap() - 0.6).abs() < 1e-3);
    assert_eq!((run.count(Outcome::Described), run.count(Outcome::DecodeSkipped), run.frames()), (1, 40, 43));
    assert!((run.length - 0.6).abs() < 1e-3, "without a length the last frame ends the clip");
}

#[test]
fn words_find_their_picture_although_others_were_overtaken() {
    let recorder = recorder();
    see(&recorder, 0, 0.0, None);
    recorder.chosen(&camera(), &candidate(0, 1.0), true);
    for seq in 1..40 {
        recorder.chosen(&camera(), &candidate(seq, 1.0 + seq as f64), false);
    }
    recorder.event(&event(Kind::Update, 0.6, 40.0, Some("Still a man.")));
    recorder.event(&event(Kind::Update, 0.6, 90.0, None));
    let run = recorder.finish(About::default());
    assert!(run.pictures[0].jpeg.is_some());
    let none = &run.pictures[1];
    assert_eq!((none.jpeg.as_ref(), none.reason.as_deref()), (None, Some("the model was busy")));
}

#[test]
fn starts_are_kept_before_updates_and_the_rest_is_counted() {
    let recorder = recorder();
    see(&recorder, 0, 0.0, None);
    let extra = 50;
    for n in 0..MOST_PICTURES + extra {
        let second = n as f64;
        let (kind, start) = if n % 2 == 0 { (Kind::Update, false) } else { (Kind::Start, true) };
        recorder.chosen(&camera(), &candidate(n as u64, second), start);
        recorder.event(&event(kind, second, second, Some("Somebody.")));
    }
    let run = recorder.finish(About::default());
    assert_eq!((run.pictures.len(), run.pictures_left_out), (MOST_PICTURES, extra as u64));
    let starts = run.pictures.iter().filter(|picture| picture.start).count();
    assert_eq!(starts, (MOST_PICTURES + extra) / 2, "every start has its picture");
    assert!(run.pictures.is_sorted_by(|a, b| a.at <= b.at));
    assert!(run.pictures.iter().all(|picture| picture.jpeg.is_some()));
}

#[test]
fn secrets_and_other_cameras_stay_outside() {
    let recorder = recorder();
    let other = CameraId::new("other").unwrap();
    recorder.dropped(&other, Outcome::Superseded, 1);
    recorder.settled(&other, &Settled::new(&frame(0, 0.0), Outcome::Failed));
    let run = recorder.finish(About { config_text: "password = \"hunter2\"".into(), ..About::default() });
    assert_eq!(run.frames(), 0);
    assert!(!run.about.config_text.contains("hunter2"));
}
