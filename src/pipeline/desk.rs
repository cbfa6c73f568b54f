//! Where questions from outside wait for the model.

use crate::ask::{Answering, Desk, Refusal, Request};
use crate::ids::CameraId;

/// Takes questions about what cameras see now.
#[derive(Debug, Default)]
pub(super) struct Questions {}

impl Desk for Questions {
    fn ask(&self, _request: Request) -> Answering {
        Box::pin(async { Err(Refusal::Stopping) })
    }

    fn enable(&self, _camera: &CameraId, _on: bool) -> Result<(), Refusal> {
        Err(Refusal::Stopping)
    }
}
