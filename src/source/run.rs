//! Keeps one camera: connects, waits, connects again, for ever, and says how it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::frame::Frame;
use crate::health::{CameraHealth, CameraState};

use super::counters::Counters;
use super::decoder;
use super::delivery::Delivery;
use super::demand::Demand;
use super::location::{Location, Pace};
use super::mailbox;
use super::problem::Problem;
use super::session::{End, Outcome, run_once};
use super::settings::Settings;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why [`run`] came to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Cancelled,
    /// A file that plays once came to its end.
    Finished,
    /// A file that plays once cannot be played, or not to its end. Every other source is tried again for ever.
    Failed(Problem),
    /// Nobody takes frames any more.
    Unwanted,
}

/// Keeps the camera of `settings` until `cancel`: frames go to `out`, and how it is goes to `health`. A lost camera is
/// tried again after 1 s, up to 60 s, with jitter; a file that repeats begins anew at once. Returns within a second or
/// so of `cancel`, whatever the camera does. With [`Decode::Auto`](super::Decode::Auto) whoever takes the frames tells
/// `demand` after each of them.
pub async fn run(
    settings: Settings,
    clock: Clock,
    counters: Arc<Counters>,
    demand: Arc<Demand>,
    out: mailbox::Sender<Frame>,
    health: watch::Sender<CameraHealth>,
    cancel: CancellationToken,
) -> Ended {
    let span = tracing::info_span!("source", camera = %settings.camera);
    let camera = Camera::new(settings, clock, counters, demand, out, health);
    async move {
        let mut camera = camera;
        let ended = camera.keep(&cancel).await;
        camera.delivery.close();
        ended
    }
    .instrument(span)
    .await
}

struct Camera {
    settings: Settings,
    clock: Clock,
    delivery: Arc<Delivery>,
    counters: Arc<Counters>,
    health: watch::Sender<CameraHealth>,
    backoff: Backoff,
    /// Decoders that failed on this stream before they made one picture.
    refused: Vec<String>,
}

impl Camera {
    fn new(
        settings: Settings,
        clock: Clock,
        counters: Arc<Counters>,
        demand: Arc<Demand>,
        out: mailbox::Sender<Frame>,
        health: watch::Sender<CameraHealth>,
    ) -> Self {
        let pace = match settings.location {
            Location::File { pace, .. } => pace,
            _ => Pace::RealTime,
        };
        let delivery = Delivery::new(settings.camera.clone(), clock, pace, out, Arc::clone(&counters), demand);
        let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        Self { settings, clock, delivery: Arc::new(delivery), counters, health, backoff, refused: Vec::new() }
    }

    async fn keep(&mut self, cancel: &CancellationToken) -> Ended {
        loop {
            let outcome = self.once(cancel).await;
            if self.delivery.is_closed() {
                self.offline("nobody watches it any more", 0);
                return Ended::Unwanted;
            }
            let wait = match self.next(outcome) {
                Next::Done(ended) => return ended,
                Next::Again(wait) => wait,
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    self.offline("stopped", 0);
                    return Ended::Cancelled;
                }
                () = tokio::time::sleep(wait) => {}
            }
            // A file that begins anew at once was not lost.
            if !wait.is_zero() {
                self.counters.count_reconnect();
            }
        }
    }

    async fn once(&self, cancel: &CancellationToken) -> Outcome {
        let (health, clock) = (&self.health, self.clock);
        let online = |words: String| {
            tracing::info!(stream = %words, "online");
            publish(health, clock, CameraState::Online, words, 0);
        };
        run_once(&self.settings, &self.refused, &self.delivery, cancel, clock, online).await
    }

    /// What to do after a connection, and what to say about it.
    fn next(&mut self, outcome: Outcome) -> Next {
        if outcome.online {
            self.backoff.reset();
        }
        let once = matches!(self.settings.location, Location::File { repeat: false, .. });
        let problem = match outcome.end {
            End::Cancelled => {
                self.offline("stopped", 0);
                return Next::Done(Ended::Cancelled);
            }
            End::Finished if !outcome.online => Problem::EndedEmpty,
            End::Finished if once => {
                self.offline(&Problem::Ended.to_string(), 0);
                return Next::Done(Ended::Finished);
            }
            End::Finished if matches!(self.settings.location, Location::File { .. }) => {
                return Next::Again(Duration::ZERO);
            }
            End::Finished => Problem::Ended,
            End::Failed(Problem::Decoder { element, why }) if !outcome.online && self.may_refuse(element) => {
                tracing::warn!(decoder = element, %why, "this decoder fails on the stream, trying the next one");
                self.refused.push(element.to_owned());
                return Next::Again(Duration::ZERO);
            }
            End::Failed(problem) => problem,
        };
        let known = !outcome.online && self.health.borrow().reason == problem.to_string();
        self.offline(&problem.to_string(), if outcome.online { 1 } else { self.failures().saturating_add(1) });
        if once {
            tracing::warn!(%problem, "offline");
            return Next::Done(Ended::Failed(problem));
        }
        let wait = self.backoff.wait();
        let (failures, again_in_ms) = (self.failures(), wait.as_millis());
        if known {
            // A camera that is away for a night is one line, not one for each try.
            tracing::debug!(%problem, failures, again_in_ms, "still offline");
        } else {
            tracing::warn!(%problem, failures, again_in_ms, "offline; it is tried again and again");
        }
        Next::Again(wait)
    }

    /// A hardware decoder that was chosen, not pinned, may be passed over; a software decoder that fails has met a bad
    /// stream, and the next one would too.
    fn may_refuse(&self, element: &str) -> bool {
        self.settings.decoder.is_none() && decoder::is_hardware(element) && !self.refused.iter().any(|r| r == element)
    }

    fn failures(&self) -> u32 {
        self.health.borrow().failures
    }

    fn offline(&self, reason: &str, failures: u32) {
        publish(&self.health, self.clock, CameraState::Offline, reason.to_owned(), failures);
    }
}

enum Next {
    Done(Ended),
    Again(Duration),
}

/// `since` moves only when the state does.
fn publish(health: &watch::Sender<CameraHealth>, clock: Clock, state: CameraState, reason: String, failures: u32) {
    let now = clock.now().wall;
    health.send_modify(|health| {
        let since = if health.state == state { health.since } else { now };
        *health = CameraHealth { state, since, reason, failures };
    });
}
