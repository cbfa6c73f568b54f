//! What can be set about the outbox.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder in which events wait; `off` keeps them in memory.
    pub path: PathBuf,
    /// Bytes of events that may wait.
    pub max_size: u64,
    /// How long an event may wait.
    pub max_age: Duration,
}

impl Settings {
    /// Events wait in memory only.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.path.as_os_str() == "off"
    }
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
