//! Between the two pipelines: decides which access units are decoded, and keeps the decoder that fits the stream.
//! This is the place where packets will be kept and replayed when `decode = "auto"` learns to decode only on motion.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;

use super::codec::Codec;
use super::decode::DecodePipeline;
use super::decoder::{self, Decoder};
use super::delivery::Delivery;
use super::elements;
use super::life::{Life, Signal};
use super::location::Pace;
use super::problem::Problem;
use super::settings::{Decode, Settings};
use super::sink::{FrameSink, Origin, check_size};

/// So many units without any keyframe, and the stream is taken for one that refreshes itself bit by bit.
const PATIENCE: u32 = 300;

pub(super) struct Router {
    decode: Decode,
    pin: Option<String>,
    /// Decoders that failed before on this camera's stream.
    refused: Vec<String>,
    /// The source drops pictures above the frames per second by itself.
    limited: bool,
    delivery: Arc<Delivery>,
    frames: Arc<FrameSink>,
    life: Arc<Life>,
    state: Mutex<State>,
}

struct State {
    picker: Picker,
    caps: Option<gst::Caps>,
    pipeline: Option<Arc<DecodePipeline>>,
}

impl Router {
    pub(super) fn new(
        settings: &Settings,
        refused: Vec<String>,
        limited: bool,
        delivery: Arc<Delivery>,
        life: Arc<Life>,
    ) -> Self {
        let frames = Arc::new(FrameSink::new(Arc::clone(&delivery), Arc::clone(&life), settings.fps));
        let state = State { picker: Picker::new(settings.decode), caps: None, pipeline: None };
        Self {
            decode: settings.decode,
            pin: settings.decoder.clone(),
            refused,
            limited,
            delivery,
            frames,
            life,
            state: Mutex::new(state),
        }
    }

