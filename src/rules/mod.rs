//! Rules: yes/no questions with a memory. What is asked when, what an answer is worth, and what state follows from it. Pure:
//! nothing here asks, publishes or keeps time.

pub mod calibration;
mod negation;
mod region;
mod schedule;
mod settings;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

pub use self::calibration::{Calibrated, Calibration, Calibrations, combine};
pub use self::negation::negated;
pub use self::region::{around, outside};
pub use self::schedule::{Places, Schedule};
pub use self::settings::{Agree, Bounds, Rule, When};
pub use self::state::{Step, Tally};
use crate::ids::{CameraId, RuleId};

/// What a rule says about its camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum State {
    On,
    Off,
    /// Not asked yet, or the answers do not agree.
    #[default]
    Unsure,
}

impl State {
    /// The name in topics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "ON",
            Self::Off => "OFF",
            Self::Unsure => "UNSURE",
        }
    }
}

/// One rule as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleNow {
    pub id: RuleId,
    pub ask: Arc<str>,
    pub alert: bool,
    pub state: State,
    /// Probability of yes of the last answer, 0 to 1; `None`: it was not asked yet.
    pub p: Option<f32>,
    /// When the frame of the last answer was taken, or the state changed without one; before any, when the rule began.
    pub at: Timestamp,
}

/// Every rule of every camera that is watched.
pub type RuleStates = Arc<BTreeMap<CameraId, Arc<[RuleNow]>>>;
