//! What is counted per camera.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CameraOutcome {
    camera: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CameraType {
    camera: String,
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CameraSource {
    camera: String,
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Camera {
    camera: String,
}

#[derive(Debug)]
pub(super) struct CameraNumbers {
    frames: Family<CameraOutcome, Counter>,
    events: Family<CameraType, Counter>,
    descriptions: Family<CameraSource, Counter>,
    questions: Family<CameraOutcome, Counter>,
    signals_dropped: Family<Camera, Counter>,
    snapshots_dropped: Family<Camera, Counter>,
    up: Family<Camera, Gauge>,
    reconnects: Family<Camera, Counter>,
    /// Every second label that was ever used (outcomes, types, sources: two dozen words): a family does not tell its
    /// labels, and a camera that is forgotten must lose them all.
    words: Mutex<BTreeSet<&'static str>>,
}

impl CameraNumbers {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let numbers = Self {
            frames: Family::default(),
            events: Family::default(),
            descriptions: Family::default(),
            questions: Family::default(),
            signals_dropped: Family::default(),
            snapshots_dropped: Family::default(),
            up: Family::default(),
            reconnects: Family::default(),
            words: Mutex::default(),
        };
        registry.register("frames", "Frames by what became of them", numbers.frames.clone());
        registry.register("events", "Event messages", numbers.events.clone());
        registry.register("descriptions", "Descriptions by where the words came from", numbers.descriptions.clone());
        registry.register("questions", "Questions from outside by what became of them", numbers.questions.clone());
        registry.register(
            "signals_dropped",
            "Messages of a gate that the analyst could not hold",
            numbers.signals_dropped.clone(),
        );
        registry.register(
            "snapshots_dropped",
            "Snapshots that a newer one overtook before they were made, or that could not be made",
            numbers.snapshots_dropped.clone(),
        );
        registry.register("camera_up", "1 while the camera delivers frames", numbers.up.clone());
        registry.register(
            "camera_reconnects",
            "How often a camera that was lost delivered again",
            numbers.reconnects.clone(),
        );
        numbers
    }

    /// Adds to a counter whose second label is `word`.
    fn add<L>(&self, family: &Family<L, Counter>, labels: &L, word: &'static str, count: u64)
    where
        L: Clone + Hash + Eq,
    {
        if let Some(counter) = family.get(labels) {
            counter.inc_by(count);
            return;
        }
        self.words.lock().unwrap_or_else(PoisonError::into_inner).insert(word);
        family.get_or_create(labels).inc_by(count);
    }
}

impl Metrics {
    pub fn frame(&self, camera: &str, outcome: &'static str) {
        self.frames_by(camera, outcome, 1);
    }

    pub fn frames_by(&self, camera: &str, outcome: &'static str, count: u64) {
        if count > 0 {
            let labels = CameraOutcome { camera: camera.to_owned(), outcome };
            self.cameras.add(&self.cameras.frames, &labels, outcome, count);
        }
    }

    /// Frames of one camera with one outcome so far.
    #[must_use]
    pub fn frames_of(&self, camera: &str, outcome: &'static str) -> u64 {
        let labels = CameraOutcome { camera: camera.to_owned(), outcome };
        self.cameras.frames.get(&labels).map_or(0, |counter| counter.get())
    }

    pub fn event(&self, camera: &str, kind: &'static str) {
        let labels = CameraType { camera: camera.to_owned(), r#type: kind };
        self.cameras.add(&self.cameras.events, &labels, kind, 1);
    }

    /// Event messages of one type of one camera so far.
    #[must_use]
    pub fn events_of(&self, camera: &str, kind: &'static str) -> u64 {
        let labels = CameraType { camera: camera.to_owned(), r#type: kind };
        self.cameras.events.get(&labels).map_or(0, |counter| counter.get())
    }

    pub fn description(&self, camera: &str, source: &'static str) {
        let labels = CameraSource { camera: camera.to_owned(), source };
        self.cameras.add(&self.cameras.descriptions, &labels, source, 1);
    }

    /// Descriptions of one camera from one source so far.
    #[must_use]
    pub fn descriptions_of(&self, camera: &str, source: &'static str) -> u64 {
        let labels = CameraSource { camera: camera.to_owned(), source };
        self.cameras.descriptions.get(&labels).map_or(0, |counter| counter.get())
    }

    /// A question from outside about this camera, empty for one that is not there, has ended so.
    pub fn question(&self, camera: &str, outcome: &'static str) {
        let labels = CameraOutcome { camera: camera.to_owned(), outcome };
        self.cameras.add(&self.cameras.questions, &labels, outcome, 1);
    }

    /// Questions about one camera with one outcome so far.
    #[must_use]
    pub fn questions_of(&self, camera: &str, outcome: &'static str) -> u64 {
        let labels = CameraOutcome { camera: camera.to_owned(), outcome };
        self.cameras.questions.get(&labels).map_or(0, |counter| counter.get())
    }

    pub fn signal_dropped(&self, camera: &str) {
        self.cameras.signals_dropped.get_or_create(&Camera { camera: camera.to_owned() }).inc();
    }

    pub fn snapshot_dropped(&self, camera: &str) {
        self.cameras.snapshots_dropped.get_or_create(&Camera { camera: camera.to_owned() }).inc();
    }

    /// Snapshots of one camera that were not made.
    #[must_use]
    pub fn snapshots_dropped_of(&self, camera: &str) -> u64 {
        let labels = Camera { camera: camera.to_owned() };
        self.cameras.snapshots_dropped.get(&labels).map_or(0, |counter| counter.get())
    }

    /// Whether the camera delivers. Said once when it is started, it makes the camera's series known before anything
    /// has happened, so that their rates are right from the first.
    pub fn camera_up(&self, camera: &str, up: bool) {
        let labels = Camera { camera: camera.to_owned() };
        self.cameras.up.get_or_create(&labels).set(i64::from(up));
        drop(self.cameras.reconnects.get_or_create(&labels));
    }

    /// A camera that had delivered, and was lost, delivers again.
    pub fn camera_reconnected(&self, camera: &str) {
        self.cameras.reconnects.get_or_create(&Camera { camera: camera.to_owned() }).inc();
    }

    /// Removes every series of a camera that is no longer in the config. Whoever still counts on it makes it known
    /// again, so its parts must have ended.
    pub fn forget_camera(&self, camera: &str) {
        self.forget_rules_of(camera);
        let own = || camera.to_owned();
        let of = &self.cameras;
        for word in of.words.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            of.frames.remove(&CameraOutcome { camera: own(), outcome: word });
            of.questions.remove(&CameraOutcome { camera: own(), outcome: word });
            of.events.remove(&CameraType { camera: own(), r#type: word });
            of.descriptions.remove(&CameraSource { camera: own(), source: word });
        }
        let labels = Camera { camera: own() };
        of.signals_dropped.remove(&labels);
        of.snapshots_dropped.remove(&labels);
        of.up.remove(&labels);
        of.reconnects.remove(&labels);
    }
}
