//! From a frame to the broker's acknowledgement, through the pipeline as the daemon runs it: a test camera, the gate, the
//! model, the outbox, and a mosquitto on this machine.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::plan::Combination;
use crate::cli::broker::Broker;
use crate::cli::failure::chain;
use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::event::{Event, Source};
use crate::gate::Candidate;
use crate::ids::CameraId;
use crate::measure::{Spread, StageTimes};
use crate::mqtt::ConnectionState;
use crate::outbox::Outbox;
use crate::pipeline::{Audience, Pipeline};
use crate::source;
use crate::telemetry::Metrics;
use crate::vlm::{Answer, Model};

/// What is watched.
pub(super) const CAMERA: &str = "a 640x480 test camera";
/// For the broker to be reached.
const CONNECT: Duration = Duration::from_secs(10);
/// The first messages are not counted.
const WARM_UP: usize = 2;
/// Messages that are counted, at most: they come one after the other, in real time.
const MOST: usize = 20;
/// Between two descriptions at least so long, and at least twice as long as one takes: none shall wait for the one before.
const APART: Duration = Duration::from_millis(300);

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct FrameToBroker {
    /// Of the model, such as "int8@cpu, 2 threads".
    pub(super) name: String,
    /// Messages with words from the model.
    pub(super) events: usize,
    pub(super) stages: Vec<StageTimes>,
}

/// Watches the test camera until so many messages, or as many as come in time, were acknowledged. `took` is what one
/// description takes, `name` what the model is called.
///
/// # Errors
/// Why it cannot be measured, in words.
pub(super) async fn measure(
    combination: &Combination,
    name: String,
    rounds: usize,
    took: Duration,
    clock: Clock,
) -> Result<FrameToBroker, String> {
    source::init().map_err(|error| chain(&error))?;
    let broker = Broker::start().await.map_err(|error| chain(&error))?;
    let folder = tempfile::tempdir().map_err(|error| chain(&error))?;
    let apart = APART.max(took * 2);
    let config = config(combination, broker.port, folder.path(), apart)?;
    let settings = combination.settings.clone();
    let model = tokio::task::spawn_blocking(move || Model::start(settings, clock)).await.map_err(|e| chain(&e))?;
    let model = Arc::new(model.map_err(|error| chain(&error))?);
    let ear = Arc::new(Ear { clock, heard: Mutex::default() });
    let outbox = Outbox::new(&config.outbox, clock);
    let pipeline = Pipeline::start(&config, model.clone(), outbox, Arc::new(Metrics::new()), clock, ear.clone());
    let wanted = rounds.min(MOST);
    let heard = listen(&pipeline, &ear, wanted + WARM_UP, apart).await;
    pipeline.stop().await;
    // The model's thread is waited for, so not here.
    let dropped = tokio::task::spawn_blocking(move || drop(model)).await;
    dropped.map_err(|error| chain(&error))?;
    heard?;
    let readings = ear.readings();
    let counted = readings.get(WARM_UP..).unwrap_or_default();
    if counted.is_empty() {
        return Err("the test camera gave no event in time".into());
    }
    Ok(FrameToBroker { name, events: counted.len(), stages: Reading::sum_up(counted) })
}

/// The daemon's config for it goes the way of every config.
fn config(combination: &Combination, port: u16, folder: &std::path::Path, apart: Duration) -> Result<Config, String> {
    let quoted =
        |path: &std::path::Path| serde_json::Value::from(path.to_string_lossy().replace("${", "$${")).to_string();
    let (set, outbox) = (quoted(&combination.settings.path), quoted(&folder.join("outbox")));
    let apart = apart.as_millis();
    let text = format!(
        "node = \"bench\"\n[model]\npath = {set}\nbudget = \"1000/s\"\ndeadline = \"600s\"\n\
         [outbox]\npath = {outbox}\n[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\n\
         [[camera]]\nid = \"test\"\nurl = \"test://ball\"\nfps = 25\n\
         [camera.gate]\nmin_interval = \"{apart}ms\"\nrefresh = \"{apart}ms\"\nreuse_for = \"0s\"\nbudget = \"1000/s\"\n"
    );
    let loaded = Config::parse("the test camera", &text, &|_| None);
    loaded.map(|loaded| loaded.config).map_err(|error| error.render(false, super::columns::WIDTH))
}

/// Until so many readings are complete, or time is up.
async fn listen(pipeline: &Pipeline, ear: &Ear, wanted: usize, apart: Duration) -> Result<(), String> {
    let mut connection = pipeline.connection().ok_or("there is no broker")?;
    let connected = timeout(CONNECT, connection.wait_for(|c| c.state == ConnectionState::Connected)).await;
    if !connected.is_ok_and(|heard| heard.is_ok()) {
        let reason = connection.borrow().reason.clone();
        return Err(format!("the broker was not reached: {reason}"));
    }
    ear.heard().connected = Some(ear.clock.now());
    let mut acknowledged = pipeline.outbox().acknowledged();
    let all = async {
        while acknowledged.changed().await.is_ok() {
            let known = *acknowledged.borrow_and_update();
            ear.acknowledged(known.rows, known.at);
            if ear.readings().len() >= wanted {
                return;
            }
        }
    };
    // Twice the time that it should take, and some for the first event. With fewer readings it goes on, too.
    let patience = Duration::from_secs(20) + apart * 2 * u32::try_from(wanted).unwrap_or(u32::MAX);
    drop(timeout(patience, all).await);
    Ok(())
}

