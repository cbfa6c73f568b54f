//! Between the two pipelines: takes access units to the decoder that fits the stream, as far as they are to be decoded.
//! Which ones that is, `auto` and `picker` decide; this is their shell.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer as gst;

use super::arrivals::{Anchor, Course, Expected};
use super::auto::{Auto, Fed, Notes, Plan, Unfit};
use super::codec::Codec;
use super::decode::DecodePipeline;
use super::decoder::{self, Decoder};
use super::delivery::Delivery;
use super::elements;
use super::kept::{Limits, Unit};
use super::life::{Life, Signal};
use super::location::Pace;
use super::picker::Picker;
use super::problem::Problem;
use super::settings::{Decode, Settings};
use super::sink::{FrameSink, Origin};
use super::stream::{delay, in_stream_time, origin};

pub(super) struct Router {
    settings: Settings,
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
    choice: Choice,
    caps: Option<gst::Caps>,
    pipeline: Option<Arc<DecodePipeline>>,
    anchor: Anchor,
    course: Course,
}

/// What decides about the units of one stream.
enum Choice {
    Picker(Picker),
    Auto(Box<Auto<Coded>>),
}

/// What the decoder gets.
#[derive(Debug, Clone)]
struct Coded {
    buffer: gst::Buffer,
    caps: gst::Caps,
}

/// Whether a unit comes from what was kept.
#[derive(Clone, Copy)]
enum Again {
    No,
    Kept { first: bool, silent: bool },
}

type Flow = Result<gst::FlowSuccess, gst::FlowError>;

impl Router {
    pub(super) fn new(
        settings: &Settings,
        refused: Vec<String>,
        limited: bool,
        delivery: Arc<Delivery>,
        life: Arc<Life>,
    ) -> Self {
        let frames = Arc::new(FrameSink::new(Arc::clone(&delivery), Arc::clone(&life), settings.fps));
        // What was told about an earlier connection is over.
        delivery.demand().hear();
        let choice = Choice::Picker(Picker::new(settings.decode));
        let state = State { choice, caps: None, pipeline: None, anchor: Anchor::default(), course: Course::default() };
        Self { settings: settings.clone(), refused, limited, delivery, frames, life, state: Mutex::new(state) }
    }

    /// Takes one access unit, on the receiving pipeline's thread.
    pub(super) fn route(&self, sample: &gst::Sample) -> Flow {
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
        let intra_only = pipeline.origin.codec.intra_only();
        if intra_only && !self.limited && !self.frames.wants(timed.pts()) {
            return Ok(gst::FlowSuccess::Ok);
        }
        let key = intra_only || !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let unit = self.unit(key, timed, caps);
        // No lock is held while units are pushed: that may wait, and whoever stops the decoder must get to it.
        let auto = matches!(self.lock().choice, Choice::Auto(_));
        if auto { self.on_demand(unit, &pipeline) } else { self.picked(&unit, &pipeline) }
    }

    fn unit(&self, key: bool, buffer: gst::Buffer, caps: gst::Caps) -> Unit<Coded> {
        let duration = |t: gst::ClockTime| Duration::from_nanos(t.nseconds());
        let pts = buffer.pts().map(duration);
        let now = self.life.clock().now();
        let at = self.lock().anchor.at(pts, key, now);
        let time = buffer.dts_or_pts().map_or(now.mono, duration);
        Unit { key, bytes: buffer.size(), pts, time, at, lone: false, data: Coded { buffer, caps } }
    }

    /// Decodes the unit if it is to be decoded whatever the gate says.
    fn picked(&self, unit: &Unit<Coded>, pipeline: &DecodePipeline) -> Flow {
        let full = self.is_full(pipeline);
        let picks = match &mut self.lock().choice {
            Choice::Picker(picker) => picker.picks(unit.key, full),
            Choice::Auto(_) => true,
        };
        let keyframes = self.settings.decode == Decode::Keyframes && !pipeline.origin.codec.intra_only();
        if !picks {
            self.delivery.counters().count_decode_skipped(1);
            if keyframes {
                self.beat();
            }
            return Ok(gst::FlowSuccess::Ok);
        }
        let flow = self.push(pipeline, unit, Again::No);
        if keyframes {
            pipeline.drain();
        }
        flow
    }

