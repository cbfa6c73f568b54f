//! Decides per frame, without the model, whether the model should look. Pure: frames and times in, signals and
//! outcomes out. No I/O, no clock, no channel belongs here.
//!
//! Read `ladder` first; `motion` says what is seen, `life` what follows from it.

mod background;
mod blobs;
mod candidate;
mod cut;
mod described;
mod detail;
mod drift;
mod exposure;
mod follow;
mod kinds;
mod ladder;
mod life;
mod look;
mod luma;
mod motion;
mod places;
mod portrait;
mod settings;
mod tamper;
mod thresholds;
mod witness;

pub use candidate::{Candidate, EndReason, Measure, Motion, Observation, Outcome, Settled, Signal};
pub use ladder::{Gate, Wish};
pub use settings::Settings;
