//! What is known about a picture before it is decoded: when it was taken, and what shall become of it. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;

/// More units than may ever be on their way through a decoder.
const MOST: usize = 8192;

/// A time so far off is none.
const FAR: Duration = Duration::from_secs(2);

/// One unit on its way through the decoder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) pts: Duration,
    /// The same on the decoder's timeline ([`Course`]).
    pub(super) due: Duration,
    /// When it was taken.
    pub(super) at: Moment,
    /// It is decoded without its neighbours.
    pub(super) lone: bool,
    /// It is decoded only because others build on it: its picture was delivered before.
    pub(super) silent: bool,
    /// It was kept for a while: its frame waits for room rather than replacing another.
    pub(super) kept: bool,
}

/// The units that were given to the decoder lately.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    list: VecDeque<Expected>,
}

impl Arrivals {
    pub(super) fn expect(&mut self, expected: Expected) {
        if self.list.len() == MOST {
            self.list.pop_front();
        }
        self.list.push_back(expected);
    }

    /// What is known about the picture that is `due` then.
    pub(super) fn find(&self, due: Duration) -> Option<Expected> {
        self.list.iter().rev().find(|expected| expected.due == due).copied()
    }
}

/// The decoder's own timeline, which never goes back: GStreamer's decoders bend times that do. Where the stream goes
/// back, or is decoded once more, it goes on a little after the latest picture.
#[derive(Debug, Default)]
pub(super) struct Course {
    shift: Duration,
    latest: Duration,
}

impl Course {
    /// Pictures may be given out of order by so much.
    const ORDER: Duration = Duration::from_secs(2);

    /// How much later the decoder gets the next unit. `again`: it begins anew, at a unit that may have been decoded.
    pub(super) fn shift(&mut self, pts: Duration, again: bool) -> Duration {
        let back = pts + self.shift + Self::ORDER < self.latest;
        if again || back {
            self.shift = (self.latest + Self::ORDER).saturating_sub(pts).max(self.shift);
        }
        self.latest = self.latest.max(pts + self.shift);
        self.shift
    }
}

/// Tells from presentation times when pictures were taken: at every keyframe anew, and never later than they arrived.
#[derive(Debug, Default)]
pub(super) struct Anchor {
    known: Option<(Duration, Moment)>,
}

impl Anchor {
    /// When the picture of a unit was taken that arrives `now`.
    pub(super) fn at(&mut self, pts: Option<Duration>, key: bool, now: Moment) -> Moment {
        let Some(pts) = pts else { return now };
        if let Some((origin, at)) = self.known
            && !key
            && pts + FAR > origin
        {
            let at = shifted(at, pts, origin);
            if at <= now && now.since(at) < FAR {
                return at;
            }
        }
        self.known = Some((pts, now));
        now
    }
}

/// `at` moved by the way from `origin` to `pts`.
fn shifted(at: Moment, pts: Duration, origin: Duration) -> Moment {
    match pts.checked_sub(origin) {
        Some(ahead) => at.plus(ahead),
        None => {
            let back = origin - pts;
            let wall = at.wall.checked_sub(jiff::SignedDuration::try_from(back).unwrap_or_default());
            Moment { mono: at.mono.saturating_sub(back), wall: wall.unwrap_or(at.wall) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(ms: u64) -> Moment {
        Moment { mono: Duration::from_millis(ms), wall: jiff::Timestamp::UNIX_EPOCH }
    }

    fn ms(ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(ms))
    }

    #[test]
    fn times_follow_the_stream_between_keyframes_and_arrival_at_them() {
        let mut anchor = Anchor::default();
        assert_eq!(anchor.at(ms(0), true, moment(1000)).mono, moment(1000).mono);
        // The later picture arrives first, as with B-frames.
        assert_eq!(anchor.at(ms(80), false, moment(1090)).mono, moment(1080).mono);
        assert_eq!(anchor.at(ms(40), false, moment(1095)).mono, moment(1040).mono);
        assert_eq!(anchor.at(ms(120), false, moment(1100)).mono, moment(1100).mono, "never before it was taken");
        assert_eq!(anchor.at(ms(160), false, moment(1150)).mono, moment(1140).mono);
        assert_eq!(anchor.at(ms(200), true, moment(1195)).mono, moment(1195).mono);
        assert_eq!(anchor.at(None, false, moment(1300)).mono, moment(1300).mono);
    }

    #[test]
    fn a_jump_of_the_stream_is_none_of_the_clock() {
        let mut anchor = Anchor::default();
        anchor.at(ms(100_000), true, moment(1000));
        assert_eq!(anchor.at(ms(40), false, moment(1040)).mono, moment(1040).mono);
        assert_eq!(anchor.at(ms(80), false, moment(1085)).mono, moment(1080).mono);
    }

    #[test]
    fn the_second_try_is_meant() {
        let mut arrivals = Arrivals::default();
        let (pts, due) = (Duration::ZERO, Duration::ZERO);
        let expected = Expected { pts, due, at: moment(5), lone: true, silent: false, kept: false };
        arrivals.expect(expected);
        arrivals.expect(Expected { lone: false, silent: true, kept: true, ..expected });
        assert!(arrivals.find(Duration::ZERO).is_some_and(|found| found.silent));
        assert!(arrivals.find(Duration::from_millis(1)).is_none());
    }

    #[test]
    fn the_decoder_never_sees_time_go_back() {
        let mut course = Course::default();
        let seconds = Duration::from_secs;
        let mut due = |pts: u64, again| (seconds(pts) + course.shift(seconds(pts), again)).as_secs();
        assert_eq!([due(10, false), due(9, false), due(11, false)], [10, 9, 11]);
        assert_eq!([due(10, true), due(9, false), due(12, false)], [13, 12, 15]);
        assert_eq!([due(0, false), due(1, false)], [17, 18], "a jump back");
        assert_eq!(due(500, false), 517);
    }
}
