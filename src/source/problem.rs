//! Why a camera is lost, in words for whoever owns it, and how GStreamer's errors become such words. Pure.

use std::path::PathBuf;
use std::time::Duration;

use gst::glib;
use gstreamer as gst;

use super::codec::Codec;
use super::{decoder, redact};

/// Why one connection ended, or never began. The words hold no secret and say what to look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("connection refused: nothing listens on port {port} of `{host}`")]
    Refused { host: String, port: u16 },
    #[error("host not found: there is no `{host}` in this network")]
    HostUnknown { host: String },
    #[error("`{host}` cannot be reached: {why}")]
    Unreachable { host: String, why: String },
    #[error("no answer: the connection attempt to port {port} of `{host}` timed out")]
    ConnectTimeout { host: String, port: u16 },
    #[error("wrong user name or password (the camera answered 401 or 403)")]
    Unauthorised,
    #[error("not found: the camera does not know this path (404), check what stands behind the host")]
    NotFound,
    #[error("the TLS certificate is not trusted, or is for another name")]
    Tls,
    #[error("no answer: connected, but no picture came within {}", seconds(*.after))]
    NoAnswer { after: Duration },
    #[error("lost: no picture for {}", seconds(*.after))]
    Silent { after: Duration },
    #[error("the stream ended")]
    Ended,
    #[error("the stream ended before its first picture")]
    EndedEmpty,
    #[error("there is no file `{}`", .path.display())]
    FileAbsent { path: PathBuf },
    #[error("`{}` cannot be read: {why}", .path.display())]
    FileUnreadable { path: PathBuf, why: String },
    #[error("`{}` is empty", .path.display())]
    FileEmpty { path: PathBuf },
    #[error("this is a text or a web page, no video")]
    Text,
    #[error(
        "what arrives is no video format that GStreamer knows: the data are damaged, or something else answers there"
    )]
    Garbage,
    #[error("port {port} of `{host}` answers, but not with a stream: {why}")]
    Nonsense { host: String, port: u16, why: String },
    #[error("the data are damaged: {0}")]
    Damaged(String),
    #[error("there is no video in the stream")]
    NoVideo,
    #[error("the camera offers no video stream, or not over the chosen transport (try the other of TCP and UDP)")]
    NoStream,
    #[error("`{0}` video cannot be decoded here: set the camera to H.264")]
    UnknownCodec(String),
    #[error("a picture of {width}x{height} is outside of what is accepted (16x16 to 8192x8192)")]
    Size { width: u32, height: u32 },
    #[error("no decoder for {codec} works here: install the Debian package `{}`", decoder::package(*.codec))]
    NoDecoder { codec: Codec },
    #[error("`{pin}` is pinned, but it is no {codec} decoder of this machine: {}", one_of(.available))]
    Pinned { pin: String, codec: Codec, available: Vec<String> },
    #[error("the decoder `{element}` failed: {why}")]
    Decoder { element: &'static str, why: String },
    #[error("GStreamer has no element `{element}`: install the package `{package}`")]
    Missing { element: &'static str, package: &'static str },
    #[error("the device cannot be opened: {0}")]
    Device(String),
    #[error("the stream cannot be set up: {0}")]
    Pipeline(String),
    #[error("{0}")]
    Other(String),
}

fn seconds(d: Duration) -> String {
    let s = d.as_secs_f64();
    if s.fract() == 0.0 { format!("{s:.0} s") } else { format!("{s:.1} s") }
}

fn one_of(available: &[String]) -> String {
    match available {
        [] => "there is none".to_owned(),
        names => format!("write one of {}", names.join(", ")),
    }
}

