//! Makes pictures of decoded buffers, without copying where the memory allows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gst_video::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;

use crate::frame::{Colour, Matrix, Picture, PixelFormat, Plane, Planes, Range};

use super::arrivals::{Arrivals, Expected};
use super::codec::Codec;
use super::delivery::Delivery;
use super::life::{Life, Signal};
use super::limit::RateLimit;
use super::problem::Problem;

/// Sides of a picture, in pixels. What lies outside is a mistake or an attack, and costs memory by the square.
pub(super) const SIDES: std::ops::RangeInclusive<u32> = 16..=8192;

/// Where the decoded pictures of one connection arrive.
pub(super) struct FrameSink {
    delivery: Arc<Delivery>,
    life: Arc<Life>,
    limit: Mutex<RateLimit>,
    format: Mutex<Option<(gst::Caps, gst_video::VideoInfo)>>,
    arrivals: Mutex<Arrivals>,
    began: Duration,
}

/// What is known about the pictures before the first one comes.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) codec: Codec,
    /// The decoder's element; `None` for raw video.
    pub(super) decoder: Option<&'static str>,
    /// The decoder has few buffers and waits for them: take copies.
    pub(super) copies: bool,
    /// From the stream's caps, where they say it.
    pub(super) fps: Option<f64>,
    /// Of one picture.
    pub(super) pixels: u32,
}

impl FrameSink {
    pub(super) fn new(delivery: Arc<Delivery>, life: Arc<Life>, fps: f32) -> Self {
        let began = life.clock().now().mono;
        let (limit, format, arrivals) = (Mutex::new(RateLimit::new(fps)), Mutex::default(), Mutex::default());
        Self { delivery, life, limit, format, arrivals, began }
    }

    /// Says what will come out of the decoder.
    pub(super) fn expect(&self, expected: Expected) {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).expect(expected);
    }

    fn expected(&self, due: Option<Duration>) -> Option<Expected> {
        due.and_then(|due| self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).find(due))
    }

    /// Whether a decoded picture goes on; asked before anything is converted.
    pub(super) fn passes(&self, pts: Option<gst::ClockTime>) -> bool {
        let Some(expected) = self.expected(pts.map(duration)) else { return self.wants(pts) };
        if expected.silent || expected.lone {
            self.life.beat();
            return !expected.silent;
        }
        self.wants(gst::ClockTime::try_from(expected.pts).ok())
    }

    /// Whether a picture is within the frames per second. Every call is a sign of life.
    pub(super) fn wants(&self, pts: Option<gst::ClockTime>) -> bool {
        self.life.beat();
        let now = || self.life.clock().now().mono.saturating_sub(self.began);
        let at = pts.map_or_else(now, |pts| Duration::from_nanos(pts.nseconds()));
        let passes = self.limit.lock().unwrap_or_else(PoisonError::into_inner).passes(at);
        if !passes {
            self.delivery.counters().count_rate_limited();
        }
        passes
    }

    /// Takes one decoded picture.
    pub(super) fn take(&self, sample: &gst::Sample, origin: &Origin) {
        let Some(buffer) = sample.buffer_owned() else { return };
        let due = buffer.pts().map(duration);
        let expected = self.expected(due);
        let pts = expected.map(|expected| expected.pts).or(due);
        match self.picture(sample, buffer, origin) {
            Ok(picture) => {
                if self.life.first_picture() {
                    self.life.tell(Signal::Online(words(&picture, origin)));
                }
                self.delivery.deliver(picture, pts, expected, &self.life);
                self.life.beat();
            }
            Err(problem) => self.life.tell(Signal::Failed(problem)),
        }
    }

    /// The decoder has given out what it had.
    pub(super) fn drained(&self) {
        self.delivery.demand().wake();
    }

    /// The last picture was taken.
    pub(super) fn end(&self) {
        self.life.tell(Signal::Ended);
    }

    fn picture(&self, sample: &gst::Sample, buffer: gst::Buffer, origin: &Origin) -> Result<Picture, Problem> {
        let info = self.info(sample)?;
        let format = match info.format() {
            gst_video::VideoFormat::Nv12 => PixelFormat::Nv12,
            gst_video::VideoFormat::I420 => PixelFormat::I420,
            other => return Err(Problem::Pipeline(format!("pictures arrive as {other}"))),
        };
        let (width, height) = (info.width(), info.height());
        let colour = colour(&info.colorimetry(), height, origin.codec);
        let buffer = if origin.copies { copy(&buffer)? } else { buffer };
        let mapped = gst_video::VideoFrame::from_buffer_readable(buffer, &info)
            .map_err(|_| Problem::Pipeline("a picture's memory cannot be read".to_owned()))?;
        Picture::new(width, height, format, colour, Arc::new(Mapped(mapped)))
            .map_err(|e| Problem::Pipeline(e.to_string()))
    }

    /// The format that the caps speak of; kept, because it stays the same for hours.
    fn info(&self, sample: &gst::Sample) -> Result<gst_video::VideoInfo, Problem> {
        let caps = sample.caps_owned().ok_or_else(|| Problem::Pipeline("a picture has no format".to_owned()))?;
        let mut format = self.format.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, info)) = format.as_ref()
            && *known == caps
        {
            return Ok(info.clone());
        }
        let info = gst_video::VideoInfo::from_caps(&caps).map_err(|e| Problem::Pipeline(e.to_string()))?;
        check_size(info.width(), info.height())?;
        *format = Some((caps, info.clone()));
        Ok(info)
    }
}

