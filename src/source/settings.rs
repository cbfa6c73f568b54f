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

/// Why a text is no camera's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    #[error("the address begins with `{scheme}://`, which is no kind of camera")]
    Scheme { scheme: String },
    #[error("the address names no host")]
    NoHost,
    #[error("`csi://` wants the number of the sensor, such as `csi://0`")]
    Sensor,
    #[error("the address is empty")]
    Empty,
}

impl Location {
    /// Reads rtsp, rtsps, http, https and file addresses, bare paths, `v4l2:///dev/video0`, `csi://0` and `test://`.
    ///
    /// # Errors
    /// [`LocationError`]
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() { Err(LocationError::Empty) } else { Ok(Self::file(text)) };
        };
        let with_host = || if rest.is_empty() { Err(LocationError::NoHost) } else { Ok(SecretString::from(text)) };
        match scheme {
            "rtsp" | "rtsps" => Ok(Self::Rtsp { url: with_host()?, transport: Transport::default() }),
            "http" | "https" => Ok(Self::Http { url: with_host()? }),
            "file" => Ok(Self::file(rest)),
            "v4l2" => Ok(Self::V4l2 { device: rest.into() }),
            "csi" => Ok(Self::Csi { sensor: rest.parse().map_err(|_| LocationError::Sensor)? }),
            "test" => Ok(Self::Test { pattern: rest.to_owned() }),
            _ => Err(LocationError::Scheme { scheme: scheme.to_owned() }),
        }
    }

    fn file(path: &str) -> Self {
        Self::File { path: path.into(), pace: Pace::default(), repeat: false }
    }
}
