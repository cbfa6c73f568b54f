//! The signs of life of one connection and the few things that its GStreamer threads tell its task.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Clock;

use super::problem::Problem;

/// What a GStreamer thread says to the task that waits for it.
#[derive(Debug)]
pub(super) enum Signal {
    /// The first picture was decoded; in words, what the stream is.
    Online(String),
    /// The last picture was decoded.
    Ended,
    Failed(Problem),
}

/// Shared between the task and the GStreamer threads of one connection.
#[derive(Debug)]
pub(super) struct Life {
    clock: Clock,
    signals: mpsc::Sender<Signal>,
    /// Milliseconds of the clock at the last sign of life.
    last: AtomicU64,
    online: AtomicBool,
    stop: AtomicBool,
}

impl Life {
    pub(super) fn new(clock: Clock) -> (Self, mpsc::Receiver<Signal>) {
        // One `Online`, one end: whatever comes after the first few says nothing new.
        let (signals, receiver) = mpsc::channel(8);
        let life = Self {
            last: AtomicU64::new(millis(clock.now().mono)),
            clock,
            signals,
            online: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        };
        (life, receiver)
    }

    /// Tells the task. What does not fit is the noise that follows the first failure.
    pub(super) fn tell(&self, signal: Signal) {
        if self.signals.try_send(signal).is_err() {
            tracing::debug!("one more message of a stream that has said enough");
        }
    }

    /// Something came that shows that the camera is there.
    pub(super) fn beat(&self) {
        self.last.fetch_max(millis(self.clock.now().mono), Ordering::Relaxed);
    }

    /// When the last sign of life came, on the clock's `mono`.
    pub(super) fn last(&self) -> Duration {
        Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// True the first time.
    pub(super) fn first_picture(&self) -> bool {
        !self.online.swap(true, Ordering::SeqCst)
    }

    /// Whether a picture was decoded.
    pub(super) fn online(&self) -> bool {
        self.online.load(Ordering::SeqCst)
    }

    /// Set when the connection is being taken down: nothing waits and nothing is delivered any more.
    pub(super) fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