/// The times of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    /// The frame's.
    taken: Moment,
    /// The gate passed it on.
    chosen: Moment,
    /// The model's answer was there.
    answered: Moment,
    /// The broker had all of the event's messages.
    acknowledged: Moment,
}

/// A part of the way.
type Part = fn(&Reading) -> Duration;

impl Reading {
    fn sum_up(readings: &[Self]) -> Vec<StageTimes> {
        let parts: [(&str, Part); 4] = [
            ("frame to gate's word", |r| r.chosen.since(r.taken)),
            ("gate's word to description", |r| r.answered.since(r.chosen)),
            ("publish, to acknowledgement", |r| r.acknowledged.since(r.answered)),
            ("frame to acknowledgement", |r| r.acknowledged.since(r.taken)),
        ];
        let times = |(stage, of): (&str, Part)| {
            let ms = Spread::of(readings.iter().map(|reading| of(reading).as_secs_f64() * 1000.0))?;
            Some(StageTimes { stage: stage.to_owned(), ms: ms.rounded() })
        };
        parts.into_iter().filter_map(times).collect()
    }
}

/// Hears what becomes of the test camera's frames.
struct Ear {
    clock: Clock,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    /// Since then the broker takes what comes.
    connected: Option<Moment>,
    /// What the gate passed on and no event has told of yet: capture times, and when it was passed on.
    chosen: Vec<(Moment, Moment)>,
    answered: Option<Moment>,
    /// One per message in the outbox's order; `None`: without words of the model, or from before the connection.
    messages: Vec<Option<Message>>,
    /// When the broker had them, in the same order. May be ahead of `messages` for a moment.
    acknowledged: Vec<Moment>,
}

#[derive(Debug, Clone, Copy)]
struct Message {
    taken: Moment,
    chosen: Moment,
    answered: Moment,
}

impl Ear {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The broker has the first `rows` messages.
    fn acknowledged(&self, rows: u64, at: Moment) {
        let known = &mut self.heard().acknowledged;
        known.extend((known.len() as u64..rows).map(|_| at));
    }

    fn readings(&self) -> Vec<Reading> {
        let complete = |(message, &acknowledged): (&Option<Message>, &Moment)| {
            let Message { taken, chosen, answered } = (*message)?;
            Some(Reading { taken, chosen, answered, acknowledged })
        };
        let heard = self.heard();
        heard.messages.iter().zip(&heard.acknowledged).filter_map(complete).collect()
    }
}

impl Heard {
    fn tell(&mut self, event: &Event) -> Option<Message> {
        let answered = self.answered.take()?;
        let (taken, chosen) = self.take(event.at)?;
        let timely = self.connected.is_some_and(|connected| connected <= chosen);
        (event.source == Source::Model && timely).then_some(Message { taken, chosen, answered })
    }

    /// The frame that was taken then; what was passed on before it came to nothing.
    fn take(&mut self, at: Timestamp) -> Option<(Moment, Moment)> {
        let found = self.chosen.iter().position(|(taken, _)| taken.wall == at)?;
        self.chosen.drain(..=found).next_back()
    }
}

impl Audience for Ear {
    fn chosen(&self, _camera: &CameraId, candidate: &Candidate, start: bool) {
        let now = self.clock.now();
        // Before an event starts, its best frame is chosen for up to 0.9 s: that is no delay of the machine's.
        if !start {
            self.heard().chosen.push((candidate.frame.at, now));
        }
    }

    fn answered(&self, _camera: &CameraId, _answer: &Answer) {
        self.heard().answered = Some(self.clock.now());
    }

    fn event(&self, event: &Event) {
        let mut heard = self.heard();
        let message = heard.tell(event);
        heard.messages.push(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        let wall = Timestamp::from_millisecond(ms as i64).expect("a small number");
        Moment { mono: Duration::from_millis(ms), wall }
    }

    #[test]
    fn a_message_is_about_the_frame_of_its_time() {
        let mut heard = Heard { connected: Some(at(5)), ..Heard::default() };
        heard.chosen = vec![(at(10), at(11)), (at(20), at(22)), (at(30), at(31))];
        assert_eq!(heard.take(at(20).wall), Some((at(20), at(22))));
        assert_eq!(heard.take(at(10).wall), None, "it was passed over");
        assert_eq!(heard.take(at(30).wall), Some((at(30), at(31))));
    }

    #[test]
    fn acknowledgements_belong_to_messages_in_order() {
        let message = |ms| Some(Message { taken: at(ms), chosen: at(ms + 1), answered: at(ms + 50) });
        let ear = Ear { clock: Clock::system(), heard: Mutex::default() };
        ear.heard().messages = vec![None, message(100), message(200)];
        ear.acknowledged(2, at(151));
        ear.acknowledged(2, at(900));
        assert_eq!(ear.readings().len(), 1);
        ear.acknowledged(4, at(252));
        let readings = ear.readings();
        assert_eq!([readings[0].acknowledged, readings[1].acknowledged], [at(151), at(252)]);
        let summed = Reading::sum_up(&readings);
        let medians: Vec<_> = summed.iter().map(|times| times.ms.median).collect();
        assert_eq!(medians, [1.0, 49.0, 1.5, 51.5]);
    }

    #[test]
    fn its_config_is_a_good_one() {
        let settings = crate::cli::describe::model_settings(None, 1).unwrap();
        let combination = Combination { settings, name: "int8 with 1 thread".into() };
        let config = config(&combination, 1883, std::path::Path::new("/nowhere"), Duration::from_millis(300)).unwrap();
        assert_eq!(config.cameras[0].gate.refresh, Duration::from_millis(300));
        assert_eq!(config.mqtt.unwrap().port, 1883);
    }
}
