//! Numbers a camera's pictures, gives them their time and puts them into the mailbox. Lives as long as the camera:
//! sequence numbers and the clip's own time go on over reconnects.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Moment};
use crate::frame::{Frame, Picture};
use crate::ids::CameraId;

use super::arrivals::Expected;
use super::counters::Counters;
use super::demand::Demand;
use super::life::Life;
use super::location::Pace;
use super::mailbox;

/// When a clip begins again, its first frame comes this long after its last one.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(40);
/// A frame is live again when it is no older than this. Until then, after kept units were decoded, frames wait for room.
const LIVE: Duration = Duration::from_millis(250);
/// What is older than anything that may have been kept does not wait.
const OLDEST: Duration = Duration::from_secs(60);

pub(super) struct Delivery {
    camera: CameraId,
    clock: Clock,
    pace: Pace,
    out: mailbox::Sender<Frame>,
    counters: Arc<Counters>,
    demand: Arc<Demand>,
    timeline: Mutex<Timeline>,
}

struct Timeline {
    next_seq: u64,
    /// The moment of presentation time zero, for [`Pace::Fast`].
    start: Moment,
    /// The latest moment that a frame got.
    last: Option<Moment>,
    /// The latest moment of a frame that the gate cannot have forgotten again.
    floor: Option<Moment>,
    /// Kept units are being decoded, and what came meanwhile.
    catching_up: bool,
}

impl Delivery {
    pub(super) fn new(
        camera: CameraId,
        clock: Clock,
        pace: Pace,
        out: mailbox::Sender<Frame>,
        counters: Arc<Counters>,
        demand: Arc<Demand>,
    ) -> Self {
        let start = clock.clip_start();
        let timeline = Timeline { next_seq: 0, start, last: None, floor: None, catching_up: false };
        Self { camera, clock, pace, out, counters, demand, timeline: Mutex::new(timeline) }
    }

    /// The stream begins anew: presentation times start over, the moments of frames do not.
    pub(super) fn begin(&self) {
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = timeline.last {
            timeline.start = last.plus(BETWEEN_ROUNDS);
        }
    }

    /// Puts the picture into the mailbox. With [`Pace::Fast`], and while kept units are caught up with, it waits for
    /// room, on a thread of GStreamer's. `expected` is what was known of it before it was decoded.
    pub(super) fn deliver(&self, picture: Picture, pts: Option<Duration>, expected: Option<Expected>, life: &Life) {
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        if life.stopping() {
            return;
        }
        let at = match self.pace {
            Pace::RealTime => timeline.moment(expected.as_ref(), self.clock.now()),
            Pace::Fast => timeline.start.plus(pts.unwrap_or_default()),
        };
        let lone = expected.is_some_and(|expected| expected.lone);
        let frame = Frame { camera: self.camera.clone(), seq: timeline.next_seq, at, pts, lone, picture };
        let waits = self.pace == Pace::Fast || timeline.catching_up;
        // The lock is held while it waits: only this camera's streaming thread ever wants it.
        let delivered = if waits {
            self.out.put_wait(frame, life.stop()).is_ok()
        } else {
            // The mailbox counts what it replaced.
            drop(self.out.put(frame));
            true
        };
        if delivered {
            timeline.next_seq += 1;
            timeline.last = timeline.last.max(Some(at));
            if !lone {
                timeline.floor = timeline.floor.max(Some(at));
            }
            self.counters.count_delivered();
        }
    }

    /// Whether the consumer has yet to take the frame before: then no news is no sign of a lost camera.
    pub(super) fn consumer_is_slow(&self) -> bool {
        self.pace == Pace::Fast && self.out.is_full()
    }

    /// Ends every wait for room. Set the life's `stop` first.
    pub(super) fn wake(&self) {
        self.out.wake();
        self.demand.wake();
    }

    /// What the gate wants.
    pub(super) fn demand(&self) -> &Demand {
        &self.demand
    }

    /// Nobody takes frames any more.
    pub(super) fn is_closed(&self) -> bool {
        self.out.is_closed()
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.out.close();
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Timeline {
    /// When a picture was taken that comes out of the decoder `now`. Notes whether it is late because it was kept.
    fn moment(&mut self, expected: Option<&Expected>, now: Moment) -> Moment {
        let Some(expected) = expected else {
            self.catching_up = false;
            return now;
        };
        let age = now.since(expected.at);
        self.catching_up = (expected.kept || self.catching_up && age > LIVE) && age < OLDEST;
        // Only a lone frame may have come before what lies between.
        let floor = if expected.kept { self.floor } else { self.last };
        floor.map_or(expected.at, |floor| floor.max(expected.at))
    }
}
