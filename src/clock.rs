//! Time, passed in. Decisions never read a clock: they get a [`Moment`] from a shell that does.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// One point in time on both scales that matter: `mono` never goes back and is for intervals, `wall` is for people.
/// A clip that is replayed has moments of its own (its presentation times), so the same decisions run on either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Since the clock was made.
    pub mono: Duration,
    /// UTC.
    pub wall: Timestamp,
}

impl Moment {
    /// Time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.mono.saturating_sub(earlier.mono)
    }

    /// This moment moved by `by` on both scales.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        let wall = self.wall.checked_add(jiff::SignedDuration::from_nanos(nanos)).unwrap_or(Timestamp::MAX);
        Self { mono: self.mono.saturating_add(by), wall }
    }
}

/// The one real clock; made once in `main` and handed down.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    clips_start_at: Option<Timestamp>,
}

impl Clock {
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub fn system() -> Self {
        Self { started: Instant::now(), clips_start_at: None }
    }

    /// The same clock, but clips that play as fast as they are understood begin at this time, always at the same moment.
    #[must_use]
    pub fn with_clips_from(self, start: Timestamp) -> Self {
        Self { clips_start_at: Some(start), ..self }
    }

    /// The moment of presentation time zero of a clip that has its own time.
    #[must_use]
    pub fn clip_start(&self) -> Moment {
        self.clips_start_at.map_or_else(|| self.now(), |wall| Moment { mono: Duration::ZERO, wall })
    }

    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub fn now(&self) -> Moment {
        Moment { mono: self.started.elapsed(), wall: Timestamp::now() }
    }

    /// The `Instant` of a moment of this clock, for timers.
    #[must_use]
    pub fn instant(&self, at: Moment) -> Instant {
        self.started + at.mono
    }
}

/// `2026-11-23T09:14:03.120Z`: the form of every time that leaves the process.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_leave_with_three_digits() {
        let at: Timestamp = "2026-11-23T09:14:03.12Z".parse().unwrap();
        assert_eq!(rfc3339(at), "2026-11-23T09:14:03.120Z");
    }

    #[test]
    fn clips_begin_when_they_are_told_to() {
        let start = Timestamp::UNIX_EPOCH;
        let clock = Clock::system().with_clips_from(start);
        assert_eq!(clock.clip_start(), Moment { mono: Duration::ZERO, wall: start });
        assert!(clock.now().wall > start);
    }

    #[test]
    fn the_clock_does_not_go_back() {
        let clock = Clock::system();
        let (a, b) = (clock.now(), clock.now());
        assert!(b.mono >= a.mono);
        assert_eq!(a.since(b), Duration::ZERO);
        assert_eq!(a.plus(Duration::from_secs(2)).since(a), Duration::from_secs(2));
    }
}
