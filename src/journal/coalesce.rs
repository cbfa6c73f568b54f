//! Makes few records of many frames: consecutive frames of a camera that ended alike become one. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::record::{Frames, Record, Told};
use crate::clock::Moment;
use crate::event::Event;
use crate::gate::{Outcome, Settled};
use crate::ids::CameraId;

/// After a silence of so long, frames are no longer consecutive.
pub(super) const GAP: Duration = Duration::from_secs(10);

/// What is being joined, per camera.
#[derive(Debug)]
pub struct Coalescer {
    cameras: BTreeMap<CameraId, Open>,
    /// A record covers no more time than this: what is being joined is not yet on the disk.
    longest: Duration,
}

#[derive(Debug, Default)]
struct Open {
    settled: Option<Frames>,
    /// Those without a number. They come in between all the time.
    unnumbered: Option<Frames>,
}

impl Coalescer {
    #[must_use]
    pub fn new(longest: Duration) -> Self {
        Self { cameras: BTreeMap::new(), longest }
    }

    /// A frame has ended. Returns what it does not go on with.
    pub fn settled(&mut self, camera: &CameraId, settled: &Settled) -> Option<Record> {
        let frame = Frames::of_one(camera.as_str(), settled);
        let longest = self.longest;
        join(&mut self.open(camera).settled, frame, longest)
    }

    /// So many frames ended before they got a number, up to `at`.
    pub fn unnumbered(&mut self, camera: &CameraId, outcome: Outcome, count: u64, at: Moment) -> Option<Record> {
        let frames = Frames::unnumbered(camera.as_str(), outcome, count, at);
        let longest = self.longest;
        join(&mut self.open(camera).unnumbered, frames, longest)
    }

    /// An event was told. Stands for itself.
    #[must_use]
    pub fn event(event: &Event) -> Record {
        Record::Event(Told::of(event))
    }

    /// What should not wait any longer at this time: whatever is of interest, and what nothing joins any more.
    pub fn ripe(&mut self, now: Timestamp) -> Vec<Record> {
        let ripe = |frames: &mut Frames| {
            !matches!(frames.outcome, Outcome::NoMotion | Outcome::DecodeSkipped) || between(frames.to, now) > GAP
        };
        self.take_if(ripe)
    }

    /// All that is left.
    pub fn finish(&mut self) -> Vec<Record> {
        self.take_if(|_| true)
    }

    fn take_if(&mut self, wanted: impl Fn(&mut Frames) -> bool) -> Vec<Record> {
        let open = self.cameras.values_mut().flat_map(|open| [&mut open.unnumbered, &mut open.settled]);
        open.filter_map(|frames| frames.take_if(&wanted).map(Record::Frames)).collect()
    }

    fn open(&mut self, camera: &CameraId) -> &mut Open {
        self.cameras.entry(camera.clone()).or_default()
    }
}

fn join(open: &mut Option<Frames>, next: Frames, longest: Duration) -> Option<Record> {
    if let Some(open) = open
        && open.is_like(&next)
        && !stands_alone(next.outcome)
        && between(open.to, next.from) <= GAP
        && between(open.from, next.to) <= longest
    {
        open.join(&next);
        return None;
    }
    open.replace(next).map(Record::Frames)
}

/// Frames that went as far as the model are few, and each has a story of its own.
fn stands_alone(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Described | Outcome::Cached | Outcome::Expired | Outcome::Failed)
}

/// Zero if `to` is not later.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera() -> CameraId {
        CameraId::new("door").unwrap()
    }

    fn at(tenths: u64) -> Moment {
        let wall = Timestamp::from_millisecond(i64::try_from(tenths * 100).unwrap()).unwrap();
        Moment { mono: Duration::from_millis(tenths * 100), wall }
    }

    fn settled(frame: u64, outcome: Outcome, value: f32) -> Settled {
        Settled { frame, at: at(frame), outcome, because: None }.because("share", value, 0.5)
    }

    fn frames(record: &Record) -> (u64, Option<(u64, u64)>, Outcome) {
        let Record::Frames(frames) = record else { panic!("{record:?}") };
        (frames.count, frames.frames, frames.outcome)
    }

    #[test]
    fn frames_that_ended_alike_are_one_record_with_the_extremes() {
        let mut coalescer = Coalescer::new(Duration::MAX);
        for (frame, value) in [(1, 0.2), (2, 0.1), (3, 0.4)] {
            assert_eq!(coalescer.settled(&camera(), &settled(frame, Outcome::NoMotion, value)), None);
        }
        let closed = coalescer.settled(&camera(), &settled(4, Outcome::Budget, 0.0)).unwrap();
        assert_eq!(frames(&closed), (3, Some((1, 3)), Outcome::NoMotion));
        let Record::Frames(closed) = closed else { panic!() };
        let why = closed.why.unwrap();
        assert_eq!(((why.value.0, why.value.1), closed.from, closed.to), ((0.1, 0.4), at(1).wall, at(3).wall));
        assert_eq!(coalescer.finish().iter().map(frames).collect::<Vec<_>>(), [(1, Some((4, 4)), Outcome::Budget)]);
        assert!(coalescer.finish().is_empty());
    }

    #[test]
    fn a_long_time_a_gap_and_the_model_make_a_new_record() {
        let mut coalescer = Coalescer::new(Duration::from_secs(60));
        let closes = |coalescer: &mut Coalescer, frame, outcome| {
            coalescer.settled(&camera(), &settled(frame, outcome, 0.0)).is_some()
        };
        assert!(!closes(&mut coalescer, 0, Outcome::NoMotion));
        assert!(closes(&mut coalescer, 101, Outcome::NoMotion), "a gap");
        for frame in 1..=6 {
            assert!(!closes(&mut coalescer, 101 + frame * 100, Outcome::NoMotion));
        }
        assert!(closes(&mut coalescer, 702, Outcome::NoMotion), "longer than a minute");
        assert!(closes(&mut coalescer, 703, Outcome::Described));
        assert!(closes(&mut coalescer, 704, Outcome::Described), "each stands alone");
    }

    #[test]
    fn frames_without_a_number_do_not_come_between() {
        let mut coalescer = Coalescer::new(Duration::MAX);
        for frame in 0..5 {
            assert_eq!(coalescer.settled(&camera(), &settled(frame, Outcome::NoMotion, 0.0)), None);
            assert_eq!(coalescer.unnumbered(&camera(), Outcome::DecodeSkipped, 49, at(frame)), None);
        }
        let all: Vec<_> = coalescer.finish().iter().map(frames).collect();
        assert_eq!(all, [(245, None, Outcome::DecodeSkipped), (5, Some((0, 4)), Outcome::NoMotion)]);
    }

    #[test]
    fn what_is_of_interest_does_not_wait() {
        let mut coalescer = Coalescer::new(Duration::MAX);
        coalescer.settled(&camera(), &settled(1, Outcome::NoMotion, 0.0));
        assert!(coalescer.ripe(at(50).wall).is_empty());
        assert_eq!(coalescer.ripe(at(102).wall).len(), 1);
        coalescer.settled(&camera(), &settled(103, Outcome::Lighting, 0.0));
        assert_eq!(coalescer.ripe(at(103).wall).len(), 1);
    }
}
