//! What can be set about one camera's stream.

use std::time::Duration;

use crate::ids::CameraId;

use super::Location;

#[derive(Debug, Clone)]
pub struct Settings {
    pub camera: CameraId,
    pub location: Location,
    pub decode: Decode,
    /// A GStreamer decoder element by name; `None`: the best that the machine has.
    pub decoder: Option<String>,
    /// Frames per second that reach the gate, at most. Zero, negative or not finite: no limit.
    pub fps: f32,
    /// No frame for so long counts as lost.
    pub timeout: Duration,
}

/// How much of a stream is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decode {
    /// As little as will do. (Decodes all until the gate can ask for less.)
    #[default]
    Auto,
    All,
    Keyframes,
}