fn duration(time: gst::ClockTime) -> Duration {
    Duration::from_nanos(time.nseconds())
}

/// # Errors
/// [`Problem::Size`]
pub(super) fn check_size(width: u32, height: u32) -> Result<(), Problem> {
    if SIDES.contains(&width) && SIDES.contains(&height) { Ok(()) } else { Err(Problem::Size { width, height }) }
}

fn copy(buffer: &gst::Buffer) -> Result<gst::Buffer, Problem> {
    buffer.copy_deep().map_err(|e| Problem::Pipeline(e.to_string()))
}

fn words(picture: &Picture, origin: &Origin) -> String {
    let mut words = format!("{}x{} {}", picture.width(), picture.height(), origin.codec);
    if let Some(decoder) = origin.decoder {
        words.push_str(&format!(", decoded by {decoder}"));
    }
    if let Some(fps) = origin.fps {
        words.push_str(&format!(", {} frames per second", (fps * 10.0).round() / 10.0));
    }
    words
}

/// What the numbers mean. A stream that does not say is taken for what its makers do: JPEG is full range BT.601 (JFIF),
/// high definition is BT.709, the rest BT.601.
fn colour(colorimetry: &gst_video::VideoColorimetry, height: u32, codec: Codec) -> Colour {
    if codec == Codec::Jpeg {
        return Colour { matrix: Matrix::Bt601, range: Range::Full };
    }
    let matrix = match colorimetry.matrix() {
        gst_video::VideoColorMatrix::Bt709 => Matrix::Bt709,
        gst_video::VideoColorMatrix::Bt601 => Matrix::Bt601,
        _ if height >= 720 => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    let range = match colorimetry.range() {
        gst_video::VideoColorRange::Range0_255 => Range::Full,
        _ => Range::Limited,
    };
    Colour { matrix, range }
}

/// A decoder's buffer, mapped for reading as long as the picture lives.
struct Mapped(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl Planes for Mapped {
    fn plane(&self, index: usize) -> Plane<'_> {
        let plane = u32::try_from(index).unwrap_or(u32::MAX);
        let stride = self.0.plane_stride().get(index).copied().unwrap_or(0);
        // A picture stored bottom up would have a negative stride; zero makes `Picture::new` refuse it in words.
        Plane { data: self.0.plane_data(plane).unwrap_or_default(), stride: usize::try_from(stride).unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, height: u32, codec: Codec) -> Colour {
        gst::init().unwrap();
        colour(&text.parse().unwrap(), height, codec)
    }

    #[test]
    fn colours_are_what_the_stream_says_or_what_its_makers_mean() {
        let colour = |matrix, range| Colour { matrix, range };
        assert_eq!(of("bt709", 480, Codec::H264), colour(Matrix::Bt709, Range::Limited));
        assert_eq!(of("bt601", 1080, Codec::H264), colour(Matrix::Bt601, Range::Limited));
        assert_eq!(of("1:3:5:1", 1080, Codec::H264), colour(Matrix::Bt709, Range::Full));
        assert_eq!(of("2:0:0:0", 1080, Codec::H264), colour(Matrix::Bt709, Range::Limited));
        assert_eq!(of("2:0:0:0", 576, Codec::H264), colour(Matrix::Bt601, Range::Limited));
        assert_eq!(of("bt709", 1080, Codec::Jpeg), colour(Matrix::Bt601, Range::Full));
    }

    #[test]
    fn sizes_have_bounds() {
        assert!(check_size(1920, 1080).is_ok());
        for (w, h) in [(1, 1), (16_000, 16_000), (8193, 16), (640, 15)] {
            assert!(check_size(w, h).is_err());
        }
    }
}
