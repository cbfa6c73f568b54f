//! Logs and numbers: what is said and what is counted, with every name in one place. It reads nothing and decides
//! nothing.

mod logs;
mod metrics;

pub use logs::{LogError, LogFormat, init};
pub use metrics::Metrics;
