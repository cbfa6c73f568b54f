//! How long a recording lasts, as its container says. For progress bars: nothing else depends on it.

use std::path::Path;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

/// A container that has not said it by then does not say it.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(3);

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
    let opened = pipeline.set_state(gst::State::Paused).is_ok() && is_open(&pipeline);
    let length = opened.then(|| pipeline.query_duration::<gst::ClockTime>()).flatten();
    let _ = pipeline.set_state(gst::State::Null);
    length.map(|length| Duration::from_nanos(length.nseconds()))
}

/// Waits until its streams are there. That the pipeline is paused says nothing: it is so without any stream, too.
fn is_open(pipeline: &gst::Pipeline) -> bool {
    let wanted = [gst::MessageType::AsyncDone, gst::MessageType::Error, gst::MessageType::Eos];
    let message = pipeline.bus().and_then(|bus| bus.timed_pop_filtered(PATIENCE, &wanted));
    message.is_some_and(|message| message.type_() == gst::MessageType::AsyncDone)
}
