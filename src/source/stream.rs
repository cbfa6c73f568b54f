//! What the caps and the segment of access units say about their stream. Pure.

use std::time::Duration;

use gstreamer as gst;

use super::codec::Codec;
use super::problem::Problem;
use super::sink::{Origin, check_size};

/// Where the caps do not say.
const USUAL_PIXELS: u32 = 1920 * 1080;

/// What the caps of access units say.
pub(super) fn origin(caps: &gst::CapsRef) -> Result<Origin, Problem> {
    let structure = caps.structure(0).ok_or(Problem::NoVideo)?;
    let name = structure.name().as_str();
    let codec =
        Codec::of(name, structure.get("mpegversion").ok()).ok_or_else(|| Problem::UnknownCodec(name.to_owned()))?;
    let side = |field| structure.get::<i32>(field).ok().and_then(|v| u32::try_from(v).ok());
    let mut pixels = USUAL_PIXELS;
    if let (Some(width), Some(height)) = (side("width"), side("height")) {
        check_size(width, height)?;
        pixels = width * height;
    }
    let fps = structure.get::<gst::Fraction>("framerate").ok();
    let fps = fps.filter(|f| f.numer() > 0 && f.denom() > 0).map(|f| f64::from(f.numer()) / f64::from(f.denom()));
    Ok(Origin { codec, decoder: None, copies: false, fps, pixels })
}

/// The buffer with its times counted from the start of the stream, as the decoder's own pipeline counts them.
pub(super) fn in_stream_time(sample: &gst::Sample, buffer: &gst::BufferRef) -> gst::Buffer {
    let mut timed = buffer.to_owned();
    if let Some(segment) = sample.segment().and_then(|s| s.downcast_ref::<gst::ClockTime>()) {
        let start = segment.start().unwrap_or_default();
        let time = segment.time().unwrap_or_default();
        let shift = |t: gst::ClockTime| t.saturating_sub(start) + time;
        let (pts, dts) = (timed.pts().map(shift), timed.dts().map(shift));
        let inner = timed.make_mut();
        inner.set_pts(pts);
        inner.set_dts(dts);
    }
    timed
}

/// Moves the buffer's times.
pub(super) fn delay(buffer: &mut gst::Buffer, by: Duration) {
    if by.is_zero() {
        return;
    }
    let later = |t: gst::ClockTime| t + gst::ClockTime::try_from(by).unwrap_or_default();
    let (pts, dts) = (buffer.pts().map(later), buffer.dts().map(later));
    let inner = buffer.make_mut();
    inner.set_pts(pts);
    inner.set_dts(dts);
}
