//! One question's time: how it is stopped, and how much of it ONNX Runtime took.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ort::session::RunOptions;

use super::precision::Part;
use super::question::AskError;
use crate::clock::{Clock, Moment};

/// Ends a question from another thread, also in the middle of a graph.
pub struct Stop {
    raised: AtomicBool,
    options: RunOptions,
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("raised", &self.raised()).finish_non_exhaustive()
    }
}

impl Stop {
    /// One per question; an ONNX Runtime must be loaded.
    pub(super) fn new() -> Result<Arc<Self>, AskError> {
        let options = RunOptions::new().map_err(|source| AskError::Run { part: "run options", source })?;
        Ok(Arc::new(Self { raised: AtomicBool::new(false), options }))
    }

    /// Every graph that runs for this question ends at its next node, and no other begins.
    pub fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        if let Err(error) = self.options.terminate() {
            tracing::warn!(%error, "a question could not be stopped early");
        }
    }

    pub(super) fn raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }
}

/// What every graph run of one question shares.
pub(super) struct Call<'a> {
    pub stop: &'a Stop,
    pub clock: Clock,
    pub deadline: Moment,
    /// Time inside ONNX Runtime so far, by [`Part`].
    pub in_runtime: [Duration; 3],
}

impl<'a> Call<'a> {
    pub(super) fn new(stop: &'a Stop, clock: Clock, deadline: Moment) -> Self {
        Self { stop, clock, deadline, in_runtime: [Duration::ZERO; 3] }
    }

    pub(super) fn expired(&self) -> bool {
        self.stop.raised() || self.clock.now().mono >= self.deadline.mono
    }

    /// Runs a graph unless the time is over, and turns its end by [`Stop`] into [`AskError::Expired`].
    pub(super) fn run<T>(
        &mut self,
        part: Part,
        run: impl FnOnce(&RunOptions) -> ort::Result<T>,
    ) -> Result<T, AskError> {
        let began = self.clock.now();
        if self.stop.raised() || began.mono >= self.deadline.mono {
            return Err(AskError::Expired);
        }
        let result = run(&self.stop.options);
        self.in_runtime[part as usize] += self.clock.now().since(began);
        result.map_err(|source| {
            if self.stop.raised() { AskError::Expired } else { AskError::Run { part: part.words(), source } }
        })
    }
}
