//! The run held against what really happened, as the page shows it.

/// Two names of one moment may differ by rounding.
const SAME: f64 = 0.01;

#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::cli::replay) struct Truth {
    pub(in crate::cli::replay) visits: Vec<Visit>,
    /// Starts of the events that nobody caused, in seconds of the clip.
    pub(in crate::cli::replay) invented: Vec<f64>,
}

/// Somebody was there.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::cli::replay) struct Visit {
    /// Second of the clip.
    pub(in crate::cli::replay) from: f64,
    pub(in crate::cli::replay) to: f64,
    pub(in crate::cli::replay) who: String,
    /// Seconds from its begin until it was announced; `None` without an event of its own.
    pub(in crate::cli::replay) delay: Option<f64>,
    /// Events that it became; more than one is one too many.
    pub(in crate::cli::replay) events: u64,
    /// It has no event of its own, but another visit's event goes on in it.
    pub(in crate::cli::replay) merged: bool,
}

impl Truth {
    pub(in crate::cli::replay) fn found(&self) -> u64 {
        self.visits.iter().filter(|visit| visit.is_found()).count() as u64
    }

    pub(in crate::cli::replay) fn is_invented(&self, from: f64) -> bool {
        self.invented.iter().any(|other| (other - from).abs() < SAME)
    }

    /// The longest time from a begin to its announcement.
    pub(in crate::cli::replay) fn latest(&self) -> Option<f64> {
        self.visits.iter().filter_map(|visit| visit.delay).reduce(f64::max)
    }
}

impl Visit {
    pub(in crate::cli::replay) fn is_found(&self) -> bool {
        self.merged || self.events > 0
    }

    /// What became of it, in words.
    pub(in crate::cli::replay) fn result(&self) -> &'static str {
        match self.events {
            0 if self.merged => "found, within another visit's event",
            0 => "missed",
            1 => "found",
            _ => "found, in several events",
        }
    }
}
