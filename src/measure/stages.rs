//! The parts of an answer's time, in one table: whoever prints, sums up or compares goes by it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::statistics::Spread;
use crate::vlm::Answer;

/// One answer and how it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    pub answer: Answer,
    /// The most tokens that it could have had.
    pub max_tokens: usize,
}

impl Round {
    /// Runs of the decoder after the first token: one for each further token, and one for the token that ended the answer,
    /// unless it was cut off.
    #[must_use]
    pub fn steps(&self) -> usize {
        if self.answer.tokens < self.max_tokens { self.answer.tokens } else { self.answer.tokens.saturating_sub(1) }
    }

    /// Time from when the model was free to the answer.
    fn worked(&self) -> Duration {
        self.answer.timing.total.saturating_sub(self.answer.timing.wait)
    }

    /// Time inside ONNX Runtime.
    fn inside(&self) -> Duration {
        self.worked().saturating_sub(self.answer.timing.host)
    }

    fn per_step(&self) -> Option<Duration> {
        let steps = u32::try_from(self.steps()).ok().filter(|steps| *steps > 0)?;
        Some(self.answer.timing.decode / steps)
    }

    /// Share of the work that is done outside ONNX Runtime, 0 to 1.
    pub(super) fn host_share(&self) -> f64 {
        self.answer.timing.host.as_secs_f64() / self.worked().as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// A part of an answer's time.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    /// In tables and in JSON.
    pub name: &'static str,
    /// `None` where an answer has no such part.
    pub of: fn(&Round) -> Option<Duration>,
}

/// In the order in which they happen, then sums of them. `first token` is from when the model was free; `per token` is one run
/// of the decoder after it, with its embedding and the choice of the token.
pub const STAGES: &[Stage] = &[
    Stage { name: "wait", of: |round| Some(round.answer.timing.wait) },
    Stage { name: "preprocess", of: |round| Some(round.answer.timing.preprocess) },
    Stage { name: "encode", of: |round| Some(round.answer.timing.encode) },
    Stage { name: "embed", of: |round| Some(round.answer.timing.embed) },
    Stage { name: "prefill", of: |round| Some(round.answer.timing.prefill) },
    Stage { name: "first token", of: |round| Some(round.answer.timing.first_token) },
    Stage { name: "per token", of: Round::per_step },
    Stage { name: "all further tokens", of: |round| Some(round.answer.timing.decode) },
    Stage { name: "detokenise", of: |round| Some(round.answer.timing.detokenise) },
    Stage { name: "whole description", of: |round| Some(round.answer.timing.total) },
    Stage { name: "inside ONNX Runtime", of: |round| Some(round.inside()) },
    Stage { name: "outside of it", of: |round| Some(round.answer.timing.host) },
];

/// What many rounds say of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageTimes {
    /// A name of [`STAGES`].
    pub stage: String,
    /// Milliseconds.
    pub ms: Spread,
}

impl StageTimes {
    /// Every stage that all rounds have.
    pub(super) fn of(rounds: &[Round]) -> Vec<Self> {
        let times = |stage: &Stage| rounds.iter().map(|round| (stage.of)(round)).collect::<Option<Vec<_>>>();
        let summed = |stage: &Stage| {
            let ms = Spread::of(times(stage)?.iter().map(|took| took.as_secs_f64() * 1000.0))?;
            Some(Self { stage: stage.name.to_owned(), ms: ms.rounded() })
        };
        STAGES.iter().filter_map(summed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vlm::Timing;

    fn round(tokens: usize, decode: u64) -> Round {
        let ms = Duration::from_millis;
        let timing = Timing { wait: ms(1), total: ms(101), host: ms(20), decode: ms(decode), ..Timing::default() };
        Round { answer: Answer { tokens, timing, ..Answer::default() }, max_tokens: 48 }
    }

    fn median(times: &[StageTimes], stage: &str) -> Option<f64> {
        times.iter().find(|times| times.stage == stage).map(|times| times.ms.median)
    }

    #[test]
    fn the_token_that_ends_an_answer_costs_a_step_too() {
        assert_eq!([round(9, 0).steps(), round(48, 0).steps(), round(0, 0).steps()], [9, 47, 0]);
    }

    #[test]
    fn every_stage_has_its_times() {
        let times = StageTimes::of(&[round(10, 50), round(10, 70)]);
        assert_eq!(times.len(), STAGES.len());
        assert_eq!(median(&times, "per token"), Some(6.0));
        assert_eq!(median(&times, "inside ONNX Runtime"), Some(80.0));
        assert_eq!(median(&times, "outside of it"), Some(20.0));
        assert!((round(10, 50).host_share() - 0.2).abs() < 1e-9);
    }

    #[test]
    fn what_not_every_answer_has_is_left_out() {
        let times = StageTimes::of(&[round(10, 50), round(0, 0)]);
        assert_eq!((median(&times, "per token"), times.len()), (None, STAGES.len() - 1));
        assert_eq!(StageTimes::of(&[]), []);
    }
}
