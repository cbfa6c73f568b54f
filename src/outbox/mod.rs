//! Keeps events until the broker has acknowledged them.

mod settings;

pub use settings::*;
