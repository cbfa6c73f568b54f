//! Plays one clip: starts the pipeline, waits for its end or for Ctrl-C, and gathers what was heard.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::bar::Bar;
use super::ear::{Ear, EventFile};
use super::figures::{Figures, Played};
use super::record::{About, Recorder};
use super::ruled::Judge;
use super::{Models, Setup, file_name};
use crate::cli::failure::Failure;
use crate::cli::spans::Spans;
use crate::clock::Clock;
use crate::config::Config;
use crate::event::Event;
use crate::gate::{Outcome, Settled};
use crate::ids::CameraId;
use crate::journal::{Coalescer, Record};
use crate::pipeline::{Audience, Pipeline};
use crate::service::StopSignals;
use crate::source;
use crate::telemetry::Metrics;
use crate::vlm::Model;

/// What all clips are played with.
pub(super) struct Player {
    /// Its clips begin at `start`.
    pub(super) clock: Clock,
    pub(super) start: Timestamp,
    pub(super) bar: Arc<Bar>,
    pub(super) signals: StopSignals,
}

/// What is wanted of a clip.
pub(super) struct Wanted {
    /// Its events as lines on stdout.
    pub(super) lines: bool,
    pub(super) events: Option<Arc<EventFile>>,
    /// All that the report shows.
    pub(super) record: bool,
    /// By rule, when its answer is yes.
    pub(super) rules: BTreeMap<String, Spans>,
}

impl Player {
    pub(super) async fn play(
        &mut self,
        clip: &Path,
        setup: &Setup,
        model: &Arc<Model>,
        wanted: Wanted,
    ) -> Result<Played, Failure> {
        let config = setup.for_clip(clip);
        let camera = config.cameras[0].source.camera.clone();
        let length = length(clip).await;
        if let Some(length) = length {
            self.bar.lasts(length);
        }
        let ear = Arc::new(Ear::new(self.start, self.bar.clone(), wanted.lines, wanted.events));
        let masks = config.cameras[0].gate.masks.clone();
        let judge = Arc::new(Judge::new(
            camera.clone(),
            self.start,
            wanted.rules,
            &config.cameras[0].rules,
            masks.clone(),
            wanted.record,
        ));
        let recorder = wanted.record.then(|| Arc::new(Recorder::new(camera.clone(), masks)));
        let mut audience: Vec<Arc<dyn Audience>> = vec![ear.clone(), judge.clone()];
        audience.extend(recorder.iter().map(|recorder| Arc::clone(recorder) as Arc<dyn Audience>));

        let metrics = Arc::new(Metrics::new());
        let began = self.clock.now();
        let ended = self.run(&config, clip, model, metrics.clone(), audience).await;
        let took = self.clock.now().since(began);

        let heard = ear.finish();
        if let Some(error) = heard.error {
            return Err(Failure::running("the events", &error));
        }
        let rules = judge.finish();
        let about = About {
            clip: file_name(clip),
            camera: camera.to_string(),
            config: setup.name.clone(),
            config_text: setup.text.clone(),
            model: model.label().to_owned(),
            length,
            took,
        };
        Ok(Played {
            clip: about.clip.clone(),
            config: setup.name.clone(),
            camera: about.camera.clone(),
            model: about.model.clone(),
            figures: Figures {
                observed: heard.observed,
                settled: heard.settled,
                outcomes: heard.outcomes.into_iter().collect(),
                events: metrics.events_of(camera.as_str(), "start"),
                length: heard.latest,
                took: took.as_secs_f64(),
                model_seconds: metrics.model_time().as_secs_f64(),
            },
            events: heard.events,
            verdict: None,
            sentences: heard.sentences,
            run: recorder.map(|recorder| {
                let mut run = recorder.finish(about);
                run.rules.clone_from(&rules);
                run
            }),
            rules,
            problem: ended.problem.map(|why| match heard.observed {
                0 => format!("`{}` gave no frame: {why}", clip.display()),
                _ => format!("`{}` could not be played to its end: {why}", clip.display()),
            }),
            stopped: ended.stopped,
        })
    }

    async fn run(
        &mut self,
        config: &Config,
        clip: &Path,
        model: &Arc<Model>,
        metrics: Arc<Metrics>,
        audience: Vec<Arc<dyn Audience>>,
    ) -> Ended {
        let seed = seed(&file_name(clip));
        let mut pipeline = Pipeline::replay(config, model.clone(), seed, metrics, self.clock, Arc::new(audience));
        let health = pipeline.cameras()[0].1.clone();
        let over = tokio::select! {
            () = pipeline.ended() => true,
            _ = self.signals.next() => false,
        };
        if !over {
            // A second signal leaves the rest of it behind.
            tokio::select! {
                _ = pipeline.stop() => {}
                _ = self.signals.next() => {}
            }
            return Ended { problem: None, stopped: true };
        }
        let health = health.borrow();
        Ended { problem: (health.failures > 0).then(|| health.reason.clone()), stopped: false }
    }
}

async fn length(clip: &Path) -> Option<Duration> {
    let clip = clip.to_owned();
    tokio::task::spawn_blocking(move || source::length(&clip)).await.ok().flatten()
}

struct Ended {
    problem: Option<String>,
    stopped: bool,
}

/// The same clip gets the same ids, whatever is played before it (FNV-1a over its name).
fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The decisions about one clip, as the journal of a camera would have them.
pub(in crate::cli) async fn records(clip: &Path, setup: &Setup, clock: Clock) -> Result<Vec<Record>, Failure> {
    let start = Timestamp::UNIX_EPOCH;
    let signals = StopSignals::new().map_err(|error| Failure::running("signals", &error))?;
    let models = Models::load(std::slice::from_ref(setup), clock).await?;
    let mut player = Player { clock: clock.with_clips_from(start), start, bar: Arc::new(Bar::new()), signals };
    let kept = Arc::new(Kept::default());
    let config = setup.for_clip(clip);
    player.bar.begin(&file_name(clip), 1, 1);
    let ended = player.run(&config, clip, models.of(setup), Arc::new(Metrics::new()), vec![kept.clone()]).await;
    player.bar.end();
    let records = kept.finish();
    match ended {
        Ended { problem: Some(why), .. } if records.is_empty() => {
            Err(Failure::failed(format!("`{}` gave no frame: {why}", clip.display())))
        }
        Ended { stopped: true, .. } => Err(Failure::failed("stopped before the clip was at its end")),
        _ => Ok(records),
    }
}

/// The journal's records, in memory.
struct Kept(Mutex<(Coalescer, Vec<Record>)>);

impl Default for Kept {
    fn default() -> Self {
        Self(Mutex::new((Coalescer::new(Duration::MAX), Vec::new())))
    }
}

impl Kept {
    fn with(&self, tell: impl FnOnce(&mut Coalescer) -> Option<Record>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let record = tell(&mut kept.0);
        kept.1.extend(record);
    }

    fn finish(&self) -> Vec<Record> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = kept.0.finish();
        kept.1.extend(rest);
        let mut records = std::mem::take(&mut kept.1);
        records.sort_by_key(Record::from);
        records
    }
}

impl Audience for Kept {
    fn event(&self, event: &Event) {
        self.with(|_| Some(Coalescer::event(event)));
    }

    fn settled(&self, camera: &CameraId, settled: &Settled) {
        self.with(|coalescer| coalescer.settled(camera, settled));
    }

    fn dropped(&self, _camera: &CameraId, _outcome: Outcome, _frames: u64) {}
}
