//! Where questions from outside wait for the model: a few per camera, cameras in turn, each with a deadline. `answer` works them
//! off one at a time, so that in the model's own channel there is at most one of them and descriptions get their turn.
//!
//! What is asked about is the newest frame of the camera when its turn comes, not the one of when it was asked.

mod answer;
mod newest;
mod turns;
mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

pub(super) use self::answer::serve;
pub(super) use self::newest::Newest;
use self::turns::Turns;
use crate::analyst::General;
use crate::ask::{Answering, Desk, Refusal, Reply, Request};
use crate::clock::{Clock, Moment};
use crate::frame::Frame;
use crate::health::{CameraHealth, CameraState};
use crate::ids::CameraId;
use crate::rules::Calibrations;
use crate::telemetry::Metrics;
use crate::units::Polygon;

/// Orders that may wait while one is carried out, which takes a second where a camera has to be left.
const ORDERS: usize = 16;

/// A camera is to be turned on or off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) camera: CameraId,
    pub(super) on: bool,
}

/// What is known of a camera that can be asked about.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) health: watch::Receiver<CameraHealth>,
    pub(super) masks: Arc<[Polygon]>,
    pub(super) newest: Newest,
}

/// Takes questions about what cameras see now, and orders to turn them off and on.
#[derive(Debug)]
pub(super) struct Questions {
    state: Mutex<State>,
    /// Rung when a question comes, and at the end.
    came: Notify,
    orders: mpsc::Sender<Order>,
    /// What a probability of this model is worth.
    calibrations: Arc<Calibrations>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

#[derive(Debug)]
struct State {
    cameras: BTreeMap<CameraId, Seat>,
    waiting: Turns<Waiting>,
    general: General,
    closed: bool,
}

/// A question in the queue.
#[derive(Debug)]
struct Waiting {
    request: Request,
    asked: Moment,
    deadline: Moment,
    reply: oneshot::Sender<Result<Reply, Refusal>>,
}

/// A question that is in the queue, as its asker sees it.
struct Taken {
    deadline: Moment,
    /// As a refusal says it.
    seconds: u64,
    answer: oneshot::Receiver<Result<Reply, Refusal>>,
}

/// What a question is asked about.
struct Sight {
    frame: Frame,
    masks: Arc<[Polygon]>,
    general: General,
}

impl Questions {
    /// A desk without cameras, and where its orders come out.
    pub(super) fn new(
        general: General,
        calibrations: Arc<Calibrations>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> (Arc<Self>, mpsc::Receiver<Order>) {
        let (orders, receiver) = mpsc::channel(ORDERS);
        let state = State { cameras: BTreeMap::new(), waiting: Turns::default(), general, closed: false };
        let desk = Self { state: Mutex::new(state), came: Notify::new(), orders, calibrations, metrics, clock };
        (Arc::new(desk), receiver)
    }

    /// The cameras that can be asked about, from now on.
    pub(super) fn seat(&self, cameras: BTreeMap<CameraId, Seat>) {
        // What the old ones held is let go outside the lock.
        let _before = std::mem::replace(&mut self.state().cameras, cameras);
    }

    pub(super) fn set_general(&self, general: General) {
        self.state().general = general;
    }

    /// Nothing more is taken, and what waits is refused.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        // Whoever waits sees that nobody will answer.
        let _waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.came.notify_one();
    }

    /// The next question whose asker still waits; `None` once it is closed.
    async fn next(&self) -> Option<Waiting> {
        loop {
            {
                let now = self.clock.now();
                let mut state = self.state();
                state.waiting.retain(|waiting| waiting.wanted(now));
                if let Some((_, waiting)) = state.waiting.pop() {
                    return Some(waiting);
                }
                if state.closed {
                    return None;
                }
            }
            self.came.notified().await;
        }
    }

    /// What the camera sees now.
    fn sight(&self, camera: &CameraId) -> Result<Sight, Refusal> {
        self.state().sight(camera)
    }

    /// Into the queue, or why not.
    fn take(&self, request: Request) -> Result<Taken, Refusal> {
        request.check()?;
        let now = self.clock.now();
        let mut state = self.state();
        if state.closed {
            return Err(Refusal::Stopping);
        }
        // Said at once, and looked at again when its turn comes.
        state.sight(&request.camera)?;
        state.waiting.retain(|waiting| waiting.wanted(now));
        let patience = state.general.deadline;
        let deadline = now.plus(patience);
        let (reply, receiver) = oneshot::channel();
        let camera = request.camera.clone();
        state.waiting.push(camera, Waiting { request, asked: now, deadline, reply }).map_err(|_| Refusal::Busy)?;
        drop(state);
        self.came.notify_one();
        Ok(Taken { deadline, seconds: whole_seconds(patience), answer: receiver })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As refusals say it.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs_f64().ceil() as u64
}

impl State {
    fn sight(&self, camera: &CameraId) -> Result<Sight, Refusal> {
        let seat = self.cameras.get(camera).ok_or_else(|| Refusal::NoCamera(camera.to_string()))?;
        let health = seat.health.borrow();
        let state = match health.state {
            CameraState::Online => {
                let frame = seat.newest.frame().ok_or(Refusal::NoFrame)?;
                return Ok(Sight { frame, masks: seat.masks.clone(), general: self.general });
            }
            CameraState::Offline => "offline",
            CameraState::Disabled => "disabled",
        };
        Err(Refusal::NotWatching { state, reason: health.reason.clone() })
    }
}

impl Waiting {
    fn wanted(&self, now: Moment) -> bool {
        !self.reply.is_closed() && now.mono < self.deadline.mono
    }
}

impl Desk for Questions {
    fn ask(&self, request: Request) -> Answering {
        let mut tally = Tally { metrics: self.metrics.clone(), camera: request.camera.clone(), outcome: "withdrawn" };
        let Taken { deadline, seconds, answer } = match self.take(request) {
            Ok(taken) => taken,
            Err(refusal) => {
                tally.ended(refusal.outcome());
                return Box::pin(std::future::ready(Err(refusal)));
            }
        };
        let until = Instant::from_std(self.clock.instant(deadline));
        Box::pin(async move {
            let answered = match timeout_at(until, answer).await {
                Ok(Ok(answered)) => answered,
                Ok(Err(_)) => Err(Refusal::Stopping),
                Err(_) => Err(Refusal::Late(seconds)),
            };
            tally.ended(answered.as_ref().map_or_else(Refusal::outcome, |_| "answered"));
            answered
        })
    }

    fn enable(&self, camera: &CameraId, on: bool) -> Result<(), Refusal> {
        let state = self.state();
        if state.closed {
            return Err(Refusal::Stopping);
        }
        if !state.cameras.contains_key(camera) {
            return Err(Refusal::NoCamera(camera.to_string()));
        }
        drop(state);
        self.orders.try_send(Order { camera: camera.clone(), on }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::Busy,
            mpsc::error::TrySendError::Closed(_) => Refusal::Stopping,
        })
    }
}

/// Counts a question once, however it ends: also when whoever asked has gone away.
struct Tally {
    metrics: Arc<Metrics>,
    camera: CameraId,
    outcome: &'static str,
}

impl Tally {
    /// A method, so that whoever answers later holds all of it.
    fn ended(&mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        // Anybody can make up cameras; the counters shall not grow with them.
        let camera = if self.outcome == "no_camera" { "" } else { self.camera.as_str() };
        self.metrics.question(camera, self.outcome);
    }
}

#[cfg(test)]
mod tests;
