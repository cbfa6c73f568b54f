//! What the gate saw in each frame and how the frame ended. When there are too many, those that ended alike within a
//! stretch of time become one, with the most motion of them: nothing that happened is smoothed away.

use std::collections::VecDeque;

use crate::gate::{Measure, Motion, Outcome, Settled};

/// Looks that are kept; with more, neighbours become one.
pub(super) const MOST: usize = 12_000;
/// Frames whose end is not known yet. The gate holds one and the analyst a few: more than this would be a mistake elsewhere.
const MOST_OPEN: usize = 256;

/// One frame, or several of the same outcome within one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cli::replay) struct Look {
    /// Second of the clip; of several, the first one's.
    pub(in crate::cli::replay) at: f64,
    pub(in crate::cli::replay) frames: u32,
    /// `None`: the gate did not look at it.
    pub(in crate::cli::replay) seen: Option<Seen>,
    pub(in crate::cli::replay) outcome: Outcome,
    pub(in crate::cli::replay) because: Option<Measure>,
}

/// Shares of the view, 0 to 1; of several frames the largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cli::replay) struct Seen {
    pub(in crate::cli::replay) motion: f32,
    pub(in crate::cli::replay) threshold: f32,
    pub(in crate::cli::replay) lighting: f32,
}

#[derive(Debug)]
pub(super) struct Looks {
    most: usize,
    done: Vec<Look>,
    open: VecDeque<(u64, f64, Seen)>,
    /// Seconds within which looks are merged; 0: none were.
    grain: f64,
}

impl Default for Looks {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl Looks {
    pub(super) fn new(most: usize) -> Self {
        Self { most, done: Vec::new(), open: VecDeque::new(), grain: 0.0 }
    }

    pub(super) fn observed(&mut self, seq: u64, at: f64, motion: &Motion) {
        if self.open.len() >= MOST_OPEN {
            self.open.pop_front();
        }
        let seen = Seen { motion: motion.foreground, threshold: motion.threshold, lighting: motion.lighting };
        self.open.push_back((seq, at, seen));
    }

    pub(super) fn settled(&mut self, settled: &Settled, at: f64) {
        let place = self.open.iter().position(|(seq, ..)| *seq == settled.frame);
        let seen = place.and_then(|place| self.open.remove(place)).map(|(_, _, seen)| seen);
        self.done.push(Look { at, frames: 1, seen, outcome: settled.outcome, because: settled.because });
        if self.done.len() > self.most {
            self.thin();
        }
    }

    /// In order of time, and the grain if any were merged.
    pub(super) fn into_parts(mut self) -> (Vec<Look>, Option<f64>) {
        self.sort();
        (self.done, (self.grain > 0.0).then_some(self.grain))
    }

    fn sort(&mut self) {
        self.done.sort_by(|a, b| a.at.total_cmp(&b.at));
    }

    /// Merges what came since by the grain that there is, then doubles the grain until only half of the room is taken.
    fn thin(&mut self) {
        self.sort();
        self.merge();
        while self.done.len() > self.most / 2 {
            self.grain = if self.grain > 0.0 { self.grain * 2.0 } else { 0.25 };
            self.merge();
        }
    }

    fn merge(&mut self) {
        if self.grain <= 0.0 {
            return;
        }
        let cell = |at: f64| (at / self.grain).floor();
        let mut merged: Vec<Look> = Vec::with_capacity(self.most + 1);
        for look in self.done.drain(..) {
            let same = |other: &&mut Look| cell(other.at) == cell(look.at) && other.outcome == look.outcome;
            // No cell holds more than one look of each outcome.
            match merged.iter_mut().rev().take(Outcome::ALL.len()).find(same) {
                Some(other) => other.take_in(look),
                None => merged.push(look),
            }
        }
        self.done = merged;
    }
}

impl Look {
    fn take_in(&mut self, other: Self) {
        let motion = |look: &Self| look.seen.map_or(-1.0, |seen| seen.motion);
        if motion(&other) > motion(self) {
            self.because = other.because;
        }
        self.frames = self.frames.saturating_add(other.frames);
        self.seen = match (self.seen, other.seen) {
            (Some(a), Some(b)) => Some(Seen {
                motion: a.motion.max(b.motion),
                threshold: a.threshold.min(b.threshold),
                lighting: a.lighting.max(b.lighting),
            }),
            (a, b) => a.or(b),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;

    fn feed(looks: &mut Looks, frames: u64, fps: f64, outcome: impl Fn(u64) -> Outcome) {
        for seq in 0..frames {
            let at = seq as f64 / fps;
            let foreground = if seq == frames / 3 { 0.9 } else { 0.001 };
            looks.observed(seq, at, &Motion { foreground, threshold: 0.002, ..Motion::default() });
            let at_frame = Moment { mono: std::time::Duration::from_secs_f64(at), wall: jiff::Timestamp::UNIX_EPOCH };
            let settled = Settled { frame: seq, at: at_frame, outcome: outcome(seq), because: None };
            looks.settled(&settled, at);
        }
    }

    #[test]
    fn a_day_takes_as_little_room_as_an_hour() {
        let day = 24 * 3600 * 5;
        for every in [1_000_000, 40, 2] {
            let mut looks = Looks::default();
            feed(&mut looks, day, 5.0, |seq| if seq % every == 1 { Outcome::Described } else { Outcome::NoMotion });
            let (looks, grain) = looks.into_parts();
            assert!(looks.len() <= MOST && grain.is_some_and(|grain| grain <= 60.0), "{} {grain:?}", looks.len());
            assert_eq!(looks.iter().map(|look| u64::from(look.frames)).sum::<u64>(), day, "no frame is lost");
            let described = looks.iter().filter(|look| look.outcome == Outcome::Described).map(|look| look.frames);
            assert_eq!(u64::from(described.sum::<u32>()), (day - 2) / every + 1, "each kept its outcome");
            assert!(looks.is_sorted_by(|a, b| a.at <= b.at));
            let most = looks.iter().filter_map(|look| look.seen).map(|seen| seen.motion).fold(0.0, f32::max);
            assert!((most - 0.9).abs() < 1e-6, "the one large movement is still to be seen: {most}");
        }
    }

    #[test]
    fn a_short_run_is_kept_frame_by_frame() {
        let mut looks = Looks::default();
        feed(&mut looks, 700, 5.0, |_| Outcome::NoMotion);
        let (looks, grain) = looks.into_parts();
        assert_eq!((looks.len(), grain), (700, None));
    }

    #[test]
    fn what_never_ends_takes_no_room() {
        let mut looks = Looks::new(100);
        for seq in 0..10_000 {
            looks.observed(seq, 0.0, &Motion::default());
        }
        assert_eq!(looks.open.len(), MOST_OPEN);
    }
}
