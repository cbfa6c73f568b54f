//! How the outcomes are called on the page and in which order they stand. The colours are in `style.css`, by the same
//! names.

use super::super::super::summary;
use crate::gate::Outcome;

/// What matters most stands on top, then the ladder of the gate from dear to cheap.
pub(super) const ALL: [Outcome; 11] = [
    Outcome::Described,
    Outcome::Failed,
    Outcome::Expired,
    Outcome::Cached,
    Outcome::Budget,
    Outcome::Duplicate,
    Outcome::Superseded,
    Outcome::Lighting,
    Outcome::Masked,
    Outcome::NoMotion,
    Outcome::DecodeSkipped,
];

pub(super) struct Lane {
    /// The name in metrics; also the class of its colour.
    pub(super) name: &'static str,
    /// For people.
    pub(super) label: &'static str,
    pub(super) meaning: &'static str,
}

impl Lane {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let label = match outcome {
            Outcome::Described => "described",
            Outcome::Failed => "model failed",
            Outcome::Expired => "model too late",
            Outcome::Cached => "known answer",
            Outcome::Budget => "not yet again",
            Outcome::Duplicate => "looks the same",
            Outcome::Superseded => "better one near",
            Outcome::Lighting => "only light",
            Outcome::Masked => "under a mask",
            Outcome::NoMotion => "nothing moved",
            Outcome::DecodeSkipped => "not decoded",
        };
        Self { name: outcome.name(), label, meaning: summary::meaning(*outcome) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_one_lane() {
        let mut lanes = ALL.to_vec();
        lanes.sort();
        lanes.dedup();
        assert_eq!(lanes.len(), Outcome::ALL.len());
    }
}
