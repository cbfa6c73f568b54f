//! Numbers a camera's pictures, gives them their time and puts them into the mailbox. Lives as long as the camera:
//! sequence numbers and the clip's own time go on over reconnects.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Moment};
use crate::frame::{Frame, Picture};
use crate::ids::CameraId;

use super::counters::Counters;
use super::life::Life;
use super::location::Pace;
use super::mailbox;

/// When a clip begins again, its first frame comes this long after its last one.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(40);

pub(super) struct Delivery {
    camera: CameraId,
    clock: Clock,
    pace: Pace,
    out: mailbox::Sender<Frame>,
    counters: Arc<Counters>,
    timeline: Mutex<Timeline>,
}

struct Timeline {
    next_seq: u64,
    /// The moment of presentation time zero, for [`Pace::Fast`].
    start: Moment,
    /// The latest moment that a frame got.
    last: Option<Moment>,
}

impl Delivery {
    pub(super) fn new(
        camera: CameraId,
        clock: Clock,
        pace: Pace,
        out: mailbox::Sender<Frame>,
        counters: Arc<Counters>,
    ) -> Self {
        let timeline = Mutex::new(Timeline { next_seq: 0, start: clock.clip_start(), last: None });
        Self { camera, clock, pace, out, counters, timeline }
    }

    /// The stream begins anew: presentation times start over, the moments of frames do not.
    pub(super) fn begin(&self) {
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = timeline.last {
            timeline.start = last.plus(BETWEEN_ROUNDS);
        }
    }

    /// Puts the picture into the mailbox; with [`Pace::Fast`] it waits for room, on a thread of GStreamer's.
    pub(super) fn deliver(&self, picture: Picture, pts: Option<Duration>, life: &Life) {
        let mut timeline = self.timeline.lock().unwrap_or_else(PoisonError::into_inner);
        if life.stop().load(Ordering::SeqCst) {
            return;
        }
        let at = match self.pace {
            Pace::RealTime => self.clock.now(),
            Pace::Fast => timeline.start.plus(pts.unwrap_or_default()),
        };
        let frame = Frame { camera: self.camera.clone(), seq: timeline.next_seq, at, pts, lone: false, picture };
        let delivered = match self.pace {
            Pace::RealTime => {
                // The mailbox counts what it replaced.
                drop(self.out.put(frame));
                true
            }
            // The lock is held while it waits: only this camera's streaming thread ever wants it.
            Pace::Fast => self.out.put_wait(frame, life.stop()).is_ok(),
        };
        if delivered {
            timeline.next_seq += 1;
            timeline.last = timeline.last.max(Some(at));
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
