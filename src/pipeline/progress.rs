//! Whether every part still moves. The watchdog of the service asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;

/// How often a part that has nothing to do says that it is alive.
pub(crate) const BEAT: Duration = Duration::from_secs(5);

/// A part that was silent for so long is stuck. A question may take its whole deadline.
const STUCK: Duration = Duration::from_secs(60);

/// The last sign of life of each part.
#[derive(Debug)]
pub struct Progress {
    parts: Vec<(String, AtomicU64)>,
}

impl Progress {
    pub(crate) fn new(parts: Vec<String>, now: Moment) -> Self {
        Self { parts: parts.into_iter().map(|part| (part, AtomicU64::new(millis(now)))).collect() }
    }

    pub(crate) fn beat(&self, part: usize, now: Moment) {
        self.parts[part].1.store(millis(now), Ordering::Relaxed);
    }

    /// A part that has ended is not stuck.
    pub(crate) fn over(&self, part: usize) {
        self.parts[part].1.store(u64::MAX, Ordering::Relaxed);
    }

    /// The parts that do not move, by name. Empty: all is well.
    #[must_use]
    pub fn stuck(&self, now: Moment) -> Vec<&str> {
        let limit = millis(now).saturating_sub(STUCK.as_millis() as u64);
        let silent = |beat: &AtomicU64| beat.load(Ordering::Relaxed) < limit;
        self.parts.iter().filter(|(_, beat)| silent(beat)).map(|(part, _)| part.as_str()).collect()
    }
}

fn millis(at: Moment) -> u64 {
    u64::try_from(at.mono.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_silent_is_stuck() {
        let at = |s| Moment { mono: Duration::from_secs(s), wall: jiff::Timestamp::UNIX_EPOCH };
        let progress = Progress::new(vec!["gate door".into(), "analyst".into(), "delivery".into()], at(0));
        assert!(progress.stuck(at(59)).is_empty());
        progress.beat(0, at(50));
        progress.over(2);
        assert_eq!(progress.stuck(at(70)), ["analyst"]);
    }
}
