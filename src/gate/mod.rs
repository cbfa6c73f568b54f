//! Decides per frame, without the model, whether the model should look. Pure: frames and times in, signals and
//! outcomes out. No I/O, no clock, no channel belongs here.

mod candidate;
mod settings;

pub use candidate::{Candidate, EndReason, Motion, Observation, Outcome, Signal};
pub use settings::Settings;
