//! How a camera is, in words. Health is one of the two things that go against the flow (the other is cancellation):
//! `source` writes it, `mqtt` and `service` read it.

use jiff::Timestamp;
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    Online,
    Offline,
    Disabled,
}

/// State of one camera, since when, and why, in a sentence without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraHealth {
    pub state: CameraState,
    pub since: Timestamp,
    pub reason: String,
    /// How often it was tried and failed since it was last online.
    pub failures: u32,
}

impl CameraHealth {
    /// A camera that was not tried yet.
    #[must_use]
    pub fn starting(since: Timestamp) -> Self {
        Self { state: CameraState::Offline, since, reason: "starting".into(), failures: 0 }
    }
}
