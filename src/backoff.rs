//! How long to wait before the next try: exponential, with jitter, bounded.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Waits that double from `min` to `max`, each with up to its own length of jitter on top, never beyond `max`.
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    waits: ExponentialBackoff,
}

impl Backoff {
    #[must_use]
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, waits: waits(min, max) }
    }

    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        self.waits.next().unwrap_or(self.max).clamp(self.min, self.max)
    }

    /// It worked: the next failure waits `min` again.
    pub fn reset(&mut self) {
        self.waits = waits(self.min, self.max);
    }
}

fn waits(min: Duration, max: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default().with_min_delay(min).with_max_delay(max).with_jitter().without_max_times().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_start_over() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(60));
        let mut backoff = Backoff::new(min, max);
        let waits: Vec<_> = (0..12).map(|_| backoff.wait()).collect();
        assert!(waits[0] >= min && waits[0] <= 2 * min, "{waits:?}");
        assert_eq!(waits[11], max, "{waits:?}");
        assert!(waits.iter().all(|w| (min..=max).contains(w)), "{waits:?}");
        backoff.reset();
        assert!(backoff.wait() <= 2 * min);
    }
}
