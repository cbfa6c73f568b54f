//! Pulls frames. GStreamer lives here and nowhere else.

mod settings;

pub use settings::*;
