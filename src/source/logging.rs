//! GStreamer's and GLib's own messages go to the log at `debug`, never to stderr: they are for whoever looks into a
//! plugin, and what a camera's owner should know is said in the camera's status.

use std::sync::Once;

use gstreamer as gst;
use gstreamer::glib;

use super::redact;

static ONCE: Once = Once::new();

/// Takes over both logs, once per process. `GST_DEBUG` still chooses what GStreamer says.
pub(super) fn route() {
    ONCE.call_once(|| {
        gst::log::remove_default_log_function();
        if std::env::var_os("GST_DEBUG").is_none() {
            gst::log::set_default_threshold(gst::DebugLevel::Warning);
        }
        gst::log::add_log_function(|category, level, _, _, _, _, message| {
            if tracing::enabled!(target: "gstreamer", tracing::Level::DEBUG) {
                let text = message.get().map(|t| redact::text(t.as_str())).unwrap_or_default();
                tracing::debug!(target: "gstreamer", category = category.name(), ?level, "{text}");
            }
        });
        glib::log_set_default_handler(|domain, level, message| {
            tracing::debug!(target: "gstreamer", domain = domain.unwrap_or(""), ?level, "{}", redact::text(message));
        });
    });
}
