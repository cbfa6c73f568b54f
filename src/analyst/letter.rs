//! What a gate's signals become on their way to the analyst.

use std::time::Duration;

use crate::clock::Moment;
use crate::event::{Cause, Kind};
use crate::frame::Frame;
use crate::gate::{Candidate, EndReason, Outcome, Settled};
use crate::rules::Places;
use crate::units::Region;

/// What waits for the analyst.
#[derive(Debug)]
pub(super) enum Letter {
    /// A frame to describe.
    Look { kind: Kind, candidate: Candidate },
    /// An event began, and its picture had to go. `settled` if nobody has said yet how that frame ended.
    Unseen {
        started_at: Moment,
        at: Moment,
        cause: Cause,
        region: Option<Region>,
        /// What is wrong with the camera ([`Candidate::reason`]).
        wrong: Option<&'static str>,
        reason: String,
        settled: Option<Settled>,
    },
    /// An update whose picture had to go: there is nothing to tell, but the frame has ended.
    Skipped(Settled),
    /// The event is over. Rules are asked about the frame, if there is one.
    End { started_at: Moment, ended_at: Moment, reason: EndReason, frame: Option<Frame> },
    /// Rules whose time has come, and a frame to ask them about. How that frame ended was said by the gate.
    Check { frame: Frame, due: Places },
}

/// A letter with the camera it is about (by its index) and how long it waited, by that camera's time.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) lane: usize,
    pub(super) letter: Letter,
    pub(super) waited: Duration,
}

/// What had to make room.
#[derive(Debug, Default, PartialEq)]
pub struct Displaced {
    pub frames: Vec<Settled>,
    /// Whole events, start and end, that nobody will hear of.
    pub events: u64,
}

impl Letter {
    /// Puts a newer picture of the same event in the place of the one that waits, whose end is returned, if it did not
    /// end before. Returns the newer one if it must wait behind this letter.
    pub(super) fn renew(&mut self, newer: Candidate) -> Result<Option<Settled>, Box<Candidate>> {
        // What was noticed once must be told, even if by now the picture is an ordinary one.
        let special = |cause: Cause| !matches!(cause, Cause::Motion | Cause::Refresh);
        match self {
            Self::Look { candidate, .. } if special(candidate.cause) => Err(newer.into()),
            Self::Look { kind, candidate } => {
                let cause = if *kind == Kind::Start && !special(newer.cause) { candidate.cause } else { newer.cause };
                let older = std::mem::replace(candidate, Candidate { cause, ..newer });
                Ok(Some(Settled::new(&older.frame, Outcome::Superseded)))
            }
            Self::Unseen { cause, settled, .. } if !special(*cause) => {
                let (cause, settled) = (if special(newer.cause) { newer.cause } else { *cause }, settled.take());
                *self = Self::Look { kind: Kind::Start, candidate: Candidate { cause, ..newer } };
                Ok(settled)
            }
            Self::Unseen { .. } | Self::Skipped(_) | Self::End { .. } | Self::Check { .. } => Err(newer.into()),
        }
    }

    /// The same without its picture, whose end has yet to be said; `reason` is why nothing is said about an event.
    pub(super) fn without_picture(self, settled: Settled, reason: String) -> Self {
        match self {
            Self::Look { kind: Kind::Start, candidate } => Self::Unseen {
                started_at: candidate.started_at,
                at: candidate.frame.at,
                cause: candidate.cause,
                region: candidate.region,
                wrong: candidate.reason,
                reason,
                settled: Some(settled),
            },
            Self::Look { .. } => Self::Skipped(settled),
            other => other,
        }
    }
}
