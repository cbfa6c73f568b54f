//! Who listens to a running pipeline without being a part of it: the demo's printer, the report, `explain`.

use std::sync::Arc;

use crate::analyst::Ruling;
use crate::event::Event;
use crate::frame::Frame;
use crate::gate::{Candidate, Motion, Outcome, Settled};
use crate::ids::CameraId;
use crate::journal::Journal;
use crate::vlm::Answer;

/// Hears what the stages do. Called on their own tasks: return at once.
pub trait Audience: Send + Sync {
    /// An event is safe in the outbox.
    fn event(&self, _event: &Event) {}

    /// The gate has looked at a frame. What becomes of the frame is said in [`Audience::settled`], now or later.
    fn observed(&self, _camera: &CameraId, _frame: &Frame, _motion: &Motion) {}

    /// The gate passes a frame on: an event starts (`start`) or goes on.
    fn chosen(&self, _camera: &CameraId, _candidate: &Candidate, _start: bool) {}

    /// A frame has ended, in exactly one outcome. Frames that never reached the gate are only counted.
    fn settled(&self, _camera: &CameraId, _settled: &Settled) {}

    /// So many frames ended before the gate saw them: never decoded, or overtaken on the way.
    fn dropped(&self, _camera: &CameraId, _outcome: Outcome, _frames: u64) {}

    /// The model answered.
    fn answered(&self, _camera: &CameraId, _answer: &Answer) {}

    /// A rule was answered about a frame; the state machine has taken that in.
    fn ruled(&self, _camera: &CameraId, _frame: &Frame, _ruling: &Ruling) {}
}

/// Nobody listens.
impl Audience for () {}

/// All of them listen, in this order.
impl Audience for Vec<Arc<dyn Audience>> {
    fn event(&self, event: &Event) {
        self.iter().for_each(|audience| audience.event(event));
    }

    fn observed(&self, camera: &CameraId, frame: &Frame, motion: &Motion) {
        self.iter().for_each(|audience| audience.observed(camera, frame, motion));
    }

    fn chosen(&self, camera: &CameraId, candidate: &Candidate, start: bool) {
        self.iter().for_each(|audience| audience.chosen(camera, candidate, start));
    }

    fn settled(&self, camera: &CameraId, settled: &Settled) {
        self.iter().for_each(|audience| audience.settled(camera, settled));
    }

    fn dropped(&self, camera: &CameraId, outcome: Outcome, frames: u64) {
        self.iter().for_each(|audience| audience.dropped(camera, outcome, frames));
    }

    fn answered(&self, camera: &CameraId, answer: &Answer) {
        self.iter().for_each(|audience| audience.answered(camera, answer));
    }

    fn ruled(&self, camera: &CameraId, frame: &Frame, ruling: &Ruling) {
        self.iter().for_each(|audience| audience.ruled(camera, frame, ruling));
    }
}

/// The journal keeps how frames ended and which events were told.
impl Audience for Journal {
    fn event(&self, event: &Event) {
        Journal::event(self, event);
    }

    fn settled(&self, camera: &CameraId, settled: &Settled) {
        Journal::settled(self, camera, settled);
    }

    fn dropped(&self, camera: &CameraId, outcome: Outcome, frames: u64) {
        Journal::dropped(self, camera, outcome, frames);
    }
}
