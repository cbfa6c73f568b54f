//! The codecs of video streams: how GStreamer names them and in which form access units reach the router. Pure.

use std::fmt;

/// How a stream's pictures are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    H264,
    H265,
    Vp8,
    Vp9,
    Av1,
    Mpeg4,
    Mpeg2,
    Jpeg,
    /// Not coded at all: a local sensor or a test pattern.
    Raw,
}

impl Codec {
    /// From the name and the `mpegversion` of GStreamer caps; `None` if it is no video that can be decoded here.
    pub(super) fn of(name: &str, mpeg_version: Option<i32>) -> Option<Self> {
        Some(match (name, mpeg_version) {
            ("video/x-h264", _) => Self::H264,
            ("video/x-h265", _) => Self::H265,
            ("video/x-vp8", _) => Self::Vp8,
            ("video/x-vp9", _) => Self::Vp9,
            ("video/x-av1", _) => Self::Av1,
            // What AVI files call the same.
            ("video/mpeg", Some(4)) | ("video/x-divx", _) => Self::Mpeg4,
            ("video/mpeg", Some(1 | 2)) => Self::Mpeg2,
            ("image/jpeg", _) => Self::Jpeg,
            ("video/x-raw", _) => Self::Raw,
            _ => return None,
        })
    }

    /// The parser that cuts this codec's stream into access units, and the caps it shall produce. `None`: the stream
    /// arrives in access units already.
    pub(super) fn parser(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::H264 => ("h264parse", "video/x-h264,stream-format=byte-stream,alignment=au"),
            Self::H265 => ("h265parse", "video/x-h265,stream-format=byte-stream,alignment=au"),
            Self::Vp9 => ("vp9parse", "video/x-vp9,alignment=super-frame"),
            Self::Av1 => ("av1parse", "video/x-av1,stream-format=obu-stream,alignment=tu"),
            Self::Mpeg4 => ("mpeg4videoparse", "video/mpeg,mpegversion=4,systemstream=false;video/x-divx"),
            Self::Mpeg2 => ("mpegvideoparse", "video/mpeg,systemstream=false"),
            Self::Vp8 | Self::Jpeg | Self::Raw => return None,
        })
    }

    /// Whether every picture stands alone.
    pub(super) fn intra_only(self) -> bool {
        matches!(self, Self::Jpeg | Self::Raw)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::Av1 => "av1",
            Self::Mpeg4 => "mpeg4",
            Self::Mpeg2 => "mpeg2",
            Self::Jpeg => "jpeg",
            Self::Raw => "raw video",
        })
    }
}
