//! What can be set about one camera's stream.

use std::time::Duration;

use crate::ids::CameraId;

use super::Location;

#[derive(Debug, Clone, PartialEq)]
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
    /// With [`Decode::Auto`]: after it was woken, a camera is decoded whole for so long at least.
    pub settle: Duration,
}

/// How much of a stream is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decode {
    /// As little as will do: keyframes while nothing goes on, and everything since the one before as soon as something
    /// does. Streams whose pictures all stand alone are decoded whole.
    #[default]
    Auto,
    All,
    Keyframes,
}
