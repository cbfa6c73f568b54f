//! The second of a connection's two pipelines: access units go in, pictures come out.
//!
//! `appsrc → decoder → (out of the device's memory) → NV12 or I420 → appsink`. Pictures above the frames per second are
//! dropped right behind the decoder, before anything touches their pixels.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use super::decoder::Decoder;
use super::elements::{chain, make, set_if_known};
use super::life::{Life, Signal};
use super::location::Pace;
use super::problem::Problem;
use super::redact;
use super::sink::{FrameSink, Origin};

/// How much may wait for the decoder: at 25 frames per second these are two seconds, so a short stall costs nothing.
const QUEUED_UNITS: u64 = 50;
const QUEUED_BYTES: u64 = 16 << 20;

pub(super) struct DecodePipeline {
    pipeline: gst::Pipeline,
    input: gst_app::AppSrc,
    pub(super) origin: Origin,
    /// How often the decoder was told to give out what it has, and how often it has done so.
    asked: AtomicU64,
    drained: Arc<AtomicU64>,
    /// Kept units that were given to it at once, on top of what may wait.
    burst: AtomicU64,
}

impl DecodePipeline {
    /// Builds it around `decoder` (`None`: the pictures are not coded) and starts it.
    ///
    /// # Errors
    /// A missing element, or a device that does not open.
    pub(super) fn start(
        decoder: Option<Decoder>,
        origin: Origin,
        pace: Pace,
        frames: &Arc<FrameSink>,
        life: &Arc<Life>,
    ) -> Result<Self, Problem> {
        let pipeline = gst::Pipeline::new();
        let input = input(pace);
        let mut row = vec![input.clone().upcast::<gst::Element>()];
        if let Some(decoder) = decoder {
            row.extend(decoding(decoder, frames, &origin)?);
        }
        // Both are passed through untouched when the decoder makes NV12 or I420 in plain memory, as nearly all do.
        row.push(make("videoconvert")?);
        row.push(formats()?);
        let output = output(frames, life, &origin);
        let drained = count_drained(&output, frames);
        row.push(output.upcast());
        chain(&pipeline, &row)?;
        watch(&pipeline, life, decoder);
        let (asked, burst) = (AtomicU64::new(0), AtomicU64::new(0));
        let this = Self { pipeline, input, origin, asked, drained, burst };
        match this.pipeline.set_state(gst::State::Playing) {
            Ok(_) => Ok(this),
            Err(e) => {
                this.stop();
                Err(failed(decoder, e.to_string()))
            }
        }
    }

    /// Hands one access unit over. Waits for room if the stream can wait ([`Pace::Fast`]).
    pub(super) fn push(&self, buffer: gst::Buffer, caps: &gst::Caps) -> Result<gst::FlowSuccess, gst::FlowError> {
        if self.input.caps().as_ref() != Some(caps) {
            self.input.set_caps(Some(caps));
        }
        self.input.push_buffer(buffer)
    }

    /// Makes the decoder give out what it has, instead of holding pictures back until more units come. What it knew of
    /// earlier pictures is gone then: the next unit must be a keyframe.
    pub(super) fn drain(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if !self.input.send_event(gst::event::SegmentDone::new(gst::format::GenericFormattedValue::none_for_format(
            gst::Format::Time,
        ))) {
            tracing::debug!("the decoder was already being stopped");
        }
    }

    /// Whether all that was there at the last [`DecodePipeline::drain`] has come out.
    pub(super) fn is_drained(&self) -> bool {
        self.drained.load(Ordering::SeqCst) >= self.asked.load(Ordering::SeqCst)
    }

    /// So many units come at once now; that does not mean that it is behind.
    pub(super) fn expect_burst(&self, units: usize) {
        self.burst.store(units as u64, Ordering::Relaxed);
    }

    /// Whether the decoder is so far behind that a stream that cannot wait should leave something out.
    pub(super) fn is_full(&self) -> bool {
        let waiting = self.input.current_level_buffers();
        if waiting < QUEUED_UNITS {
            self.burst.store(0, Ordering::Relaxed);
        }
        let burst = self.burst.load(Ordering::Relaxed);
        waiting >= QUEUED_UNITS + burst || burst == 0 && self.input.current_level_bytes() >= QUEUED_BYTES
    }

