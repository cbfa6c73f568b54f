//! Logs and numbers: what is said and what is counted, with every name in one place. It decides nothing.

mod logs;
mod metrics;

pub use logs::{LogError, LogFormat, LogHandle, USUAL_FILTER, init};
pub use metrics::{BrokerFigures, Checked, Metrics, OutboxFigures};
