//! Every counter of the process. Names and labels as the contract has them, without the prefix `eyewitness_`.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Provider {
    provider: String,
    precision: String,
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartProvider {
    part: &'static str,
    provider: String,
}

/// The counters. Cheap to count on from any thread; labels are bounded by the configuration.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    frames: Family<CameraOutcome, Counter>,
    events: Family<CameraType, Counter>,
    descriptions: Family<CameraSource, Counter>,
    stages: Family<Stage, Histogram>,
    first_token: Histogram,
    tokens: Counter,
    signals_dropped: Family<Camera, Counter>,
    camera_up: Family<Camera, Gauge>,
    description_seconds: Counter<f64, AtomicU64>,
    provider: Family<Provider, Gauge>,
    provider_nodes: Family<PartProvider, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("eyewitness");
        let buckets = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let metrics = Self {
            frames: Family::default(),
            events: Family::default(),
            descriptions: Family::default(),
            stages: Family::new_with_constructor(buckets),
            first_token: buckets(),
            tokens: Counter::default(),
            signals_dropped: Family::default(),
            camera_up: Family::default(),
            description_seconds: Counter::default(),
            provider: Family::default(),
            provider_nodes: Family::default(),
            registry: Registry::default(),
        };
        registry.register("frames", "Frames by what became of them", metrics.frames.clone());
        registry.register("events", "Event messages", metrics.events.clone());
        registry.register("descriptions", "Descriptions by where the words came from", metrics.descriptions.clone());
        registry.register_with_unit("stage", "Time per stage of a description", Unit::Seconds, metrics.stages.clone());
        registry.register_with_unit(
            "first_token",
            "From the question to the first token",
            Unit::Seconds,
            metrics.first_token.clone(),
        );
        registry.register("tokens", "Tokens that the model gave out", metrics.tokens.clone());
        registry.register(
            "signals_dropped",
            "Messages of a gate that the analyst could not hold",
            metrics.signals_dropped.clone(),
        );
        registry.register("camera_up", "1 while the camera delivers frames", metrics.camera_up.clone());
        registry.register("provider_info", "What the model runs on", metrics.provider.clone());
        registry.register("provider_nodes", "Nodes of a graph by what runs them", metrics.provider_nodes.clone());
        Self { registry, ..metrics }
    }

    pub fn frame(&self, camera: &str, outcome: &'static str) {
        self.frames_by(camera, outcome, 1);
    }

    pub fn frames_by(&self, camera: &str, outcome: &'static str, count: u64) {
        if count > 0 {
            self.frames.get_or_create(&CameraOutcome { camera: camera.to_owned(), outcome }).inc_by(count);
        }
    }

    /// Frames of one camera with one outcome so far.
    #[must_use]
    pub fn frames_of(&self, camera: &str, outcome: &'static str) -> u64 {
        self.frames.get(&CameraOutcome { camera: camera.to_owned(), outcome }).map_or(0, |counter| counter.get())
    }

    pub fn event(&self, camera: &str, kind: &'static str) {
        self.events.get_or_create(&CameraType { camera: camera.to_owned(), r#type: kind }).inc();
    }

    /// Event messages of one type of one camera so far.
    #[must_use]
    pub fn events_of(&self, camera: &str, kind: &'static str) -> u64 {
        self.events.get(&CameraType { camera: camera.to_owned(), r#type: kind }).map_or(0, |counter| counter.get())
    }

    pub fn description(&self, camera: &str, source: &'static str) {
        self.descriptions.get_or_create(&CameraSource { camera: camera.to_owned(), source }).inc();
    }

    /// Descriptions of one camera from one source so far.
    #[must_use]
    pub fn descriptions_of(&self, camera: &str, source: &'static str) -> u64 {
        let labels = CameraSource { camera: camera.to_owned(), source };
        self.descriptions.get(&labels).map_or(0, |counter| counter.get())
    }

    pub fn stage(&self, stage: &'static str, took: Duration) {
        self.stages.get_or_create(&Stage { stage }).observe(took.as_secs_f64());
    }

    /// One answer of the model: its tokens, the time to the first one and in all.
    pub fn answer(&self, tokens: u64, first_token: Duration, total: Duration) {
        self.tokens.inc_by(tokens);
        self.first_token.observe(first_token.as_secs_f64());
        self.description_seconds.inc_by(total.as_secs_f64());
    }

    /// An earlier answer served; the model looked at the picture for so long.
    pub fn recalled(&self, total: Duration) {
        self.description_seconds.inc_by(total.as_secs_f64());
    }

    /// Time that the model has spent on answers.
    #[must_use]
    pub fn model_time(&self) -> Duration {
        Duration::try_from_secs_f64(self.description_seconds.get()).unwrap_or_default()
    }

    /// What was loaded: `label` is `set/precision@provider`.
    pub fn model(&self, label: &str) {
        let (set, rest) = label.split_once('/').unwrap_or((label, ""));
        let (precision, provider) = rest.split_once('@').unwrap_or((rest, ""));
        let own = str::to_owned;
        let labels = Provider { provider: own(provider), precision: own(precision), model: own(set) };
        self.provider.clear();
        self.provider.get_or_create(&labels).set(1);
    }

    /// `nodes` of the graph of `part` run on `provider`.
    pub fn placed(&self, part: &'static str, provider: &str, nodes: usize) {
        let labels = PartProvider { part, provider: provider.to_owned() };
        self.provider_nodes.get_or_create(&labels).set(i64::try_from(nodes).unwrap_or(i64::MAX));
    }

    pub fn signal_dropped(&self, camera: &str) {
        self.signals_dropped.get_or_create(&Camera { camera: camera.to_owned() }).inc();
    }

    pub fn camera_up(&self, camera: &str, up: bool) {
        self.camera_up.get_or_create(&Camera { camera: camera.to_owned() }).set(i64::from(up));
    }

    /// The camera is no longer in the config: it is neither up nor down.
    pub fn camera_gone(&self, camera: &str) {
        self.camera_up.remove(&Camera { camera: camera.to_owned() });
    }

    /// All of it in the OpenMetrics text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &self.registry).expect("writing to a string does not fail");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_stands_in_the_text() {
        let metrics = Metrics::new();
        metrics.frame("door", "no_motion");
        metrics.frames_by("door", "no_motion", 2);
        metrics.event("door", "start");
        metrics.answer(9, Duration::from_millis(20), Duration::from_millis(40));
        metrics.model("tiny/int8@cpu");
        metrics.placed("decoder", "cpu", 175);
        assert_eq!(metrics.frames_of("door", "no_motion"), 3);
        assert_eq!(metrics.frames_of("yard", "no_motion"), 0);
        assert_eq!(metrics.events_of("door", "start"), 1);
        assert_eq!(metrics.model_time(), Duration::from_millis(40));
        let text = metrics.text();
        assert!(text.contains(r#"eyewitness_frames_total{camera="door",outcome="no_motion"} 3"#), "{text}");
        assert!(text.contains("eyewitness_first_token_seconds_count 1"), "{text}");
        let info = r#"eyewitness_provider_info{provider="cpu",precision="int8",model="tiny"} 1"#;
        assert!(text.contains(info), "{text}");
        assert!(text.contains(r#"eyewitness_provider_nodes{part="decoder",provider="cpu"} 175"#), "{text}");
    }
}
