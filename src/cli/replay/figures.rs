//! What playing one clip came to, in numbers.

use jiff::Timestamp;

use super::record::{Run, Sentences};
use super::ruled::RuleVerdict;
use super::truth::{Labels, Seen, Verdict};
use crate::gate::Outcome;

/// One clip, played with one setup.
#[derive(Debug)]
pub(super) struct Played {
    /// File name.
    pub(super) clip: String,
    /// Name of the setup.
    pub(super) config: String,
    pub(super) camera: String,
    pub(super) model: String,
    pub(super) figures: Figures,
    pub(super) events: Vec<Seen>,
    pub(super) verdict: Option<Verdict>,
    /// The rules that the labels know.
    pub(super) rules: Vec<RuleVerdict>,
    /// What asking back about sentences came to.
    pub(super) sentences: Sentences,
    /// For the report.
    pub(super) run: Option<Run>,
    /// Why it was not played, or not to its end.
    pub(super) problem: Option<String>,
    /// Ctrl-C came in between.
    pub(super) stopped: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Figures {
    /// Frames that the gate looked at.
    pub(super) observed: u64,
    /// Of those, how many have ended.
    pub(super) settled: u64,
    /// All frames by outcome, those that never reached the gate too.
    pub(super) outcomes: Vec<(Outcome, u64)>,
    pub(super) events: u64,
    /// Seconds of the clip until its last frame.
    pub(super) length: f64,
    /// Seconds that it took.
    pub(super) took: f64,
    pub(super) model_seconds: f64,
}

impl Figures {
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes.iter().find(|(known, _)| *known == outcome).map_or(0, |(_, count)| *count)
    }

    /// Share of the frames at the gate that the model described, 0 to 1.
    pub(super) fn described_share(&self) -> f64 {
        self.count(Outcome::Described) as f64 / (self.observed.max(1)) as f64
    }

    /// How many times faster than the clip it was.
    pub(super) fn speed(&self) -> f64 {
        self.length / self.took.max(0.001)
    }

    /// Every frame that the gate saw has ended in exactly one outcome. If not, that is a slip of ours.
    pub(super) fn add_up(&self) -> bool {
        self.observed == self.settled
    }

    pub(super) fn sum<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum.observed += one.observed;
            sum.settled += one.settled;
            sum.events += one.events;
            sum.length += one.length;
            sum.took += one.took;
            sum.model_seconds += one.model_seconds;
            for (outcome, count) in &one.outcomes {
                match sum.outcomes.iter_mut().find(|(known, _)| known == outcome) {
                    Some((_, total)) => *total += count,
                    None => sum.outcomes.push((*outcome, *count)),
                }
            }
            sum.outcomes.sort_unstable();
            sum
        })
    }
}

impl Played {
    /// Holds the events against the labels, if they know the clip.
    pub(super) fn judge(&mut self, labels: Option<&Labels>) {
        let Some(labels) = labels.and_then(|labels| labels.clips.get(&self.clip)) else { return };
        let Some(visits) = &labels.events else { return };
        let verdict = Verdict::new(&self.clip, &self.config, visits, &self.events);
        if let Some(run) = &mut self.run {
            run.truth = Some((&verdict).into());
        }
        self.verdict = Some(verdict);
    }
}

/// Seconds of the clip at a time; it began at `start`.
pub(super) fn second(at: Timestamp, start: Timestamp) -> f64 {
    at.duration_since(start).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_added() {
        let one = |outcomes: Vec<(Outcome, u64)>| Figures {
            observed: 10,
            settled: 10,
            outcomes,
            events: 1,
            length: 20.0,
            took: 0.5,
            model_seconds: 0.25,
        };
        let both = [
            one(vec![(Outcome::NoMotion, 9), (Outcome::Described, 1)]),
            one(vec![(Outcome::DecodeSkipped, 50), (Outcome::NoMotion, 8), (Outcome::Described, 2)]),
        ];
        let sum = Figures::sum(both.iter());
        assert_eq!(sum.outcomes, [(Outcome::DecodeSkipped, 50), (Outcome::NoMotion, 17), (Outcome::Described, 3)]);
        assert_eq!((sum.observed, sum.events, sum.speed(), sum.described_share()), (20, 2, 40.0, 0.15));
        assert!(sum.add_up());
        assert_eq!(Figures::default().described_share(), 0.0);
    }
}
