//! Runs that nobody recorded, told to a recorder as a pipeline would.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::super::record::{About, Recorder, Run, Truth, Visit};
use super::super::super::ruled::tests::judged;
use crate::clock::Moment;
use crate::event::{Cause, Event, Kind, RuleAnswer, Schema, Source, YesNo};
use crate::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Range};
use crate::gate::{Candidate, Motion, Outcome, Settled};
use crate::ids::{CameraId, EventId, NodeId, RuleId};
use crate::pipeline::Audience;
use crate::units::Region;
use crate::vlm::{Answer, Timing};

pub(super) const EVIL: &str =
    "<script>alert(1)</script></script><!--<b1 onclick=\"x\"> \"'&amp; {{script}} Grüße 🐈 日本語 \u{202e}";

/// A recorder with a hand for telling.
struct Told {
    recorder: Recorder,
    camera: CameraId,
    seq: u64,
}

impl Told {
    fn new() -> Self {
        let camera = CameraId::new("door").unwrap();
        Self { recorder: Recorder::new(camera.clone(), Vec::new()), camera, seq: 0 }
    }

    fn frame(&mut self, second: f64, width: usize) -> Frame {
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        let height = width * 9 / 16;
        let luma = (0..width * height).map(|at| (60 + (at % width) * 100 / width + at / width * 60 / height) as u8);
        let mut data: Vec<u8> = luma.collect();
        data.resize(width * height + 2 * width.div_ceil(2) * height.div_ceil(2), 118);
        let picture = Picture::packed(width as u32, height as u32, PixelFormat::I420, colour, data).unwrap();
        self.seq += 1;
        let pts = Some(Duration::from_secs_f64(second));
        Frame { camera: self.camera.clone(), seq: self.seq, at: at(second), pts, lone: false, picture }
    }

    fn see(&mut self, second: f64, motion: f32, outcome: Outcome) {
        let frame = self.frame(second, 16);
        self.observed(&frame, motion);
        let settled = Settled::new(&frame, outcome);
        let settled = match outcome {
            Outcome::NoMotion => settled.because("share of the view that moves", motion, 0.0025),
            Outcome::Budget => settled.because("seconds since the last description", 2.4, 4.0),
            _ => settled,
        };
        self.recorder.settled(&self.camera, &settled);
    }

    fn observed(&self, frame: &Frame, foreground: f32) {
        let motion = Motion { foreground, threshold: 0.0025, lighting: foreground / 9.0, region: None };
        self.recorder.observed(&self.camera, frame, &motion);
    }

    /// A described frame and its message.
    fn describe(&mut self, second: f64, start: bool, from: f64, words: Option<&str>) {
        let frame = self.frame(second, 320);
        self.observed(&frame, 0.12);
        let region = Region { x: 0.3, y: 0.2, w: 0.25, h: 0.7 };
        let settled = Settled::new(&frame, if words.is_some() { Outcome::Described } else { Outcome::Expired });
        let candidate =
            Candidate { frame, cause: Cause::Motion, region: Some(region), started_at: at(from), reason: None };
        self.recorder.chosen(&self.camera, &candidate, start);
        self.recorder.settled(&self.camera, &settled);
        let timing = Timing { total: Duration::from_millis(110), ..Timing::default() };
        // What goes on was said in another way first.
        let before = words.filter(|_| !start).map(|words| format!("Not this: {words}"));
        let answer = Answer {
            text: words.unwrap_or_default().to_owned(),
            token_ids: Vec::new(),
            confidence: 0.6,
            tokens: 12,
            p_yes: Vec::new(),
            timing,
            likeness: None,
            nearest: None,
            recalled: false,
            corrections: u32::from(before.is_some()),
            checked: words.iter().map(|_| ("person".into(), 0.98)).collect(),
            before,
            ..Answer::default()
        };
        self.recorder.answered(&self.camera, &answer);
        self.event(if start { Kind::Start } else { Kind::Update }, from, second, words);
    }

    fn event(&self, kind: Kind, from: f64, second: f64, words: Option<&str>) {
        let rules = [("parcel", 0.04), ("person", 0.93)]
            .map(|(id, p)| (RuleId::new(id).unwrap(), RuleAnswer { answer: YesNo::from_probability(p), p }));
        self.recorder.event(&Event {
            schema: Schema,
            id: EventId::new(at(from).wall, 7),
            seq: 1,
            kind,
            node: NodeId::new("box").unwrap(),
            camera: self.camera.clone(),
            started_at: at(from).wall,
            at: at(second).wall,
            ended_at: (kind == Kind::End).then_some(at(second).wall),
            description: words.map(str::to_owned),
            confidence: words.map(|_| 0.71),
            cause: Cause::Motion,
            source: if words.is_some() { Source::Model } else { Source::None },
            reason: words.is_none().then(|| "the model was not free in time".to_owned()),
            model: None,
            region: None,
            rules: if words.is_some() { rules.into() } else { BTreeMap::new() },
            alert: Vec::new(),
            checked: words.iter().map(|_| ("person".to_owned(), 0.98)).collect(),
            snapshot: None,
            timing_ms: None,
            replayed: false,
        });
    }