    /// Decodes the unit, and what was kept before it, if the gate wants to see that.
    fn on_demand(&self, unit: Unit<Coded>, pipeline: &DecodePipeline) -> Flow {
        self.beat();
        let fast = self.delivery.pace() == Pace::Fast;
        let could_sleep = match &mut self.lock().choice {
            Choice::Auto(auto) => auto.comes(&unit),
            Choice::Picker(_) => false,
        };
        if fast && could_sleep {
            pipeline.drain();
            self.wait_for_verdicts(pipeline);
        }
        self.hear(pipeline)?;
        let full = self.is_full(pipeline);
        let plan = self.decide(|auto| auto.take(unit, full));
        let lone = matches!(plan, Plan::Lone(_));
        let flow = self.carry_out(plan, pipeline)?;
        if fast && lone {
            self.wait_for_verdicts(pipeline);
            return self.hear(pipeline);
        }
        Ok(flow)
    }

    fn hear(&self, pipeline: &DecodePipeline) -> Flow {
        let heard = self.delivery.demand().hear();
        self.carry_out(self.decide(|auto| auto.hear(heard)), pipeline)
    }

    /// Asks what to do, and counts and says what is to be counted and said.
    fn decide(&self, ask: impl FnOnce(&mut Auto<Coded>) -> Plan<Coded>) -> Plan<Coded> {
        let mut state = self.lock();
        let Choice::Auto(auto) = &mut state.choice else { return Plan::Nothing };
        let plan = ask(auto);
        let notes = auto.notes();
        drop(state);
        self.note(&notes);
        plan
    }

    fn note(&self, notes: &Notes) {
        let counters = self.delivery.counters();
        counters.count_decode_skipped(notes.skipped);
        if notes.slept {
            tracing::debug!("nothing goes on: only keyframes are decoded");
        }
        if let Some(cause) = notes.woke {
            counters.count_waking(cause);
            tracing::debug!(?cause, "everything is decoded");
        }
        if let Some(why) = notes.unfit {
            tracing::info!("everything is decoded for now, also while nothing goes on: {}", words(why));
        }
    }

    fn carry_out(&self, plan: Plan<Coded>, pipeline: &DecodePipeline) -> Flow {
        match plan {
            Plan::Nothing => Ok(gst::FlowSuccess::Ok),
            Plan::Feed(unit) => self.push(pipeline, &unit, Again::No),
            Plan::Lone(unit) => {
                let flow = self.push(pipeline, &unit, Again::No);
                pipeline.drain();
                flow
            }
            Plan::Wake(units) => {
                let ends = |fed: Option<&Fed<Coded>>| fed.and_then(|fed| fed.unit.pts);
                tracing::debug!(from = ?ends(units.front()), to = ?ends(units.back()), "what was kept is decoded");
                pipeline.expect_burst(units.len());
                for (i, Fed { unit, silent }) in units.into_iter().enumerate() {
                    let unit = Unit { lone: false, ..unit };
                    self.push(pipeline, &unit, Again::Kept { first: i == 0, silent })?;
                }
                Ok(gst::FlowSuccess::Ok)
            }
        }
    }

    /// Waits until the decoder has given out what it has, and the gate has decided about all of it.
    fn wait_for_verdicts(&self, pipeline: &DecodePipeline) {
        self.delivery.demand().wait(self.life.stop(), |judged| {
            if self.delivery.is_closed() {
                return true;
            }
            let drained = pipeline.is_drained();
            let all = judged >= self.delivery.counters().delivered();
            if drained && !all {
                // The gate may be waiting for the model: no news of the stream is no sign of a lost camera then.
                self.life.beat();
            }
            drained && all
        });
    }

