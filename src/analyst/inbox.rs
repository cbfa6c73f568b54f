//! The edge from the gates to the analyst: bounded, fair between cameras, within the budgets. A lock around [`Lanes`], and
//! bells. When it is full, the oldest picture of the same camera goes, counted; that something happened is still announced.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::lanes::{Lanes, Offered, Report, Terms};
use super::letter::{Delivery, Displaced};
use super::{Camera, General, Settings};
use crate::clock::{Clock, Moment};
use crate::frame::Frame;
use crate::gate::Signal;
use crate::ids::CameraId;

/// The lanes behind a lock, with a bell.
#[derive(Debug)]
pub struct Inbox {
    lanes: Mutex<State>,
    clock: Clock,
    /// Rung when a letter comes, a camera's own time goes on, or the inbox closes.
    came: Notify,
    /// Rung when a letter was worked off.
    done: Notify,
}

#[derive(Debug)]
struct State {
    lanes: Lanes,
    /// By lane. Who left stays until another takes the lane.
    cameras: Vec<Arc<Camera>>,
    general: General,
    /// The lane whose letter the analyst works on.
    busy: Option<usize>,
}

/// A letter with what holds at the time it is worked on.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) delivery: Delivery,
    pub(super) camera: Arc<Camera>,
    pub(super) general: General,
}

impl Inbox {
    /// A lane for each camera of the settings, in their order.
    #[must_use]
    pub fn new(settings: &Settings, clock: Clock) -> Self {
        let general = settings.general;
        let lanes = Lanes::new(settings.cameras.iter().map(terms), general.allowance, general.deadline);
        let cameras = settings.cameras.iter().cloned().map(Arc::new).collect();
        let state = State { lanes, cameras, general, busy: None };
        Self { lanes: Mutex::new(state), clock, came: Notify::new(), done: Notify::new() }
    }

    /// A camera that is watched from now on, or again, or with other settings: its lane. A camera keeps its lane as long as
    /// something of it waits.
    pub fn enter(&self, camera: Camera) -> usize {
        let mut state = self.state();
        let known = state.cameras.iter().position(|known| known.id == camera.id);
        let lane = match known {
            Some(lane) => {
                let shared = state.general.allowance;
                state.lanes.change(lane, terms(&camera), shared);
                lane
            }
            None => {
                let (shared, busy) = (state.general.allowance, state.busy);
                state.lanes.enter(terms(&camera), shared, busy)
            }
        };
        let camera = Arc::new(camera);
        match state.cameras.get_mut(lane) {
            Some(known) => *known = camera,
            None => state.cameras.push(camera),
        }
        drop(state);
        self.came.notify_one();
        lane
    }

    /// A camera is no longer watched; what waits of it is still worked off.
    pub fn leave(&self, lane: usize) {
        self.state().lanes.leave(lane);
    }

    /// What holds for all cameras, from now on.
    pub fn set_general(&self, general: General) {
        let mut state = self.state();
        if state.general != general {
            state.general = general;
            state.lanes.set_general(general.allowance, general.deadline);
        }
    }

    pub(super) fn camera(&self, lane: usize) -> Option<Arc<Camera>> {
        self.state().cameras.get(lane).cloned()
    }

    /// The time of a camera that has its own (a clip that plays as fast as it is understood): what waits for a budget there
    /// waits by this time. Say it before each frame, then wait for [`Inbox::settled`].
    pub fn advance(&self, lane: usize, at: Moment) {
        self.state().lanes.advance(lane, at);
        self.came.notify_one();
    }

    /// Never waits. `lane` is the camera's index, `now` the camera's time.
    pub fn put(&self, lane: usize, signal: Signal, now: Moment) -> Displaced {
        let displaced = self.state().lanes.push(lane, signal, now);
        self.came.notify_one();
        displaced
    }

    /// A frame that the gate has looked at, for the rules whose time has come. Never waits.
    pub fn offer(&self, lane: usize, frame: &Frame, now: Moment) -> Offered {
        let offered = self.state().lanes.offer(lane, frame, now);
        if offered != Offered::Nothing {
            self.came.notify_one();
        }
        offered
    }

    /// No more letters will come: the analyst ends after the last one.
    pub fn close(&self) {
        self.state().lanes.closed = true;
        self.came.notify_one();
    }

    /// Returns once nothing of this camera can be worked on or is being worked on; what waits for a budget waits. For clips
    /// that play as fast as they are understood.
    pub async fn settled(&self, lane: usize) {
        loop {
            let done = self.done.notified();
            tokio::pin!(done);
            // From here on no bell is missed.
            done.as_mut().enable();
            {
                let state = self.state();
                if state.busy != Some(lane) && !state.lanes.is_ready(lane, self.clock.now()) {
                    return;
                }
            }
            done.await;
        }
    }

    /// The next letter, or `None` after the last. Taking one says that the one before is worked off.
    pub(super) async fn take(&self) -> Option<Errand> {
        loop {
            let due = {
                let mut state = self.state();
                let now = self.clock.now();
                let delivery = state.lanes.pop(now);
                state.busy = delivery.as_ref().map(|delivery| delivery.lane);
                let over = state.lanes.closed && state.lanes.is_empty();
                let due = state.lanes.due(now);
                let errand = delivery.map(|delivery| {
                    let camera = state.cameras[delivery.lane].clone();
                    Errand { delivery, camera, general: state.general }
                });
                drop(state);
                self.done.notify_waiters();
                if over || errand.is_some() {
                    return errand;
                }
                due
            };
            tokio::select! {
                () = self.came.notified() => {}
                () = self.until(due) => {}
            }
        }
    }

    /// What the letter that is being worked on came to.
    pub(super) fn report(&self, lane: usize, report: Report) {
        self.state().lanes.report(lane, report, self.clock.now());
    }

    /// The model was busy so long for a question from outside about this camera. It was somebody's explicit wish, so no budget
    /// held it up; it takes from the burst of the shares of time, of the camera and of the box.
    pub fn charge(&self, camera: &CameraId, busy: Duration) {
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(lane) = state.cameras.iter().position(|known| known.id == *camera) {
            state.lanes.charge(lane, busy, now);
        }
    }

    async fn until(&self, due: Option<Duration>) {
        match due {
            Some(mono) => {
                let due = self.clock.instant(Moment { mono, wall: jiff::Timestamp::UNIX_EPOCH });
                sleep_until(Instant::from_std(due)).await;
            }
            None => std::future::pending().await,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the lanes whole: each change is one call.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn terms(camera: &Camera) -> Terms {
    let Camera { rules, allowance, view, own_time, .. } = camera;
    Terms { rules: rules.clone(), allowance: *allowance, view: *view, own_time: *own_time }
}
