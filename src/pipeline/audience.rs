//! Who listens to a running pipeline without being a part of it: the demo's printer, the report, `explain`.

use crate::event::Event;
use crate::frame::Frame;
use crate::gate::{Candidate, Motion, Settled};
use crate::ids::CameraId;
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

    /// The model answered.
    fn answered(&self, _camera: &CameraId, _answer: &Answer) {}
}

/// Nobody listens.
impl Audience for () {}