    fn finish(self, clip: &str, config: &str, config_text: String, length: f64) -> Run {
        self.recorder.finish(About {
            clip: clip.into(),
            camera: "door".into(),
            config: config.into(),
            config_text,
            model: "tiny/int8@cpu".into(),
            length: Some(Duration::from_secs_f64(length)),
            took: Duration::from_secs_f64(length / 20.0),
        })
    }
}

fn at(second: f64) -> Moment {
    let zero = Moment { mono: Duration::from_secs(77), wall: jiff::Timestamp::from_second(1_700_000_000).unwrap() };
    zero.plus(Duration::from_secs_f64(second))
}

fn config(sensitivity: f64) -> String {
    format!(
        "node = \"box\"\n\n[mqtt]\nurl = \"mqtt://me:hunter2@broker\"\n\n[[camera]]\nid = \"door\"\nfps = 5\n\n\
         [camera.gate]\nsensitivity = {sensitivity}\nsettle = \"2s\"\n"
    )
}

/// A minute with three visits, two descriptions each; 300 frames decoded and 100 not.
pub(super) fn short(name: &str, sensitivity: f64) -> Run {
    let mut told = Told::new();
    let visits = [(10.0, 16.0), (25.0, 33.0), (48.0, 52.0)];
    for n in 0..300 {
        let second = f64::from(n) * 0.2;
        let visit = visits.iter().find(|(from, to)| (*from..*to).contains(&second));
        match visit {
            Some((from, _)) if (second - from - 0.4).abs() < 0.01 => {
                told.describe(second, true, *from, Some("A man in a dark jacket walks to the table."));
            }
            Some((from, _)) if (second - from - 3.4).abs() < 0.01 => {
                told.describe(second, false, *from, Some("The man sits down at the table."));
            }
            Some((from, _)) if second < from + 0.8 => told.see(second, 0.05, Outcome::Superseded),
            Some(_) => told.see(second, 0.1 + 0.05 * (second as f32).sin(), Outcome::Budget),
            None if (200..210).contains(&n) => told.see(second, 0.0018, Outcome::Lighting),
            None => told.see(second, 0.0004 + 0.0003 * (second as f32 * 3.0).sin(), Outcome::NoMotion),
        }
    }
    for (from, to) in visits {
        told.event(Kind::End, from, to, Some("The man sits down at the table."));
    }
    told.recorder.dropped(&told.camera, Outcome::DecodeSkipped, 100);
    let mut run = told.finish("door.mp4", name, config(sensitivity), 60.0);
    let visit = |(from, to): (f64, f64)| Visit {
        from,
        to,
        who: "a man in a dark jacket".into(),
        delay: Some(0.4),
        events: 1,
        merged: false,
    };
    run.truth = Some(Truth { visits: visits.map(visit).to_vec(), invented: Vec::new() });
    run.rules = judged(true);
    run
}

/// Nothing happens.
pub(super) fn quiet() -> Run {
    let mut told = Told::new();
    for n in 0..100 {
        told.see(f64::from(n) * 0.2, 0.0002, Outcome::NoMotion);
    }
    told.finish("night.mp4", "door.toml", String::new(), 20.0)
}

/// Every text that comes from outside is out to do harm.
pub(super) fn evil() -> Run {
    let mut told = Told::new();
    told.see(0.0, 0.0, Outcome::NoMotion);
    told.describe(1.0, true, 0.8, Some(EVIL));
    let sentence = "A very long sentence that does not want to end and goes on about everything in the picture. ";
    told.describe(2.0, false, 0.8, Some(&sentence.repeat(8)));
    told.describe(3.0, false, 0.8, Some(&"wordwithoutanybreak".repeat(12)));
    told.describe(3.5, false, 0.8, None);
    told.event(Kind::End, 0.8, 4.0, Some(EVIL));
    let text = format!("# {EVIL}\n[[camera]]\nid = \"door\" # {}\n", "x".repeat(300));
    let mut run = told.finish(EVIL, EVIL, text, 5.0);
    let visit = Visit { from: 0.5, to: 4.0, who: EVIL.into(), delay: Some(0.5), events: 2, merged: false };
    run.truth = Some(Truth { visits: vec![visit], invented: vec![] });
    run.rules = judged(true);
    run.rules.iter_mut().filter(|verdict| !verdict.ask.is_empty()).for_each(|verdict| verdict.ask = EVIL.into());
    run
}

/// A day at five frames per second with somebody every two minutes.
pub(super) fn long() -> Run {
    let mut told = Told::new();
    for n in 0..24 * 3600 * 5_u32 {
        let second = f64::from(n) * 0.2;
        let within = n % 600;
        let from = second - f64::from(within) * 0.2;
        match within {
            2 => told.describe(second, true, from, Some("A person walks by.")),
            0..40 => told.see(second, 0.08, Outcome::Budget),
            40 => {
                told.see(second, 0.001, Outcome::NoMotion);
                told.event(Kind::End, from, second, Some("A person walks by."));
            }
            _ => told.see(second, 0.0004, Outcome::NoMotion),
        }
    }
    told.finish("day.mp4", "door.toml", config(0.5), 86_400.0)
}
