//! The last stretch: events from the outbox to the broker, or, without one, out of the way.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument, info_span};

use super::Shared;
use super::progress::BEAT;
use crate::clock::{Moment, rfc3339};
use crate::event::Kind;
use crate::gate::Outcome;
use crate::ids::CameraId;
use crate::mqtt::{self, Connection, ConnectionState};
use crate::outbox::{Outbox, Stats};
use crate::telemetry::Metrics;

/// The running delivery.
pub(super) struct Delivery {
    /// Dropped, it tells the task to end.
    cancel: DropGuard,
    task: JoinHandle<()>,
}

impl Delivery {
    /// Flushes within its bound, says good-bye, ends.
    pub(super) async fn stop(self) {
        drop(self.cancel);
        super::joined("delivery", self.task.await);
    }
}

/// Starts delivery to `broker`; with one, how the connection is can be watched. Without one, events were logged or printed
/// already and are let go.
pub(super) fn start(
    broker: Option<mqtt::Settings>,
    cameras: watch::Receiver<mqtt::Cameras>,
    shared: &Shared,
) -> (Option<watch::Receiver<Connection>>, Delivery) {
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let Some(settings) = broker else {
        let outbox = shared.outbox.clone();
        let task = tokio::spawn(async move { let_go(&outbox, &stop).await });
        return (None, Delivery { cancel: cancel.drop_guard(), task });
    };
    let (connection_in, connection) = watch::channel(Connection::starting(shared.clock.now().wall));
    let inputs = mqtt::Inputs {
        version: env!("CARGO_PKG_VERSION"),
        outbox: shared.outbox.clone(),
        stats: stats(cameras.clone(), shared),
        cameras,
        rules: shared.rules.subscribe(),
        snapshots: shared.snapshots.subscribe(),
        desk: shared.desk.clone(),
        connection: connection_in,
        clock: shared.clock,
    };
    let clock = shared.clock;
    let part = shared.progress.part("delivery", clock.now());
    let (outbox, seen) = (shared.outbox.clone(), connection.clone());
    let mut wedge = Wedge::new(settings.keep_alive, clock.now());
    let work = async move {
        let delivery = mqtt::run(settings, inputs, stop);
        tokio::pin!(delivery);
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut delivery => break,
                _ = beat.tick() => {
                    let (now, connected) = (clock.now(), seen.borrow().state == ConnectionState::Connected);
                    if wedge.moves(&outbox.stats(), connected, now) {
                        part.beat(now);
                    }
                }
            }
        }
    };
    (
        Some(connection),
        Delivery { cancel: cancel.drop_guard(), task: tokio::spawn(work.instrument(info_span!("mqtt"))) },
    )
}

/// Whether delivery gets anywhere. A session gives up a broker that acknowledges nothing; this is about the session.
struct Wedge {
    /// With events waiting and a broker connected, something must happen within this time.
    patience: Duration,
    gone: u64,
    moved: Moment,
}

impl Wedge {
    fn new(keep_alive: Duration, now: Moment) -> Self {
        Self { patience: keep_alive * 4 + Duration::from_secs(120), gone: 0, moved: now }
    }

    fn moves(&mut self, stats: &Stats, connected: bool, now: Moment) -> bool {
        let gone = stats.acked_total + stats.evicted_total + stats.refused_total + stats.unreadable_total;
        if gone != self.gone || stats.rows == 0 || !connected {
            (self.gone, self.moved) = (gone, now);
        }
        now.since(self.moved) < self.patience
    }
}

async fn let_go(outbox: &Outbox, stop: &CancellationToken) {
    loop {
        tokio::select! {
            offer = outbox.next() => {
                outbox.ack(offer.row);
            }
            () = stop.cancelled() => return,
        }
    }
}

/// The counters of all cameras as one JSON object, for `P/N/stats`.
fn stats(cameras: watch::Receiver<mqtt::Cameras>, shared: &Shared) -> Arc<dyn Fn() -> Value + Send + Sync> {
    let (metrics, outbox, clock) = (shared.metrics.clone(), shared.outbox.clone(), shared.clock);
    Arc::new(move || {
        let cameras: Map<_, _> =
            cameras.borrow().iter().map(|(camera, _)| (camera.to_string(), camera_stats(camera, &metrics))).collect();
        counters(clock.now().wall, &cameras, &outbox.stats(), metrics.model_time())
    })
}

fn counters(at: Timestamp, cameras: &Map<String, Value>, waiting: &Stats, model: Duration) -> Value {
    json!({
        "at": rfc3339(at),
        "cameras": cameras,
        "outbox": {"rows": waiting.rows, "bytes": waiting.bytes, "evicted": waiting.evicted_total},
        "model_seconds": (model.as_secs_f64() * 1000.0).round() / 1000.0,
    })
}

fn camera_stats(camera: &CameraId, metrics: &Metrics) -> Value {
    let frames: Map<_, _> = Outcome::ALL
        .into_iter()
        .map(|outcome| (outcome.name().to_owned(), metrics.frames_of(camera.as_str(), outcome.name()).into()))
        .collect();
    let events: Map<_, _> = [Kind::Start, Kind::Update, Kind::End]
        .into_iter()
        .map(|kind| (kind.name().to_owned(), metrics.events_of(camera.as_str(), kind.name()).into()))
        .collect();
    json!({"frames": frames, "events": events})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_delivery_with_work_and_a_broker_can_be_wedged() {
        let at = |s| Moment { mono: Duration::from_secs(s), wall: jiff::Timestamp::UNIX_EPOCH };
        let mut wedge = Wedge::new(Duration::from_secs(30), at(0));
        let waiting = Stats { rows: 2, ..Stats::default() };
        let one_gone = Stats { rows: 1, acked_total: 1, ..Stats::default() };
        assert!(wedge.moves(&waiting, true, at(239)));
        assert!(!wedge.moves(&waiting, true, at(240)));
        assert!(wedge.moves(&one_gone, true, at(241)));
        assert!(!wedge.moves(&one_gone, true, at(481)));
        assert!(wedge.moves(&one_gone, false, at(500)));
        assert!(wedge.moves(&Stats { acked_total: 2, ..Stats::default() }, true, at(900)));
        assert!(wedge.moves(&waiting, true, at(901)));
    }

    /// Every field is in the document that says what is on our topics, and none is missing. All other messages are held against
    /// it on a broker (`tests/schema.rs`); these come once a minute.
    #[test]
    fn the_counters_are_those_of_the_document() {
        let document: Value = serde_json::from_str(include_str!("../../docs/asyncapi.json")).unwrap();
        let mut schema = document["components"]["messages"]["stats"]["payload"].clone();
        for place in ["", "/properties/outbox", "/properties/cameras/additionalProperties"] {
            schema.pointer_mut(place).unwrap()["additionalProperties"] = false.into();
        }
        let metrics = Metrics::new();
        metrics.frame("door", Outcome::Described.name());
        let cameras = [("door".to_owned(), camera_stats(&CameraId::new("door").unwrap(), &metrics))];
        let said = counters(Timestamp::UNIX_EPOCH, &Map::from_iter(cameras), &Stats::default(), Duration::ZERO);
        let validator = jsonschema::draft7::new(&schema).unwrap();
        let wrong: Vec<_> = validator.iter_errors(&said).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{said}: {wrong:?}");
        assert!(!validator.is_valid(&json!({"at": said["at"], "cameras": {}, "outbox": {}, "model_seconds": 0})));
    }
}
