//! What a run over one clip was, as its audience heard it: kept in bounded memory, for the report. No page and no file
//! belongs here.

mod looks;
mod pictures;
mod sentences;
mod truth;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

pub(super) use self::looks::Look;
use self::looks::Looks;
use self::pictures::Pictures;
pub(super) use self::pictures::{MOST_PICTURES, Picture, RuleSaid};
pub(super) use self::sentences::Sentences;
pub(super) use self::truth::{Truth, Visit};
use super::ruled::RuleVerdict;
use crate::clock::Moment;
use crate::config;
use crate::event::{Cause, Event, Kind};
use crate::frame::Frame;
use crate::gate::{Candidate, Motion, Outcome, Settled};
use crate::ids::{CameraId, EventId};
use crate::pipeline::Audience;
use crate::units::Polygon;
use crate::vlm::Answer;

/// Events that are kept one by one; further ones are counted.
const MOST_EVENTS: usize = 10_000;

/// What is known about a run beside what was heard of it.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    /// The clip as it is called on the page: its file name.
    pub(super) clip: String,
    pub(super) camera: String,
    /// What the config is called: its file name, or "the defaults".
    pub(super) config: String,
    /// The config as it was typed; its secrets are taken out before it is kept.
    pub(super) config_text: String,
    /// `set/precision@provider`
    pub(super) model: String,
    /// How long the clip lasts, where that is known; else until its last frame.
    pub(super) length: Option<Duration>,
    /// How long the run took.
    pub(super) took: Duration,
}

/// One run over one clip. Times are seconds of the clip.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    pub(super) about: About,
    pub(super) length: f64,
    /// In order of time.
    pub(super) looks: Vec<Look>,
    /// `Some`: the run was so long that frames that ended alike within so many seconds are one look.
    pub(super) grain: Option<f64>,
    pub(super) pictures: Vec<Picture>,
    /// Messages with a picture that there was no room for.
    pub(super) pictures_left_out: u64,
    pub(super) events: Vec<Stretch>,
    pub(super) events_left_out: u64,
    counts: [u64; Outcome::ALL.len()],
    /// What the model worked, without waiting.
    pub(super) model_time: Duration,
    pub(super) answers: u64,
    /// What asking back about sentences came to.
    pub(super) sentences: Sentences,
    /// What really happened, where somebody wrote it down.
    pub(super) truth: Option<Truth>,
    /// The rules of which somebody wrote down what is right.
    pub(super) rules: Vec<RuleVerdict>,
}

impl Run {
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        Outcome::ALL.iter().zip(self.counts).find(|(o, _)| **o == outcome).map_or(0, |(_, n)| n)
    }

    /// Everything that the source delivered or skipped: the sum of all outcomes.
    pub(super) fn frames(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn events(&self) -> u64 {
        self.events.len() as u64 + self.events_left_out
    }

    /// Frames that were turned into pixels.
    pub(super) fn decoded(&self) -> u64 {
        self.frames() - self.count(Outcome::DecodeSkipped)
    }

    /// Described frames of the decoded ones, 0 to 1.
    pub(super) fn share_described(&self) -> f64 {
        self.count(Outcome::Described) as f64 / self.decoded().max(1) as f64
    }

    /// Seconds of model per hour of footage.
    pub(super) fn per_hour(&self) -> f64 {
        if self.length > 0.0 { self.model_time.as_secs_f64() / self.length * 3600.0 } else { 0.0 }
    }

    /// Adds the numbers of another run, and its truth; looks and pictures stay with their run.
    pub(super) fn add(&mut self, other: &Self) {
        self.length += other.length;
        self.about.took += other.about.took;
        self.events_left_out += other.events();
        self.model_time += other.model_time;
        self.answers += other.answers;
        self.sentences.add(other.sentences);
        for (mine, others) in self.counts.iter_mut().zip(other.counts) {
            *mine += others;
        }
        if let Some(truth) = &other.truth {
            let mine = self.truth.get_or_insert_default();
            mine.visits.extend_from_slice(&truth.visits);
            mine.invented.extend_from_slice(&truth.invented);
        }
    }
}

/// One event from its start to its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stretch {
    pub(super) id: EventId,
    pub(super) from: f64,
    /// `None`: it never ended.
    pub(super) to: Option<f64>,
    pub(super) cause: Cause,
    /// The last that was said of it.
    pub(super) words: Option<String>,
}

/// Hears one camera of a pipeline and keeps what the report shows. What other cameras say is passed over.
#[derive(Debug)]
pub(super) struct Recorder {
    camera: CameraId,
    /// Thumbnails do not show what the model does not see.
    masks: Vec<Polygon>,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    /// The moment of the clip's second 0.
    zero: Option<Moment>,
    /// Seconds of the last frame.
    last: f64,
    looks: Looks,
    pictures: Pictures,
    events: Vec<Stretch>,
    events_left_out: u64,
    counts: [u64; Outcome::ALL.len()],
    model_time: Duration,
    answers: u64,
    sentences: Sentences,
}