impl Problem {
    /// What a GStreamer error means. `debug` is its second text, which often knows more.
    pub(super) fn from_gst(error: &glib::Error, debug: Option<&str>) -> Self {
        let debug = debug.unwrap_or("");
        let both = format!("{error}\n{debug}");
        if let Some(known) = by_words(&both) {
            return known;
        }
        let words = redact::text(&error.to_string());
        if let Some(kind) = error.kind::<gst::ResourceError>() {
            return match kind {
                gst::ResourceError::NotFound => Self::NotFound,
                gst::ResourceError::NotAuthorized => Self::Unauthorised,
                gst::ResourceError::Read => Self::Other("the connection broke off".to_owned()),
                gst::ResourceError::Busy => Self::Device("it is in use".to_owned()),
                _ => Self::Other(words),
            };
        }
        match error.kind::<gst::StreamError>() {
            Some(gst::StreamError::TypeNotFound | gst::StreamError::WrongType) => Self::Garbage,
            Some(gst::StreamError::CodecNotFound) => Self::UnknownCodec(codec_in(debug)),
            Some(gst::StreamError::Demux) => Self::Damaged(words),
            // "Internal data stream error": the plugins gave up and nobody said why.
            Some(gst::StreamError::Failed) => {
                Self::Damaged("the stream broke off, or is of an unusual kind".to_owned())
            }
            _ => Self::Other(words),
        }
    }

    /// Whether asking the network why may tell more than GStreamer did.
    pub(super) fn vague(&self) -> bool {
        matches!(self, Self::Other(_) | Self::Damaged(_) | Self::Pipeline(_) | Self::Garbage | Self::NoAnswer { .. })
    }
}

/// Errors whose code says little and whose text says it all. The texts are the same from GStreamer 1.20 to 1.26.
fn by_words(both: &str) -> Option<Problem> {
    const SIGNS: [(&str, Problem); 13] = [
        ("No supported stream", Problem::NoStream),
        ("Unauthorized", Problem::Unauthorised),
        ("(401)", Problem::Unauthorised),
        ("Forbidden", Problem::Unauthorised),
        ("(403)", Problem::Unauthorised),
        ("Not Found", Problem::NotFound),
        ("(404)", Problem::NotFound),
        ("certificate", Problem::Tls),
        ("plain text files", Problem::Text),
        ("contains no data", Problem::EndedEmpty),
        ("enough data", Problem::Garbage),
        ("contains no streams", Problem::NoVideo),
        ("reason not-linked", Problem::NoVideo),
    ];
    let found = SIGNS.into_iter().find(|(sign, _)| both.contains(sign)).map(|(_, problem)| problem);
    found.or_else(|| {
        let damaged = ["moov", "truncated", "corrupt", "no playable streams"].iter().any(|s| both.contains(s));
        damaged.then(|| Problem::Damaged("the file is cut off, or its index is missing".to_owned()))
    })
}

/// The caps name in "Missing decoder: H.265 (video/x-h265, …)", or the whole kind of thing that is missing.
fn codec_in(debug: &str) -> String {
    let start = ["video/", "image/"].iter().find_map(|kind| debug.find(kind));
    let name = start.map_or("this", |s| &debug[s..]);
    name.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.')))
        .next()
        .unwrap_or("this")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_become_reasons() {
        let error = glib::Error::new(gst::ResourceError::Read, "Could not read from resource.");
        let debug = Some("gstrtspsrc.c(6794): gst_rtspsrc_send (): Unauthorized (401)");
        assert_eq!(Problem::from_gst(&error, debug), Problem::Unauthorised);
        let error = glib::Error::new(gst::StreamError::Demux, "This file contains no playable streams.");
        assert!(matches!(Problem::from_gst(&error, None), Problem::Damaged(_)));
    }

    #[test]
    fn unknown_texts_are_kept_without_secrets() {
        let error = glib::Error::new(gst::ResourceError::Failed, "Cannot do rtsp://a:s3cret@b/c?d=s3cret");
        let words = Problem::from_gst(&error, None).to_string();
        assert_eq!(words, "Cannot do rtsp://b/c?…");
    }

    #[test]
    fn a_missing_codec_is_named() {
        let error = glib::Error::new(gst::StreamError::CodecNotFound, "Your installation is missing a plug-in.");
        let words = Problem::from_gst(&error, Some("no decoder for video/x-wmv, wmvversion=3")).to_string();
        assert!(words.contains("`video/x-wmv`"), "{words}");
    }

    #[test]
    fn times_are_short() {
        assert!(Problem::Silent { after: Duration::from_secs(20) }.to_string().ends_with(" 20 s"));
        assert!(Problem::Silent { after: Duration::from_millis(1500) }.to_string().ends_with(" 1.5 s"));
    }
}
