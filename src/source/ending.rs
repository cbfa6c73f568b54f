//! The end of an RTSP stream, told past the jitter buffer.
//!
//! Before an end goes on, GStreamer's jitter buffer (1.22) waits until its timers have run out, and nothing wakes that wait when
//! the stream is torn down meanwhile: on a busy machine about one stop in a hundred then hangs for good, and with it four threads
//! (tests/rtsp_ends.rs). One of the timers is its own guess at the end of a recording. So neither reaches it: not the end, and not
//! what it guesses from.

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;

use super::router::Router;

/// Where a recording ends, as it stands in a stream's caps.
const STOP_FIELD: &str = "npt-stop";

/// Lets `router` hear of the end that `source`, an `rtspsrc`, comes to; what the jitter buffer holds back for want of an
/// earlier packet has come out by then, `latency` later.
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
        match info.event().map(|event| event.view()) {
            Some(gst::EventView::Eos(_)) => {
                // On a thread of the source, which has nothing more to do.
                std::thread::sleep(latency);
                router.end();
                gst::PadProbeReturn::Drop
            }
            Some(gst::EventView::Caps(caps)) => {
                if let Some(endless) = endless(caps.caps()) {
                    info.data = Some(gst::PadProbeData::Event(gst::event::Caps::new(&endless)));
                }
                gst::PadProbeReturn::Ok
            }
            _ => gst::PadProbeReturn::Ok,
        }
    });
}

/// The caps without the place where the stream ends, if they have one.
fn endless(caps: &gst::CapsRef) -> Option<gst::Caps> {
    caps.iter().any(|structure| structure.has_field(STOP_FIELD)).then(|| {
        let mut endless = caps.to_owned();
        endless.make_mut().iter_mut().for_each(|structure| structure.remove_field(STOP_FIELD));
        endless
    })
}
