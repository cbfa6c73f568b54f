//! The access units of an idle camera that were not decoded, from a keyframe on, so that they can still be. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;

/// One coded picture. `D` is what the decoder gets.
#[derive(Debug, Clone)]
pub(super) struct Unit<D> {
    /// It stands alone.
    pub(super) key: bool,
    pub(super) bytes: usize,
    pub(super) pts: Option<Duration>,
    /// On the stream's own scale, in the order in which units arrive.
    pub(super) time: Duration,
    /// When its picture was taken, as far as its arrival tells.
    pub(super) at: Moment,
    /// It was decoded alone.
    pub(super) lone: bool,
    pub(super) data: D,
}

/// How much may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    /// From one keyframe to the next.
    pub(super) gop: Duration,
    pub(super) units: usize,
}

impl Limits {
    /// 8 MiB are 16 s of a camera at 4 Mbit/s.
    pub(super) const USUAL: Self = Self { bytes: 8 << 20, gop: Duration::from_secs(12), units: 4096 };
}

/// Whole groups of pictures, the last one still running.
#[derive(Debug)]
pub(super) struct Kept<D> {
    units: VecDeque<Unit<D>>,
    bytes: usize,
}

impl<D> Kept<D> {
    pub(super) fn new() -> Self {
        Self { units: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, unit: Unit<D>) {
        self.bytes += unit.bytes;
        self.units.push_back(unit);
    }

    /// Drops the oldest groups until the rest is within `limits`, but never the running one. Returns how many units
    /// went undecoded.
    pub(super) fn shrink(&mut self, limits: &Limits) -> u64 {
        let mut gone = 0;
        let mut running = self.running();
        while running > 0 && self.exceeds(limits) {
            let group = self.units.iter().skip(1).position(|unit| unit.key).map_or(running, |i| i + 1);
            gone += self.drop_first(group);
            running -= group;
        }
        gone
    }

    /// Whether the running group alone is more than may be kept.
    pub(super) fn overflows(&self, limits: &Limits) -> bool {
        self.running() == 0 && self.exceeds(limits)
    }

    fn exceeds(&self, limits: &Limits) -> bool {
        let span = match (self.units.front(), self.units.back()) {
            (Some(first), Some(last)) => last.time.saturating_sub(first.time),
            _ => Duration::ZERO,
        };
        let longest = if self.running() == 0 { limits.gop } else { 2 * limits.gop };
        self.bytes > limits.bytes || self.units.len() > limits.units || span > longest
    }

    /// Drops what lies before the lone keyframe with this `pts`, if it is here. Returns how many units went undecoded.
    pub(super) fn drop_before(&mut self, pts: Duration) -> u64 {
        let found = self.units.iter().rposition(|unit| unit.lone && unit.pts == Some(pts));
        found.map_or(0, |index| self.drop_first(index))
    }

    /// Drops all but the running group. Returns how many units went undecoded.
    pub(super) fn drop_earlier(&mut self) -> u64 {
        self.drop_first(self.running())
    }

    /// Drops everything. Returns how many units went undecoded.
    pub(super) fn clear(&mut self) -> u64 {
        self.drop_first(self.units.len())
    }

    /// Takes everything, oldest first.
    pub(super) fn take(&mut self) -> VecDeque<Unit<D>> {
        self.bytes = 0;
        std::mem::take(&mut self.units)
    }

    /// Index of the last keyframe.
    fn running(&self) -> usize {
        self.units.iter().rposition(|unit| unit.key).unwrap_or(0)
    }

    fn drop_first(&mut self, count: usize) -> u64 {
        let mut undecoded = 0;
        for unit in self.units.drain(..count) {
            self.bytes -= unit.bytes;
            undecoded += u64::from(!unit.lone);
        }
        undecoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(units: &[(bool, usize)]) -> Kept<()> {
        let mut kept = Kept::new();
        for (i, &(key, bytes)) in units.iter().enumerate() {
            let time = Duration::from_secs(i as u64);
            let at = Moment { mono: time, wall: jiff::Timestamp::UNIX_EPOCH };
            kept.push(Unit { key, bytes, pts: Some(time), time, at, lone: key, data: () });
        }
        kept
    }

    const LIMITS: Limits = Limits { bytes: 100, gop: Duration::from_secs(4), units: 50 };

    #[test]
    fn the_oldest_group_goes_first_and_the_running_one_stays() {
        let mut two = kept(&[(true, 50), (false, 10), (true, 30), (false, 10)]);
        assert_eq!(two.shrink(&LIMITS), 0);
        two.push(Unit { bytes: 20, time: Duration::from_secs(4), ..two.units[3].clone() });
        assert_eq!(two.shrink(&LIMITS), 1, "of two units, one was decoded");
        assert!(!two.overflows(&LIMITS));
        assert_eq!((two.units.len(), two.bytes), (3, 60));
    }

    #[test]
    fn a_group_can_be_too_long_in_time_and_in_bytes() {
        assert!(kept(&[(true, 50), (false, 60)]).overflows(&LIMITS));
        assert!(kept(&[(true, 1), (false, 1), (false, 1), (false, 1), (false, 1), (false, 1)]).overflows(&LIMITS));
        assert!(!kept(&[(true, 1), (false, 1), (false, 1), (true, 1), (false, 1), (false, 1)]).overflows(&LIMITS));
    }

    #[test]
    fn every_unit_leaves_once() {
        let mut three = kept(&[(true, 1), (false, 1), (true, 1), (false, 1), (true, 1), (false, 1)]);
        assert_eq!(three.drop_before(Duration::from_secs(2)), 1);
        assert_eq!(three.drop_before(Duration::from_secs(9)), 0);
        assert_eq!(three.drop_earlier(), 1);
        assert_eq!(three.take().len(), 2);
        assert_eq!((three.clear(), three.bytes), (0, 0));
    }
}
