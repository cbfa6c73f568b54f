//! What can be set about a rule.

use std::sync::Arc;
use std::time::Duration;

use crate::event::YesNo;
use crate::ids::RuleId;
use crate::units::Polygon;

/// When a rule is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// At an event's start, its updates and its end.
    #[default]
    Event,
    /// And so often while the event goes on.
    During(Duration),
    /// And so often when nothing goes on.
    Always(Duration),
}

/// At and above `on` an answer is yes, below `off` it is no, between them unsure. `off` is not above `on`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    pub on: f32,
    pub off: f32,
}

impl Bounds {
    /// Of a rule whose model was not calibrated for its question: what it says is taken with a pinch of salt.
    pub const WIDE: Self = Self { on: YesNo::UNSURE.end, off: YesNo::UNSURE.start };
    /// Of one whose probabilities were measured.
    pub const CALIBRATED: Self = Self { on: 0.6, off: 0.4 };

    /// What a probability of yes is an answer to, whatever was before it.
    #[must_use]
    pub fn answer(self, p: f32) -> YesNo {
        match p {
            p if p >= self.on => YesNo::Yes,
            p if p < self.off => YesNo::No,
            // NaN too: what cannot be told is not claimed.
            _ => YesNo::Unsure,
        }
    }
}

/// So many of the last `of` answers must say the same. `least` is more than half of `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agree {
    pub least: usize,
    pub of: usize,
}

impl Agree {
    /// The last answer decides.
    pub const LAST: Self = Self { least: 1, of: 1 };
    /// The most answers that are looked back at.
    pub const MOST: usize = 32;
}

/// A yes/no question about a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub id: RuleId,
    pub ask: Arc<str>,
    /// The same question turned round; without one it is made where the model set wants it.
    pub negated: Option<Arc<str>>,
    pub when: When,
    /// The part of the picture that it is about; `None`: all of it.
    pub region: Option<Polygon>,
    /// `None`: as the calibration of the model allows.
    pub on_above: Option<f32>,
    pub off_below: Option<f32>,
    /// It stays on so long after the last yes.
    pub hold: Duration,
    pub agree: Agree,
    /// Turning on is said in the event.
    pub alert: bool,
}

impl Rule {
    /// A rule that is asked with every event, with everything else as it is without a word in the config.
    #[must_use]
    pub fn new(id: RuleId, ask: impl Into<Arc<str>>) -> Self {
        Self {
            id,
            ask: ask.into(),
            negated: None,
            when: When::default(),
            region: None,
            on_above: None,
            off_below: None,
            hold: Duration::ZERO,
            agree: Agree::LAST,
            alert: false,
        }
    }

    /// Where its answers change, for a model whose probabilities for this question are calibrated or not. What is set on one
    /// side only pushes the other side away.
    #[must_use]
    pub fn bounds(&self, calibrated: bool) -> Bounds {
        let usual = if calibrated { Bounds::CALIBRATED } else { Bounds::WIDE };
        match (self.on_above, self.off_below) {
            (Some(on), Some(off)) => Bounds { on, off: off.min(on) },
            (Some(on), None) => Bounds { on, off: usual.off.min(on) },
            (None, Some(off)) => Bounds { on: usual.on.max(off), off },
            (None, None) => usual,
        }
    }
}