impl Recorder {
    pub(super) fn new(camera: CameraId, masks: Vec<Polygon>) -> Self {
        Self { camera, masks, heard: Mutex::default() }
    }

    /// The run, once the pipeline has ended. What is heard afterwards belongs to another run.
    pub(super) fn finish(&self, about: About) -> Run {
        let heard = std::mem::take(&mut *self.heard());
        let about = About { config_text: config::redact(&about.config_text), ..about };
        let length = about.length.map_or(heard.last, |length| length.as_secs_f64());
        let (pictures, pictures_left_out) = heard.pictures.into_parts();
        let (looks, grain) = heard.looks.into_parts();
        Run {
            about,
            length: length.max(heard.last),
            looks,
            grain,
            pictures,
            pictures_left_out,
            events: heard.events,
            events_left_out: heard.events_left_out,
            counts: heard.counts,
            model_time: heard.model_time,
            answers: heard.answers,
            sentences: heard.sentences,
            truth: None,
            rules: Vec::new(),
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        // What was heard before a panic elsewhere is still true.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn seconds(&mut self, at: Moment) -> f64 {
        let zero = *self.zero.get_or_insert(at);
        at.since(zero).as_secs_f64() - zero.since(at).as_secs_f64()
    }

    fn wall_seconds(&self, at: Timestamp) -> f64 {
        self.zero.map_or(0.0, |zero| at.duration_since(zero.wall).as_secs_f64())
    }

    fn count(&mut self, outcome: Outcome, frames: u64) {
        if let Some(place) = Outcome::ALL.iter().position(|o| *o == outcome) {
            self.counts[place] += frames;
        }
    }

    fn begin(&mut self, event: &Event) {
        if self.events.len() >= MOST_EVENTS {
            self.events_left_out += 1;
            return;
        }
        let from = self.wall_seconds(event.started_at);
        let words = event.description.clone();
        self.events.push(Stretch { id: event.id, from, to: None, cause: event.cause, words });
    }

    fn go_on(&mut self, event: &Event) {
        let ended = event.ended_at.map(|at| self.wall_seconds(at));
        // It is among the last: one camera has one event at a time.
        if let Some(stretch) = self.events.iter_mut().rev().take(4).find(|stretch| stretch.id == event.id) {
            stretch.to = ended;
            stretch.words = event.description.clone().or(stretch.words.take());
        }
    }
}

impl Audience for Recorder {
    fn observed(&self, camera: &CameraId, frame: &Frame, motion: &Motion) {
        if *camera != self.camera {
            return;
        }
        let mut heard = self.heard();
        if heard.zero.is_none() {
            // The clip's second 0 may lie before its first frame.
            let pts = frame.pts.unwrap_or_default().min(frame.at.mono);
            let wall = frame.at.wall.checked_sub(pts).unwrap_or(frame.at.wall);
            heard.zero = Some(Moment { mono: frame.at.mono - pts, wall });
        }
        let at = heard.seconds(frame.at);
        heard.last = heard.last.max(at);
        heard.looks.observed(frame.seq, at, motion);
    }

    fn chosen(&self, camera: &CameraId, candidate: &Candidate, start: bool) {
        if *camera == self.camera {
            let mut heard = self.heard();
            let at = heard.seconds(candidate.frame.at);
            heard.pictures.chosen(candidate, at, start, &self.masks);
        }
    }

    fn settled(&self, camera: &CameraId, settled: &Settled) {
        if *camera == self.camera {
            let mut heard = self.heard();
            let at = heard.seconds(settled.at);
            heard.count(settled.outcome, 1);
            heard.looks.settled(settled, at);
        }
    }

    fn dropped(&self, camera: &CameraId, outcome: Outcome, frames: u64) {
        if *camera == self.camera {
            self.heard().count(outcome, frames);
        }
    }

    fn answered(&self, camera: &CameraId, answer: &Answer) {
        if *camera == self.camera {
            let mut heard = self.heard();
            heard.model_time += answer.timing.total.saturating_sub(answer.timing.wait);
            heard.answers += 1;
            heard.sentences.hear(answer);
            heard.pictures.answered(answer);
        }
    }

    fn event(&self, event: &Event) {
        if event.camera != self.camera {
            return;
        }
        let mut heard = self.heard();
        match event.kind {
            Kind::Start => heard.begin(event),
            Kind::Update | Kind::End => heard.go_on(event),
        }
        if event.kind != Kind::End {
            let at = heard.wall_seconds(event.at);
            heard.pictures.told(event, at);
        }
    }
}

#[cfg(test)]
mod tests;
