//! How good answers were, where the truth is known.

use super::EDGE;
use crate::event::YesNo;

/// One answer and what was right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// Probability of yes, 0 to 1.
    pub p: f32,
    pub answer: YesNo,
    /// What was right.
    pub yes: bool,
}

/// How many answers were what, and how far their probabilities can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Yes, and right.
    pub true_yes: usize,
    /// Yes where no was right.
    pub false_yes: usize,
    /// No, and right.
    pub true_no: usize,
    /// No where yes was right.
    pub false_no: usize,
    /// Unsure where yes was right.
    pub unsure_yes: usize,
    /// Unsure where no was right.
    pub unsure_no: usize,
    /// Expected calibration error, 0 to 1: the mean distance of what was said from how often it was so, over ten equal bins of
    /// the probability of yes, by how many answers are in each.
    pub ece: f64,
    /// Brier's score, 0 to 1: the mean square of how far each probability was from the truth.
    pub brier: f64,
    /// Mean surprise in nats; an answer that is sure and wrong costs at most 13.8.
    pub log_loss: f64,
}

/// Bins of the expected calibration error.
const BINS: usize = 10;

impl Score {
    /// An answer without a number counts as unsure, and not for what probabilities are worth.
    #[must_use]
    pub fn of(answers: &[Scored]) -> Self {
        let mut score = Self::default();
        // Answers, sum of what was said, how often it was so.
        let mut bins = [(0_usize, 0.0, 0.0); BINS];
        for one in answers {
            *score.place(one) += 1;
            let p = f64::from(one.p);
            if p.is_nan() {
                continue;
            }
            let p = p.clamp(0.0, 1.0);
            let truth = f64::from(u8::from(one.yes));
            score.brier += (p - truth).powi(2);
            score.log_loss += surprise(p, truth);
            let (count, said, so) = &mut bins[((p * BINS as f64) as usize).min(BINS - 1)];
            *count += 1;
            *said += p;
            *so += truth;
        }
        let counted: usize = bins.iter().map(|(count, ..)| count).sum();
        if counted > 0 {
            let all = counted as f64;
            score.ece = bins.iter().map(|(_, said, so)| (said - so).abs()).sum::<f64>() / all;
            score.brier /= all;
            score.log_loss /= all;
        }
        score
    }

    fn place(&mut self, one: &Scored) -> &mut usize {
        match (one.answer, one.yes) {
            (YesNo::Yes, true) => &mut self.true_yes,
            (YesNo::Yes, false) => &mut self.false_yes,
            (YesNo::No, true) => &mut self.false_no,
            (YesNo::No, false) => &mut self.true_no,
            (YesNo::Unsure, true) => &mut self.unsure_yes,
            (YesNo::Unsure, false) => &mut self.unsure_no,
        }
    }

    /// Answers where yes was right.
    #[must_use]
    pub fn yes(&self) -> usize {
        self.true_yes + self.false_no + self.unsure_yes
    }

    /// Answers where no was right.
    #[must_use]
    pub fn no(&self) -> usize {
        self.true_no + self.false_yes + self.unsure_no
    }

    #[must_use]
    pub fn answers(&self) -> usize {
        self.yes() + self.no()
    }

    #[must_use]
    pub fn wrong(&self) -> usize {
        self.false_yes + self.false_no
    }

    #[must_use]
    pub fn unsure(&self) -> usize {
        self.unsure_yes + self.unsure_no
    }

    /// Wrong answers out of all, the unsure ones included; `None` without any.
    #[must_use]
    pub fn error(&self) -> Option<f64> {
        share(self.wrong(), self.answers())
    }

    /// Unsure answers out of all.
    #[must_use]
    pub fn unsure_rate(&self) -> Option<f64> {
        share(self.unsure(), self.answers())
    }

    /// Of what was answered with yes, how much was right; `None` if nothing was.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        share(self.true_yes, self.true_yes + self.false_yes)
    }

    /// Of what is yes, how much was answered so; unsure is not.
    #[must_use]
    pub fn recall(&self) -> Option<f64> {
        share(self.true_yes, self.yes())
    }
}

fn share(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

/// Of a probability of yes, where yes is so true.
pub(super) fn surprise(p: f64, truth: f64) -> f64 {
    let p = p.clamp(EDGE, 1.0 - EDGE);
    -(truth * p.ln() + (1.0 - truth) * (1.0 - p).ln())
}
