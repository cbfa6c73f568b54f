//! The edge from the gates to the analyst: bounded, fair between cameras. When it is full, the oldest picture of the
//! same camera goes, counted; that something happened is still announced.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::clock::Moment;
use crate::event::{Cause, Kind};
use crate::gate::{Candidate, EndReason, Outcome, Settled, Signal};
use crate::units::Region;

/// Pictures that may wait per camera. Each holds a decoder's buffer, so it is few.
const PICTURES: usize = 4;

/// Letters that may wait per camera; without a picture one is some hundred bytes.
const LETTERS: usize = 64;

/// What waits for the analyst.
#[derive(Debug)]
pub(crate) enum Letter {
    /// A frame to describe.
    Look { kind: Kind, candidate: Candidate },
    /// An event began and its picture had to go.
    Unseen { started_at: Moment, at: Moment, cause: Cause, region: Option<Region> },
    /// The event is over.
    End { started_at: Moment, ended_at: Moment, reason: EndReason },
}

/// A letter with the camera it is about (by its index) and when it was put in.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) lane: usize,
    pub(crate) letter: Letter,
    pub(crate) since: Moment,
}

/// What had to make room.
#[derive(Debug, Default, PartialEq)]
pub struct Displaced {
    pub frames: Vec<Settled>,
    /// Whole events, start and end, that nobody will hear of.
    pub events: u64,
}

/// One lane per camera, served in turns. Pure.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: Vec<VecDeque<(Letter, Moment)>>,
    next: usize,
}

impl Lanes {
    pub(crate) fn new(cameras: usize) -> Self {
        Self { lanes: (0..cameras).map(|_| VecDeque::new()).collect(), next: 0 }
    }

    pub(crate) fn push(&mut self, lane: usize, signal: Signal, now: Moment) -> Displaced {
        let mut displaced = Displaced::default();
        let lane = &mut self.lanes[lane];
        let letter = match signal {
            Signal::Start(candidate) => Letter::Look { kind: Kind::Start, candidate },
            Signal::Update(candidate) => {
                // A newer picture of the same event is worth more than one that still waits.
                if let Some((Letter::Look { kind: Kind::Update, candidate: old }, _)) = lane.back() {
                    displaced.frames.push(Settled::new(&old.frame, Outcome::Superseded));
                    lane.pop_back();
                }
                Letter::Look { kind: Kind::Update, candidate }
            }
            Signal::End { started_at, ended_at, reason } => Letter::End { started_at, ended_at, reason },
        };
        lane.push_back((letter, now));
        drop_pictures(lane, &mut displaced);
        drop_events(lane, &mut displaced);
        displaced
    }

    /// The next letter; the cameras take turns.
    pub(crate) fn pop(&mut self) -> Option<Delivery> {
        let count = self.lanes.len();
        for step in 0..count {
            let lane = (self.next + step) % count;
            if let Some((letter, since)) = self.lanes[lane].pop_front() {
                self.next = (lane + 1) % count;
                return Some(Delivery { lane, letter, since });
            }
        }
        None
    }

    pub(crate) fn waiting(&self, lane: usize) -> usize {
        self.lanes[lane].len()
    }
}

fn drop_pictures(lane: &mut VecDeque<(Letter, Moment)>, displaced: &mut Displaced) {
    while lane.iter().filter(|(letter, _)| matches!(letter, Letter::Look { .. })).count() > PICTURES {
        let update = lane.iter().position(|(letter, _)| matches!(letter, Letter::Look { kind: Kind::Update, .. }));
        let start = lane.iter().position(|(letter, _)| matches!(letter, Letter::Look { .. }));
        let Some((Letter::Look { candidate, .. }, _)) = update.and_then(|at| lane.remove(at)) else {
            if let Some(slot) = start.map(|at| &mut lane[at])
                && let Letter::Look { candidate, .. } = &slot.0
            {
                displaced.frames.push(Settled::new(&candidate.frame, Outcome::Expired));
                slot.0 = Letter::Unseen {
                    started_at: candidate.started_at,
                    at: candidate.frame.at,
                    cause: candidate.cause,
                    region: candidate.region,
                };
            }
            continue;
        };
        displaced.frames.push(Settled::new(&candidate.frame, Outcome::Expired));
    }
}

fn drop_events(lane: &mut VecDeque<(Letter, Moment)>, displaced: &mut Displaced) {
    while lane.len() > LETTERS {
        let pair = lane
            .iter()
            .zip(lane.iter().skip(1))
            .position(|((a, _), (b, _))| matches!((a, b), (Letter::Unseen { .. }, Letter::End { .. })));
        let Some(at) = pair else { return };
        lane.drain(at..at + 2);
        displaced.events += 1;
    }
}

/// The lanes behind a lock, with a bell.
#[derive(Debug)]
pub struct Inbox {
    lanes: Mutex<State>,
    /// Rung when a letter comes or the inbox closes.
    came: Notify,
    /// Rung when a letter was worked off.
    done: Notify,
}

#[derive(Debug)]
struct State {
    lanes: Lanes,
    closed: bool,
    /// The lane whose letter the analyst works on.
    busy: Option<usize>,
}

