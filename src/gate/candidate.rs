//! What the gate passes on, and how a frame can end.

use smallvec::SmallVec;

use crate::clock::Moment;
use crate::event::Cause;
use crate::frame::Frame;
use crate::units::Region;

/// Why a frame went no further, or that it did. Every delivered frame ends in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The access unit was never decoded.
    DecodeSkipped,
    /// A newer frame came before anybody took this one, or a better one of the same moment stood in for it.
    Superseded,
    /// Nothing moves.
    NoMotion,
    /// Something moves, but only under a mask.
    Masked,
    /// The light or the camera's exposure changed, nothing moved.
    Lighting,
    /// It looks like what was described already.
    Duplicate,
    /// An earlier answer served.
    Cached,
    /// The event goes on, and it is not yet time for the next description.
    Budget,
    /// The model was not free in time.
    Expired,
    /// The model described it.
    Described,
    /// The model failed at it.
    Failed,
}

impl Outcome {
    pub const ALL: [Self; 11] = [
        Self::DecodeSkipped,
        Self::Superseded,
        Self::NoMotion,
        Self::Masked,
        Self::Lighting,
        Self::Duplicate,
        Self::Cached,
        Self::Budget,
        Self::Expired,
        Self::Described,
        Self::Failed,
    ];

    /// The name in metrics, logs and topics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DecodeSkipped => "decode_skipped",
            Self::Superseded => "superseded",
            Self::NoMotion => "no_motion",
            Self::Masked => "masked",
            Self::Lighting => "lighting",
            Self::Duplicate => "duplicate",
            Self::Cached => "cached",
            Self::Budget => "budget",
            Self::Expired => "expired",
            Self::Described => "described",
            Self::Failed => "failed",
        }
    }
}

/// A frame that the model should look at.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub frame: Frame,
    pub cause: Cause,
    /// Where it moves.
    pub region: Option<Region>,
    /// When the event began: of all its candidates the same.
    pub started_at: Moment,
    /// What is wrong with the camera, in words; only with [`Cause::Tamper`].
    pub reason: Option<&'static str>,
}

/// What the gate says about a camera, in order: start, any number of updates, end; then the next start.
#[derive(Debug, Clone)]
pub enum Signal {
    Start(Candidate),
    Update(Candidate),
    End {
        started_at: Moment,
        /// When the last thing had left the view, `settle` before the gate could be sure.
        ended_at: Moment,
        reason: EndReason,
        /// What the camera sees now that it is over; `None` where nobody looked, or where something else begins.
        frame: Option<Frame>,
    },
}

/// Why an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Nothing new in view for `settle`.
    Quiet,
    /// The camera gave no more frames.
    CameraLost,
    /// The daemon was stopped.
    Stopped,
    /// The camera's settings were changed, or it is no longer watched.
    Reconfigured,
    /// The camera was turned off.
    TurnedOff,
}

/// The value that decided about a frame, and the threshold that it was held against: what `explain` shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// In words, such as "share of the view that moves".
    pub what: &'static str,
    pub value: f32,
    pub threshold: f32,
}

/// How one frame ended, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settled {
    /// Number of the frame ([`Frame::seq`]).
    pub frame: u64,
    /// When it was taken.
    pub at: Moment,
    pub outcome: Outcome,
    /// `None` where no single value decided.
    pub because: Option<Measure>,
}

impl Settled {
    #[must_use]
    pub fn new(frame: &Frame, outcome: Outcome) -> Self {
        Self { frame: frame.seq, at: frame.at, outcome, because: None }
    }

    #[must_use]
    pub fn because(self, what: &'static str, value: f32, threshold: f32) -> Self {
        Self { because: Some(Measure { what, value, threshold }), ..self }
    }
}

/// What one frame did to the gate. The frames in `settled` are over: the gate holds them no longer and nobody else
/// does, but for the one that an end shows. A frame that left in a [`Signal`] is settled by whoever takes it.
#[derive(Debug, Default)]
pub struct Observation {
    /// Nearly always one; two where a held frame is settled beside the new one.
    pub settled: SmallVec<[Settled; 2]>,
    /// Nearly always none; two where one event ends and the next begins.
    pub signals: SmallVec<[Signal; 2]>,
    pub motion: Motion,
}

/// The values behind the decision, against their thresholds: what `explain` shows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Motion {
    /// Share of the unmasked view that differs from the background, 0 to 1.
    pub foreground: f32,
    /// The share that it takes to count as motion.
    pub threshold: f32,
    /// Share of the view that changed with the light, 0 to 1.
    pub lighting: f32,
    /// Where, if anywhere.
    pub region: Option<Region>,
}