    fn push(&self, pipeline: &DecodePipeline, unit: &Unit<Coded>, again: Again) -> Flow {
        let mut buffer = unit.data.buffer.clone();
        if let Some(pts) = unit.pts {
            let (kept, first, silent) = match again {
                Again::No => (false, false, false),
                Again::Kept { first, silent } => (true, first, silent),
            };
            let shift = self.lock().course.shift(pts, first);
            self.frames.expect(Expected { pts, due: pts + shift, at: unit.at, lone: unit.lone, silent, kept });
            delay(&mut buffer, shift);
        }
        pipeline.push(buffer, &unit.data.caps)
    }

    /// A unit that is not decoded shows that the camera is there. (Whether it can be decoded, the first picture shows.)
    fn beat(&self) {
        if self.life.online() {
            self.life.beat();
        }
    }

    /// A stream that can wait does so in `push`, so it is never too full.
    fn is_full(&self, pipeline: &DecodePipeline) -> bool {
        self.delivery.pace() == Pace::RealTime && pipeline.is_full()
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
        self.leave_kept();
        let pipeline = self.lock().pipeline.take();
        if let Some(pipeline) = pipeline {
            pipeline.stop();
        }
    }

    /// What is kept will not be decoded any more.
    fn leave_kept(&self) {
        self.decide(|auto| {
            auto.end();
            Plan::Nothing
        });
    }

    /// Where a source that limits by itself asks.
    pub(super) fn frames(&self) -> &Arc<FrameSink> {
        &self.frames
    }

    /// The decoder for a stream with these caps. A changed size is the decoder's own business (its caps change with the
    /// next unit); a changed codec makes a new decoder.
    fn pipeline_for(&self, caps: &gst::Caps) -> Result<Arc<DecodePipeline>, Problem> {
        let state = self.lock();
        if let (Some(pipeline), Some(known)) = (&state.pipeline, &state.caps)
            && known == caps
        {
            return Ok(Arc::clone(pipeline));
        }
        let before = state.pipeline.clone();
        drop(state);
        let origin = origin(caps)?;
        if let Some(pipeline) = before {
            if pipeline.origin.codec == origin.codec {
                let mut state = self.lock();
                state.caps = Some(caps.clone());
                if let Choice::Auto(auto) = &mut state.choice {
                    auto.resize(origin.pixels);
                }
                return Ok(pipeline);
            }
            tracing::info!(from = %pipeline.origin.codec, to = %origin.codec, "the codec changed");
            self.stop();
        }
        self.begin(&origin, caps)
    }

    fn begin(&self, origin: &Origin, caps: &gst::Caps) -> Result<Arc<DecodePipeline>, Problem> {
        let pipeline = Arc::new(self.start(origin)?);
        let choice = self.choice(origin);
        let mut state = self.lock();
        state.choice = choice;
        state.caps = Some(caps.clone());
        state.pipeline = Some(Arc::clone(&pipeline));
        Ok(pipeline)
    }

    fn choice(&self, origin: &Origin) -> Choice {
        let codec = origin.codec;
        if self.settings.decode != Decode::Auto {
            return Choice::Picker(Picker::new(self.settings.decode));
        }
        if codec.intra_only() {
            tracing::info!(%codec, "every picture of this stream stands alone: all are decoded, also while nothing goes on");
            return Choice::Picker(Picker::new(Decode::All));
        }
        Choice::Auto(Box::new(Auto::new(self.settings.settle, Limits::USUAL, origin.pixels)))
    }

    fn start(&self, origin: &Origin) -> Result<DecodePipeline, Problem> {
        let pace = self.delivery.pace();
        if origin.codec == Codec::Raw {
            return DecodePipeline::start(None, origin.clone(), pace, &self.frames, &self.life);
        }
        let choices = decoder::choose(origin.codec, elements::has, self.settings.decoder.as_deref(), &self.refused)?;
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn words(why: Unfit) -> &'static str {
    match why {
        Unfit::FarApart => {
            "the camera's keyframes are too far apart (more than 12 s or 8 MiB). Set it to one every one or two seconds (often \
             called `I frame interval` or `GOP`)"
        }
        Unfit::Blind => {
            "the camera's keyframes are more than 2.5 s apart, and its packets are so full of noise that they do not tell \
             when something moves. Set it to a keyframe every one or two seconds"
        }
        Unfit::Untimed => "the stream has no timestamps",
    }
}
