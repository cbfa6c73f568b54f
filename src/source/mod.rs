//! Pulls frames out of a camera, a file or a test pattern. GStreamer lives here and nowhere else.
//!
//! The walk: [`run`] keeps one camera for ever, `session` is one connection's life, `receive` brings access units
//! (one coded picture each), `router` takes them to the decoder, as far as `auto` (or `picker`) says, `decode` makes
//! pictures of them, `delivery` puts these into the [`mailbox`] as frames. What a frame shows is nobody's business here;
//! [`Demand`] says what the gate wants of it.

mod arrivals;
mod auto;
mod classes;
mod codec;
mod counters;
mod decode;
mod decoder;
mod delivery;
mod demand;
mod diagnose;
mod elements;
mod ending;
mod kept;
mod length;
mod life;
mod limit;
mod location;
mod logging;
pub mod mailbox;
mod picker;
mod problem;
mod receive;
mod redact;
mod router;
mod run;
mod session;
mod settings;
mod sink;
mod sizes;
mod stream;

use gstreamer as gst;

pub use auto::Cause;
pub use codec::Codec;
pub use counters::Counters;
pub use decoder::known as known_decoders;
pub use demand::{Demand, Wish};
pub use length::length;
pub use location::{Location, LocationError, Pace, Transport};
pub use problem::Problem;
pub use run::{Ended, run};
pub use settings::{Decode, Settings};

/// Why no camera can be opened at all on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "GStreamer does not start: {0}\ninstall the Debian packages `libgstreamer1.0-0` and `gstreamer1.0-plugins-base`"
    )]
    Init(String),
    #[error("GStreamer has no element `{element}`\ninstall the Debian package `{package}`")]
    Missing { element: &'static str, package: &'static str },
}

/// Starts GStreamer, once per process, sends its messages to the log, and looks for what every camera needs.
/// What only some cameras need (a decoder, say) is looked for when such a camera is opened.
///
/// # Errors
/// [`Error`], naming the Debian package to install.
pub fn init() -> Result<(), Error> {
    gst::init().map_err(|e| Error::Init(redact::text(&e.to_string())))?;
    logging::route();
    classes::make();
    for element in ["appsrc", "appsink", "parsebin", "videoconvert", "filesrc"] {
        if gst::ElementFactory::find(element).is_none() {
            return Err(Error::Missing { element, package: elements::package(element) });
        }
    }
    Ok(())
}
