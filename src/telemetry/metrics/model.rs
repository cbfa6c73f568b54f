//! What the model does and what it runs on.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;

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

#[derive(Debug)]
pub(super) struct ModelNumbers {
    stages: Family<Stage, Histogram>,
    first_token: Histogram,
    tokens: Counter,
    busy: Counter<f64, AtomicU64>,
    provider: Family<Provider, Gauge>,
    provider_nodes: Family<PartProvider, Gauge>,
}

impl ModelNumbers {
    pub(super) fn new(registry: &mut Registry) -> Self {
        // 1 ms to 16 s: a stage on a GPU, and a whole answer on a small board.
        let buckets = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let numbers = Self {
            stages: Family::new_with_constructor(buckets),
            first_token: buckets(),
            tokens: Counter::default(),
            busy: Counter::default(),
            provider: Family::default(),
            provider_nodes: Family::default(),
        };
        let seconds = || Unit::Seconds;
        registry.register_with_unit("stage", "Time per stage of a description", seconds(), numbers.stages.clone());
        registry.register_with_unit(
            "first_token",
            "From the question to the first token",
            seconds(),
            numbers.first_token.clone(),
        );
        registry.register("tokens", "Tokens that the model gave out", numbers.tokens.clone());
        registry.register_with_unit("model", "Time that the model has spent", seconds(), numbers.busy.clone());
        registry.register("provider_info", "What the model runs on", numbers.provider.clone());
        registry.register("provider_nodes", "Nodes of a graph by what runs them", numbers.provider_nodes.clone());
        numbers
    }
}

impl Metrics {
    pub fn stage(&self, stage: &'static str, took: Duration) {
        self.model.stages.get_or_create(&Stage { stage }).observe(took.as_secs_f64());
    }

    /// One answer of the model: its tokens, the time to the first one and in all.
    pub fn answer(&self, tokens: u64, first_token: Duration, total: Duration) {
        self.model.tokens.inc_by(tokens);
        self.model.first_token.observe(first_token.as_secs_f64());
        self.model.busy.inc_by(total.as_secs_f64());
    }

    /// An earlier answer served; the model looked at the picture for so long.
    pub fn recalled(&self, total: Duration) {
        self.model.busy.inc_by(total.as_secs_f64());
    }

    /// Time that the model has spent on answers.
    #[must_use]
    pub fn model_time(&self) -> Duration {
        Duration::try_from_secs_f64(self.model.busy.get()).unwrap_or_default()
    }

    /// What was loaded: `label` is `set/precision@provider`.
    pub fn model(&self, label: &str) {
        let (set, rest) = label.split_once('/').unwrap_or((label, ""));
        let (precision, provider) = rest.split_once('@').unwrap_or((rest, ""));
        let own = str::to_owned;
        let labels = Provider { provider: own(provider), precision: own(precision), model: own(set) };
        self.model.provider.clear();
        self.model.provider.get_or_create(&labels).set(1);
    }

    /// `nodes` of the graph of `part` run on `provider`.
    pub fn placed(&self, part: &'static str, provider: &str, nodes: usize) {
        let labels = PartProvider { part, provider: provider.to_owned() };
        self.model.provider_nodes.get_or_create(&labels).set(i64::try_from(nodes).unwrap_or(i64::MAX));
    }
}
