//! What can be set about one camera's stream, and what a camera's address may look like.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::ids::CameraId;

#[derive(Debug, Clone)]
pub struct Settings {
    pub camera: CameraId,
    pub location: Location,
    pub decode: Decode,
    /// A GStreamer decoder element by name; `None`: the best that the machine has.
    pub decoder: Option<String>,
    /// Frames per second that reach the gate, at most.
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

/// How RTP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    #[default]
    Tcp,
    Udp,
}

/// How fast a file plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// As a camera would deliver it; frame times are the clock's.
    #[default]
    RealTime,
    /// As fast as the consumer takes frames; none is dropped, and frame times are the clip's own, counted from the start.
    Fast,
}

/// Where frames come from. The addresses of network cameras may hold credentials, so they are secret:
/// [`Location::shown`] is what logs and errors may say.
#[derive(Debug, Clone)]
pub enum Location {
    Rtsp { url: SecretString, transport: Transport },
    Http { url: SecretString },
    File { path: PathBuf, pace: Pace, repeat: bool },
    V4l2 { device: PathBuf },
    Csi { sensor: u32 },
    Test { pattern: String },
}
