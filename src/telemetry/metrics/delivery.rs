//! What waits and whether the broker is there. These totals are kept by the outbox; here lies a copy of the last look at
//! them, so they are constants of one scrape and need no counter of ours beside theirs.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::Metrics;

/// The outbox at one moment. Totals count since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxFigures {
    /// Events that wait.
    pub rows: u64,
    /// What they take.
    pub bytes: u64,
    /// Events that went because of the bounds.
    pub evicted: u64,
    /// Events that the broker refused for good.
    pub refused: u64,
    /// Events that were found damaged and are lost.
    pub unreadable: u64,
    /// Whether what waits is on the disk; `None` if it is in memory on purpose.
    pub durable: Option<bool>,
}

/// The broker at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerFigures {
    pub connected: bool,
    /// Events that it has acknowledged since the start.
    pub acknowledged: u64,
}

#[derive(Debug, Default)]
pub(super) struct Delivery(Mutex<Seen>);

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    outbox: Option<OutboxFigures>,
    broker: Option<BrokerFigures>,
}

impl Delivery {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Metrics {
    /// The outbox as it is now; said before each [`text`](Self::text). Until then it has no series.
    pub fn outbox(&self, figures: OutboxFigures) {
        self.delivery.seen().outbox = Some(figures);
    }

    /// The broker as it is now; without one in the config (`None`) it has no series, so that no alert waits for it.
    pub fn broker(&self, figures: Option<BrokerFigures>) {
        self.delivery.seen().broker = figures;
    }
}

impl Collector for Delivery {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Seen { outbox, broker } = *self.seen();
        let mut out = Out(encoder);
        if let Some(outbox) = outbox {
            out.gauge("outbox_rows", "Events that wait for the broker", None, outbox.rows)?;
            out.gauge("outbox", "What the waiting events take", Some(&Unit::Bytes), outbox.bytes)?;
            out.counter("outbox_evicted", "Events that went because of the outbox's bounds", outbox.evicted)?;
            out.counter("outbox_refused", "Events that the broker refused for good", outbox.refused)?;
            out.counter("outbox_unreadable", "Events that were found damaged in the outbox", outbox.unreadable)?;
            if let Some(durable) = outbox.durable {
                let help = "1 while waiting events are on the disk, 0 while they are in memory only";
                out.gauge("outbox_durable", help, None, durable.into())?;
            }
        }
        if let Some(broker) = broker {
            out.gauge("mqtt_connected", "1 while the broker is connected", None, broker.connected.into())?;
            out.counter("mqtt_acknowledged", "Events that the broker has", broker.acknowledged)?;
        }
        Ok(())
    }
}

struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        self.metric(name, help, unit, &ConstGauge::new(value))
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.metric(name, help, None, &ConstCounter::new(value))
    }

    fn metric(&mut self, name: &str, help: &str, unit: Option<&Unit>, metric: &impl EncodeMetric) -> fmt::Result {
        // The registry ends the help of its own metrics with a full stop, a collector's not.
        let help = format!("{help}.");
        metric.encode(self.0.encode_descriptor(name, &help, unit, metric.metric_type())?)
    }
}
