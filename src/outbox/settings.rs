//! What can be set about the outbox.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the durable store will live.
    pub path: PathBuf,
    /// Bytes of events that may wait.
    pub max_size: u64,
    /// How long an event may wait.
    pub max_age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: "/var/lib/eyewitness/outbox".into(),
            max_size: 256 << 20,
            max_age: Duration::from_secs(7 * 86_400),
        }
    }
}
