//! The end of an RTSP stream, told past the jitter buffer.
//!
//! At the end of a stream the jitter buffer waits until its timers have run out, and nothing wakes that wait when the stream is
//! torn down meanwhile (GStreamer 1.22): about one end in ten hangs for good, and with it four threads. So the end does
//! not reach it. What it still holds back for want of an earlier packet has come out after its latency.

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;

use super::router::Router;

/// Lets `router` hear of the end that `source`, an `rtspsrc`, comes to, `latency` after it.
pub(super) fn past_the_jitter_buffer(source: &gst::Element, router: &Arc<Router>, latency: Duration) {
    let router = Arc::clone(router);
    source.connect("new-manager", false, move |values| {
        let manager = values.get(1)?.get::<gst::Element>().ok()?;
        let router = Arc::clone(&router);
        manager.connect("new-jitterbuffer", false, move |values| {
            let buffer = values.get(1)?.get::<gst::Element>().ok()?;
            keep_the_end_from(&buffer, &router, latency);
            None
        });
        None
    });
}

fn keep_the_end_from(buffer: &gst::Element, router: &Arc<Router>, latency: Duration) {
    let Some(input) = buffer.static_pad("sink") else { return };
    let router = Arc::clone(router);
    input.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if info.event().is_none_or(|event| event.type_() != gst::EventType::Eos) {
            return gst::PadProbeReturn::Ok;
        }
        // On the thread that received the stream and has nothing more to do.
        std::thread::sleep(latency);
        router.end();
        gst::PadProbeReturn::Drop
    });
}