impl Inbox {
    /// An inbox for so many cameras.
    #[must_use]
    pub fn new(cameras: usize) -> Self {
        let state = State { lanes: Lanes::new(cameras), closed: false, busy: None };
        Self { lanes: Mutex::new(state), came: Notify::new(), done: Notify::new() }
    }

    /// The time of a camera that has its own (a clip that plays as fast as it is understood): what waits for a budget there
    /// waits by this time. Say it before each frame, then wait for [`Inbox::settled`].
    pub fn advance(&self, lane: usize, at: Moment) {
        let _ = (lane, at);
    }

    /// Never waits. `lane` is the camera's index.
    pub fn put(&self, lane: usize, signal: Signal, now: Moment) -> Displaced {
        let displaced = self.state().lanes.push(lane, signal, now);
        self.came.notify_one();
        displaced
    }

    /// No more letters will come: the analyst ends after the last one.
    pub fn close(&self) {
        self.state().closed = true;
        self.came.notify_one();
    }

    /// Returns once nothing of this camera waits or is being worked on. For clips that play as fast as they are
    /// understood.
    pub async fn settled(&self, lane: usize) {
        loop {
            let done = self.done.notified();
            {
                let state = self.state();
                if state.lanes.waiting(lane) == 0 && state.busy != Some(lane) {
                    return;
                }
            }
            done.await;
        }
    }

    /// The next letter, or `None` after the last. Taking one says that the one before is worked off.
    pub(crate) async fn take(&self) -> Option<Delivery> {
        loop {
            {
                let mut state = self.state();
                let delivery = state.lanes.pop();
                state.busy = delivery.as_ref().map(|delivery| delivery.lane);
                let over = delivery.is_none() && state.closed;
                drop(state);
                self.done.notify_waiters();
                if over || delivery.is_some() {
                    return delivery;
                }
            }
            self.came.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the lanes whole: each change is one call.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frame::{Colour, Frame, Matrix, Picture, PixelFormat, Range};
    use crate::ids::CameraId;

    fn at(seconds: u64) -> Moment {
        Moment { mono: Duration::from_secs(seconds), wall: jiff::Timestamp::from_second(seconds as i64).unwrap() }
    }

    fn candidate(seq: u64) -> Candidate {
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        let picture = Picture::packed(16, 16, PixelFormat::I420, colour, vec![0; 384]).unwrap();
        let frame = Frame { camera: CameraId::new("c").unwrap(), seq, at: at(seq), pts: None, lone: false, picture };
        Candidate { frame, cause: Cause::Motion, region: None, started_at: at(seq) }
    }

    fn end(second: u64) -> Signal {
        Signal::End { started_at: at(second), ended_at: at(second), reason: EndReason::Quiet }
    }

    #[test]
    fn cameras_take_turns() {
        let mut lanes = Lanes::new(2);
        for seq in 0..3 {
            lanes.push(0, Signal::Start(candidate(seq)), at(seq));
        }
        lanes.push(1, Signal::Start(candidate(9)), at(9));
        let order: Vec<_> = std::iter::from_fn(|| lanes.pop()).map(|delivery| delivery.lane).collect();
        assert_eq!(order, [0, 1, 0, 0]);
    }

    #[test]
    fn a_newer_update_replaces_the_one_that_waits() {
        let mut lanes = Lanes::new(1);
        lanes.push(0, Signal::Start(candidate(1)), at(1));
        assert_eq!(lanes.push(0, Signal::Update(candidate(2)), at(2)), Displaced::default());
        let displaced = lanes.push(0, Signal::Update(candidate(3)), at(3));
        assert_eq!(displaced.frames, [Settled::new(&candidate(2).frame, Outcome::Superseded)]);
        assert_eq!(lanes.waiting(0), 2);
    }

    #[test]
    fn when_it_is_full_pictures_go_and_events_stay() {
        let mut lanes = Lanes::new(1);
        let mut gone = Vec::new();
        for n in 0..10 {
            gone.extend(lanes.push(0, Signal::Start(candidate(n)), at(n)).frames);
            gone.extend(lanes.push(0, end(n), at(n)).frames);
        }
        let gone: Vec<_> = gone.iter().map(|settled| (settled.frame, settled.outcome)).collect();
        assert_eq!(gone, (0..6).map(|n| (n, Outcome::Expired)).collect::<Vec<_>>());
        assert_eq!(lanes.waiting(0), 20);
    }

    #[test]
    fn a_storm_is_bounded_and_counted() {
        let mut lanes = Lanes::new(1);
        let mut lost = 0;
        for n in 0..1000 {
            lost += lanes.push(0, Signal::Start(candidate(n)), at(n)).events;
            lost += lanes.push(0, end(n), at(n)).events;
        }
        assert!(lanes.waiting(0) <= LETTERS);
        assert_eq!(lost, 1000 - lanes.waiting(0) as u64 / 2);
    }

    #[tokio::test]
    async fn a_closed_inbox_gives_out_what_it_holds() {
        let inbox = Inbox::new(1);
        inbox.put(0, Signal::Start(candidate(1)), at(1));
        inbox.close();
        assert!(inbox.take().await.is_some());
        assert!(inbox.take().await.is_none());
        inbox.settled(0).await;
    }
}