    /// Nothing more will come: what is inside comes out, then [`Signal::Ended`].
    pub(super) fn end(&self) {
        if self.input.end_of_stream().is_err() {
            tracing::debug!("the decoder was already being stopped");
        }
    }

    /// Ends it at once. May block as long as the decoder does.
    pub(super) fn stop(&self) {
        if self.pipeline.set_state(gst::State::Null).is_err() {
            tracing::debug!("the decoder did not stop in order");
        }
    }
}

impl Drop for DecodePipeline {
    fn drop(&mut self) {
        self.stop();
    }
}

fn input(pace: Pace) -> gst_app::AppSrc {
    let fast = pace == Pace::Fast;
    gst_app::AppSrc::builder()
        .format(gst::Format::Time)
        // A live source makes software decoders work on one picture at a time, instead of holding back a few.
        .is_live(!fast)
        .block(fast)
        .max_bytes(QUEUED_BYTES)
        .max_buffers(QUEUED_UNITS)
        .build()
}

/// The decoder and what brings its pictures into plain memory, with the frame-rate limit in between.
fn decoding(decoder: Decoder, frames: &Arc<FrameSink>, origin: &Origin) -> Result<Vec<gst::Element>, Problem> {
    let element = make(decoder.element)?;
    // A damaged picture looks like motion to the gate: better none than a smeared one.
    set_if_known(&element, "output-corrupt", "false");
    if !origin.codec.intra_only() {
        limit(&element, frames);
    }
    let mut row = vec![element];
    if let Some(converter) = decoder.converter() {
        row.push(make(converter)?);
    }
    Ok(row)
}

/// Drops pictures above the frames per second where they leave `element`.
pub(super) fn limit(element: &gst::Element, frames: &Arc<FrameSink>) {
    let Some(pad) = element.static_pad("src") else { return };
    let frames = Arc::clone(frames);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let wanted = info.buffer().is_none_or(|buffer| frames.passes(buffer.pts()));
        if wanted { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Drop }
    });
}

/// Counts the drains that have come through.
fn count_drained(output: &gst_app::AppSink, frames: &Arc<FrameSink>) -> Arc<AtomicU64> {
    let drained = Arc::new(AtomicU64::new(0));
    let (counting, frames) = (Arc::clone(&drained), Arc::clone(frames));
    if let Some(pad) = output.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if info.event().is_some_and(|event| event.type_() == gst::EventType::SegmentDone) {
                counting.fetch_add(1, Ordering::SeqCst);
                frames.drained();
            }
            gst::PadProbeReturn::Ok
        });
    }
    drained
}

fn formats() -> Result<gst::Element, Problem> {
    let filter = make("capsfilter")?;
    filter.set_property_from_str("caps", "video/x-raw,format=(string){NV12,I420}");
    Ok(filter)
}

fn output(frames: &Arc<FrameSink>, life: &Arc<Life>, origin: &Origin) -> gst_app::AppSink {
    let sink = gst_app::AppSink::builder().sync(false).async_(false).enable_last_sample(false).max_buffers(1).build();
    let (taking, ending) = (Arc::clone(frames), Arc::clone(frames));
    let (life, origin) = (Arc::clone(life), origin.clone());
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                if life.stopping() {
                    return Err(gst::FlowError::Flushing);
                }
                taking.take(&sample, &origin);
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| ending.end())
            .build(),
    );
    sink
}

/// Tells of errors; nothing else on this pipeline's bus matters, and nothing is kept there.
fn watch(pipeline: &gst::Pipeline, life: &Arc<Life>, decoder: Option<Decoder>) {
    let Some(bus) = pipeline.bus() else { return };
    let life = Arc::clone(life);
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::Error(error) = message.view() {
            tracing::debug!(error = %error.error(), debug = ?error.debug(), "decode pipeline");
            life.tell(Signal::Failed(failed(decoder, redact::text(&error.error().to_string()))));
        }
        gst::BusSyncReply::Drop
    });
}

fn failed(decoder: Option<Decoder>, why: String) -> Problem {
    match decoder {
        Some(decoder) => Problem::Decoder { element: decoder.element, why },
        None => Problem::Pipeline(why),
    }
}
