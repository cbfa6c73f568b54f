//! How long a recording lasts, as its container says. For progress bars, and to say that labels
//! reach beyond their clip: nothing else depends on it.

use std::path::Path;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

/// A container that has not said it by then does not say it.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(3);
const ASK_EVERY: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// Blocks for some milliseconds, at most for [`PATIENCE`]. `None`: it cannot be told, or it is no recording.
#[must_use]
pub fn length(path: &Path) -> Option<Duration> {
    let pipeline = gst::Pipeline::new();
    let source = gst::ElementFactory::make("filesrc").property("location", path).build().ok()?;
    let parse = gst::ElementFactory::make("parsebin").build().ok()?;
    pipeline.add_many([&source, &parse]).ok()?;
    source.link(&parse).ok()?;
    let within = pipeline.downgrade();
    parse.connect_pad_added(move |_, pad| {
        let Some(pipeline) = within.upgrade() else { return };
        // A stream without an end to go to would be an error.
        if let Ok(sink) = gst::ElementFactory::make("fakesink").build()
            && pipeline.add(&sink).is_ok()
            && let Some(into) = sink.static_pad("sink")
            && pad.link(&into).is_ok()
        {
            let _ = sink.sync_state_with_parent();
        }
    });
    let length = pipeline.set_state(gst::State::Paused).ok().and_then(|_| told(&pipeline));
    let _ = pipeline.set_state(gst::State::Null);
    length.map(|length| Duration::from_nanos(length.nseconds()))
}

/// Asks until it knows. That the pipeline is paused says nothing: it is so without any stream, too, and is not as long as one
/// of several streams is empty.
fn told(pipeline: &gst::Pipeline) -> Option<gst::ClockTime> {
    let bus = pipeline.bus()?;
    for _ in 0..PATIENCE.mseconds() / ASK_EVERY.mseconds() {
        if let Some(length) = pipeline.query_duration::<gst::ClockTime>() {
            return Some(length);
        }
        if bus.timed_pop_filtered(ASK_EVERY, &[gst::MessageType::Error, gst::MessageType::Eos]).is_some() {
            return None;
        }
    }
    None
}
