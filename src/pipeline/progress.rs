//! Whether every part still moves. The watchdog of the service asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::clock::Moment;

/// How often a part that has nothing to do says that it is alive.
pub(crate) const BEAT: Duration = Duration::from_secs(5);

/// A part that was silent for so long is stuck. A question may take its whole deadline.
const STUCK: Duration = Duration::from_secs(60);

/// The last sign of life of each part that runs.
#[derive(Debug, Default)]
pub struct Progress {
    parts: Mutex<Vec<Weak<Part>>>,
}

#[derive(Debug)]
struct Part {
    name: String,
    beat: AtomicU64,
}

/// A part's way to say that it is alive. When it is dropped, the part has ended, and what has ended is not stuck.
#[derive(Debug)]
pub(crate) struct Beat(Arc<Part>);

impl Beat {
    pub(crate) fn beat(&self, now: Moment) {
        self.0.beat.store(millis(now), Ordering::Relaxed);
    }
}

impl Progress {
    /// One more part, alive since now.
    pub(crate) fn part(&self, name: impl Into<String>, now: Moment) -> Beat {
        let part = Arc::new(Part { name: name.into(), beat: AtomicU64::new(millis(now)) });
        let mut parts = self.parts();
        parts.retain(|part| part.strong_count() > 0);
        parts.push(Arc::downgrade(&part));
        Beat(part)
    }

    /// The parts that do not move, by name. Empty: all is well.
    #[must_use]
    pub fn stuck(&self, now: Moment) -> Vec<String> {
        let limit = millis(now).saturating_sub(STUCK.as_millis() as u64);
        let running: Vec<_> = self.parts().iter().filter_map(Weak::upgrade).collect();
        let silent = running.iter().filter(|part| part.beat.load(Ordering::Relaxed) < limit);
        silent.map(|part| part.name.clone()).collect()
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Weak<Part>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
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
        let progress = Progress::default();
        let gate = progress.part("camera door", at(0));
        let _analyst = progress.part("analyst", at(0));
        let delivery = progress.part("delivery", at(0));
        assert!(progress.stuck(at(59)).is_empty());
        gate.beat(at(50));
        drop(delivery);
        assert_eq!(progress.stuck(at(70)), ["analyst"]);
    }
}
