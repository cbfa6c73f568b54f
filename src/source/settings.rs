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

/// Why a text is no camera address. Never repeats what may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    #[error("the address is empty: write one such as \"rtsp://10.0.0.20/stream1\"")]
    Empty,
    #[error("`{scheme}://` is no kind of camera address{}\nknown are rtsp, rtsps, http, https, file, v4l2, csi and test", hint(.near))]
    Scheme { scheme: String, near: Option<&'static str> },
    #[error("the address names no host: write it as `{scheme}://HOST/path`")]
    Host { scheme: String },
    #[error("a sensor address is `csi://` and a small number, such as `csi://0`")]
    Sensor,
}

fn hint(near: &Option<&'static str>) -> String {
    near.map(|n| format!(": did you mean `{n}://`?")).unwrap_or_default()
}

impl Location {
    /// Reads rtsp, rtsps, http, https and file addresses, bare paths, `v4l2:///dev/video0`, `csi://0` and `test://`.
    ///
    /// # Errors
    /// [`LocationError`], in words for whoever wrote the address.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() { Err(LocationError::Empty) } else { Ok(Self::file(text)) };
        };
        let network = || {
            let host = rest.split(['/', '?', '#']).next().and_then(|authority| authority.rsplit('@').next());
            match host {
                None | Some("") => Err(LocationError::Host { scheme: scheme.to_owned() }),
                Some(_) => Ok(SecretString::from(text)),
            }
        };
        match scheme {
            "rtsp" | "rtsps" => Ok(Self::Rtsp { url: network()?, transport: Transport::default() }),
            "http" | "https" => Ok(Self::Http { url: network()? }),
            "file" => Ok(Self::file(rest)),
            "v4l2" => Ok(Self::V4l2 { device: rest.into() }),
            "csi" => Ok(Self::Csi { sensor: rest.parse().map_err(|_| LocationError::Sensor)? }),
            "test" => Ok(Self::Test { pattern: rest.to_owned() }),
            _ => Err(LocationError::Scheme { near: nearest(scheme), scheme: scheme.to_owned() }),
        }
    }

    fn file(path: &str) -> Self {
        Self::File { path: path.into(), pace: Pace::default(), repeat: false }
    }
}

fn nearest(word: &str) -> Option<&'static str> {
    const SCHEMES: [&str; 8] = ["rtsp", "rtsps", "http", "https", "file", "v4l2", "csi", "test"];
    let (distance, best) = SCHEMES.iter().map(|known| (strsim::damerau_levenshtein(word, known), *known)).min()?;
    (distance <= 2 && distance < word.len()).then_some(best)
}
