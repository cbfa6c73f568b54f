//! Hears a pipeline that plays a clip: prints and writes its events, and counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::bar::Bar;
use super::figures::second;
use super::record::Sentences;
use super::table::clip_time;
use super::truth::Seen;
use crate::cli::failure::Failure;
use crate::cli::lines::Line;
use crate::event::{Event, Kind};
use crate::frame::Frame;
use crate::gate::{Candidate, Motion, Outcome, Settled};
use crate::ids::CameraId;
use crate::pipeline::Audience;
use crate::vlm::Answer;

/// Where events go as lines of JSON.
pub(super) struct EventFile(Mutex<Box<dyn Write + Send>>);

impl EventFile {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        if Self::is_stdout(Some(path)) {
            return Ok(Self(Mutex::new(Box::new(io::stdout()))));
        }
        let file = File::create(path).map_err(|error| Failure::running(&format!("`{}`", path.display()), &error))?;
        Ok(Self(Mutex::new(Box::new(BufWriter::new(file)))))
    }

    pub(super) fn is_stdout(path: Option<&Path>) -> bool {
        path == Some(Path::new("-"))
    }

    fn write(&self, event: &Event) -> io::Result<()> {
        writeln!(self.0.lock().unwrap_or_else(PoisonError::into_inner), "{}", event.to_json())
    }

    /// All of it is written.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        let flushed = self.0.lock().unwrap_or_else(PoisonError::into_inner).flush();
        flushed.map_err(|error| Failure::running("the events", &error))
    }
}

pub(super) struct Ear {
    start: Timestamp,
    bar: Arc<Bar>,
    lines: bool,
    file: Option<Arc<EventFile>>,
    heard: Mutex<Heard>,
}

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) observed: u64,
    pub(super) settled: u64,
    pub(super) outcomes: BTreeMap<Outcome, u64>,
    /// One per event.
    pub(super) events: Vec<Seen>,
    /// Second of the latest frame.
    pub(super) latest: f64,
    /// At which second the event with this begin was passed on.
    announced: BTreeMap<Timestamp, f64>,
    /// What asking back about sentences came to.
    pub(super) sentences: Sentences,
    /// Why events could not be printed or written.
    pub(super) error: Option<io::Error>,
}

impl Ear {
    pub(super) fn new(start: Timestamp, bar: Arc<Bar>, lines: bool, file: Option<Arc<EventFile>>) -> Self {
        Self { start, bar, lines, file, heard: Mutex::default() }
    }

    /// What was heard, once the pipeline has ended.
    pub(super) fn finish(&self) -> Heard {
        std::mem::take(&mut self.heard())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        // What was heard before a panic elsewhere is still true.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass_on(&self, event: &Event) -> io::Result<()> {
        if let Some(file) = &self.file {
            file.write(event)?;
        }
        if self.lines {
            let at = clip_time(second(event.at, self.start));
            self.bar.data(&Line::of_event(event).show_at(&at))?;
        }
        Ok(())
    }
}

impl Heard {
    fn tell(&mut self, event: &Event, start: Timestamp) {
        let at = second(event.at, start);
        if event.kind == Kind::Start {
            let started = second(event.started_at, start);
            let announced = self.announced.get(&event.started_at).copied().unwrap_or(at);
            self.events.push(Seen { id: event.id.to_string(), started, announced, ended: at });
        }
        if let Some(last) = self.events.last_mut() {
            last.ended = event.ended_at.map_or(last.ended.max(at), |ended| second(ended, start));
        }
    }
}

impl Audience for Ear {
    fn event(&self, event: &Event) {
        let passed = self.pass_on(event);
        let mut heard = self.heard();
        heard.tell(event, self.start);
        if let Err(error) = passed {
            heard.error.get_or_insert(error);
        }
    }

    fn observed(&self, _camera: &CameraId, frame: &Frame, _motion: &Motion) {
        let at = second(frame.at.wall, self.start);
        self.bar.at(at);
        let mut heard = self.heard();
        heard.observed += 1;
        heard.latest = heard.latest.max(at);
    }

    fn chosen(&self, _camera: &CameraId, candidate: &Candidate, start: bool) {
        let mut heard = self.heard();
        if start {
            let latest = heard.latest;
            heard.announced.insert(candidate.started_at.wall, latest);
        }
    }

    fn settled(&self, _camera: &CameraId, settled: &Settled) {
        let mut heard = self.heard();
        heard.settled += 1;
        *heard.outcomes.entry(settled.outcome).or_default() += 1;
    }

    fn answered(&self, _camera: &CameraId, answer: &Answer) {
        self.heard().sentences.hear(answer);
    }

    fn dropped(&self, _camera: &CameraId, outcome: Outcome, frames: u64) {
        *self.heard().outcomes.entry(outcome).or_default() += frames;
    }
}