    /// Takes one access unit, on the receiving pipeline's thread.
    pub(super) fn route(&self, sample: &gst::Sample) -> Result<gst::FlowSuccess, gst::FlowError> {
        if self.life.stopping() {
            return Err(gst::FlowError::Flushing);
        }
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps_owned()) else {
            return Ok(gst::FlowSuccess::Ok);
        };
        let pipeline = self.pipeline_for(&caps).map_err(|problem| {
            self.life.tell(Signal::Failed(problem));
            gst::FlowError::Error
        })?;
        let timed = in_stream_time(sample, buffer);
        let codec = pipeline.origin.codec;
        if codec.intra_only() && !self.limited && !self.frames.wants(timed.pts()) {
            return Ok(gst::FlowSuccess::Ok);
        }
        // A stream that can wait does so in `push`, so it is never too full.
        let full = self.delivery.pace() == Pace::RealTime && pipeline.is_full();
        let key = codec.intra_only() || !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        if !self.lock().picker.picks(key, full) {
            self.delivery.counters().count_decode_skipped();
            if self.life.online() && self.decode == Decode::Keyframes {
                self.life.beat();
            }
            return Ok(gst::FlowSuccess::Ok);
        }
        // No lock is held here: `push` may wait, and whoever stops the decoder must get to it.
        pipeline.push(timed, &caps)
    }

    /// The stream ended: lets the decoder finish.
    pub(super) fn end(&self) {
        match self.lock().pipeline.clone() {
            Some(pipeline) => pipeline.end(),
            None => self.life.tell(Signal::Ended),
        }
    }

    /// Stops the decoder. May block as long as the decoder does.
    pub(super) fn stop(&self) {
        let pipeline = self.lock().pipeline.take();
        if let Some(pipeline) = pipeline {
            pipeline.stop();
        }
    }

    /// Where a source that limits by itself asks.
    pub(super) fn frames(&self) -> &Arc<FrameSink> {
        &self.frames
    }

    /// The decoder for a stream with these caps. A changed size is the decoder's own business (its caps change with the
    /// next unit); a changed codec makes a new decoder.
    fn pipeline_for(&self, caps: &gst::Caps) -> Result<Arc<DecodePipeline>, Problem> {
        let mut state = self.lock();
        if let (Some(pipeline), Some(known)) = (&state.pipeline, &state.caps)
            && known == caps
        {
            return Ok(Arc::clone(pipeline));
        }
        let origin = origin(caps)?;
        if let Some(pipeline) = &state.pipeline
            && pipeline.origin.codec == origin.codec
        {
            let pipeline = Arc::clone(pipeline);
            state.caps = Some(caps.clone());
            return Ok(pipeline);
        }
        if let Some(old) = state.pipeline.take() {
            tracing::info!(from = %old.origin.codec, to = %origin.codec, "the codec changed");
            old.stop();
        }
        let pipeline = Arc::new(self.start(&origin)?);
        state.picker = Picker::new(self.decode);
        state.caps = Some(caps.clone());
        state.pipeline = Some(Arc::clone(&pipeline));
        Ok(pipeline)
    }

    fn start(&self, origin: &Origin) -> Result<DecodePipeline, Problem> {
        let pace = self.delivery.pace();
        if origin.codec == Codec::Raw {
            return DecodePipeline::start(None, origin.clone(), pace, &self.frames, &self.life);
        }
        let choices = decoder::choose(origin.codec, elements::has, self.pin.as_deref(), &self.refused)?;
        let mut last = Problem::NoDecoder { codec: origin.codec };
        for choice in choices {
            match self.start_with(choice, origin) {
                Ok(pipeline) => {
                    tracing::info!(codec = %origin.codec, decoder = choice.element, hardware = choice.hardware, "decoding");
                    return Ok(pipeline);
                }
                Err(problem) => {
                    tracing::warn!(decoder = choice.element, %problem, "this decoder does not start, trying the next one");
                    last = problem;
                }
            }
        }
        Err(last)
    }

    fn start_with(&self, choice: Decoder, origin: &Origin) -> Result<DecodePipeline, Problem> {
        let origin = Origin { decoder: Some(choice.element), copies: choice.hardware, ..origin.clone() };
        DecodePipeline::start(Some(choice), origin, self.delivery.pace(), &self.frames, &self.life)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the caps of access units say.
fn origin(caps: &gst::CapsRef) -> Result<Origin, Problem> {
    let structure = caps.structure(0).ok_or(Problem::NoVideo)?;
    let name = structure.name().as_str();
    let codec =
        Codec::of(name, structure.get("mpegversion").ok()).ok_or_else(|| Problem::UnknownCodec(name.to_owned()))?;
    let side = |field| structure.get::<i32>(field).ok().and_then(|v| u32::try_from(v).ok());
    if let (Some(width), Some(height)) = (side("width"), side("height")) {
        check_size(width, height)?;
    }
    let fps = structure.get::<gst::Fraction>("framerate").ok();
    let fps = fps.filter(|f| f.numer() > 0 && f.denom() > 0).map(|f| f64::from(f.numer()) / f64::from(f.denom()));
    Ok(Origin { codec, decoder: None, copies: false, fps })
}

/// The buffer with its times counted from the start of the stream, as the decoder's own pipeline counts them.
fn in_stream_time(sample: &gst::Sample, buffer: &gst::BufferRef) -> gst::Buffer {
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

/// Which access units are decoded. Pure.
#[derive(Debug)]
struct Picker {
    decode: Decode,
    awaits_key: bool,
    waited: u32,
}

impl Picker {
    fn new(decode: Decode) -> Self {
        Self { decode, awaits_key: true, waited: 0 }
    }

    /// Whether to decode the next unit. `key`: it stands alone. `full`: the decoder cannot take it now.
    fn picks(&mut self, key: bool, full: bool) -> bool {
        if full {
            // What follows builds on the unit that is left out here.
            self.awaits_key = true;
            self.waited = 0;
            return false;
        }
        if key {
            self.awaits_key = false;
            return true;
        }
        if self.decode == Decode::Keyframes {
            return false;
        }
        if self.awaits_key {
            self.waited += 1;
            self.awaits_key = self.waited < PATIENCE;
        }
        !self.awaits_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(decode: Decode, units: &[(bool, bool)]) -> Vec<bool> {
        let mut picker = Picker::new(decode);
        units.iter().map(|&(key, full)| picker.picks(key, full)).collect()
    }

    #[test]
    fn decoding_begins_with_a_keyframe() {
        let units = [(false, false), (true, false), (false, false)];
        assert_eq!(picked(Decode::Auto, &units), [false, true, true]);
        assert_eq!(picked(Decode::Keyframes, &units), [false, true, false]);
    }

    #[test]
    fn after_a_unit_was_left_out_it_begins_again() {
        let units = [(true, false), (false, true), (false, false), (true, false), (false, false)];
        assert_eq!(picked(Decode::All, &units), [true, false, false, true, true]);
    }

    #[test]
    fn a_stream_that_never_has_a_keyframe_is_decoded_all_the_same() {
        let mut picker = Picker::new(Decode::All);
        let skipped = (0..1000).filter(|_| !picker.picks(false, false)).count();
        assert_eq!(skipped, PATIENCE as usize - 1);
        let mut picker = Picker::new(Decode::Keyframes);
        assert!((0..1000).all(|_| !picker.picks(false, false)));
    }
}
