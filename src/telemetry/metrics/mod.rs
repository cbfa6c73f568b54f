//! Every number of the process that others may read. Names and labels as the contract has them, without the prefix
//! `eyewitness_`; each file below has one subject's.

mod camera;
mod classic;
mod delivery;
mod model;
mod process;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use self::camera::CameraNumbers;
use self::delivery::Delivery;
pub use self::delivery::{BrokerFigures, OutboxFigures};
use self::model::ModelNumbers;
use self::process::Process;
pub use self::rules::Checked;
use self::rules::RuleNumbers;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// The numbers. Cheap to count on from any thread; labels are bounded by the configuration.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    cameras: CameraNumbers,
    model: ModelNumbers,
    rules: RuleNumbers,
    delivery: Arc<Delivery>,
    http_refused: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        // The names of these are every process's, so they have no prefix.
        registry.register_collector(Box::new(Process));
        let own = registry.sub_registry_with_prefix("eyewitness");
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        own.register("build_info", "What runs here", build);
        let cameras = CameraNumbers::new(own);
        let model = ModelNumbers::new(own);
        let rules = RuleNumbers::new(own);
        let delivery = Arc::new(Delivery::default());
        own.register_collector(Box::new(Arc::clone(&delivery)));
        let http_refused = Counter::default();
        own.register(
            "http_connections_refused",
            "Connections of the status page that were one too many",
            http_refused.clone(),
        );
        Self { registry, cameras, model, rules, delivery, http_refused }
    }

    /// A connection of the status page was turned away, because there were too many.
    pub fn http_refused(&self) {
        self.http_refused.inc();
    }

    /// All of it in the OpenMetrics text form 1.0 ([`Self::CONTENT_TYPE`]).
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &self.registry).expect("writing to a string does not fail");
        out
    }

    /// What HTTP calls the form of [`Self::text`].
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
}
