//! Two sets' answers held against each other: how far apart are they, and is that near enough? Pure.

use super::args::Precision;
use crate::vlm::Probe;

/// How far a row of numbers is from the one that it should be.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(super) struct Distance {
    /// Largest difference of two numbers.
    pub(super) max_abs: f64,
    /// Length of the difference over the length of what it should be.
    pub(super) relative: f64,
    /// Of the angle between both: 1 is the same direction.
    pub(super) cosine: f64,
}

impl Distance {
    /// Rows of different lengths, or with a number that is none, are infinitely far apart.
    pub(super) fn of(wanted: &[f32], have: &[f32]) -> Self {
        let far = Self { max_abs: f64::INFINITY, relative: f64::INFINITY, cosine: -1.0 };
        if wanted.len() != have.len() || have.iter().any(|value| !value.is_finite()) {
            return far;
        }
        let (mut max_abs, mut apart, mut both, mut a2, mut b2) = (0.0_f64, 0.0, 0.0, 0.0, 0.0);
        for (a, b) in wanted.iter().zip(have).map(|(a, b)| (f64::from(*a), f64::from(*b))) {
            max_abs = max_abs.max((a - b).abs());
            apart += (a - b) * (a - b);
            both += a * b;
            a2 += a * a;
            b2 += b * b;
        }
        if a2 == 0.0 || b2 == 0.0 {
            return if a2 == b2 { Self { max_abs, relative: 0.0, cosine: 1.0 } } else { far };
        }
        Self { max_abs, relative: (apart / a2).sqrt(), cosine: both / (a2 * b2).sqrt() }
    }

    /// The worse of both in each measure.
    fn worse(self, other: Self) -> Self {
        Self {
            max_abs: self.max_abs.max(other.max_abs),
            relative: self.relative.max(other.relative),
            cosine: self.cosine.min(other.cosine),
        }
    }
}

/// What came of all questions.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(super) struct Comparison {
    pub(super) questions: usize,
    /// The worst of all pictures.
    pub(super) features: Distance,
    /// The worst of all questions, at the first answer position.
    pub(super) logits: Distance,
    /// Questions whose first token is another although the first two were further apart than this precision explains.
    pub(super) clear_flips: usize,
    /// Questions with the same first token.
    pub(super) first: usize,
    /// Of those that went on: questions with the same second token too.
    pub(super) second: usize,
    /// Of those with the same first token: answers that went on in the original.
    pub(super) went_on: usize,
    /// Greedy tokens that are the same up to the first other one.
    pub(super) same_tokens: usize,
    pub(super) tokens: usize,
}

impl Comparison {
    /// Both lists are answers to the same questions in the same order, at least one.
    pub(super) fn of(wanted: &[Probe], have: &[Probe]) -> Self {
        let none = Distance { max_abs: 0.0, relative: 0.0, cosine: 1.0 };
        let mut all = Self {
            questions: wanted.len(),
            features: none,
            logits: none,
            clear_flips: 0,
            first: 0,
            second: 0,
            went_on: 0,
            same_tokens: 0,
            tokens: 0,
        };
        for (wanted, have) in wanted.iter().zip(have) {
            all.add(wanted, have);
        }
        all
    }

    fn add(&mut self, wanted: &Probe, have: &Probe) {
        self.features = self.features.worse(Distance::of(&wanted.features, &have.features));
        let logits = Distance::of(&wanted.first_logits, &have.first_logits);
        self.logits = self.logits.worse(logits);
        let (top, margin) = top(&wanted.first_logits);
        let flipped = top != top_of(&have.first_logits);
        if flipped && margin > CLEAR * spread(&wanted.first_logits, &have.first_logits) {
            self.clear_flips += 1;
        }
        let pairs = wanted.token_ids.iter().zip(&have.token_ids);
        let same = pairs.take_while(|(a, b)| a == b).count();
        self.same_tokens += same;
        self.tokens += wanted.token_ids.len();
        // An answer that ends at once is the same if both do.
        let first = if wanted.token_ids.is_empty() { have.token_ids.is_empty() } else { same > 0 };
        self.first += usize::from(first);
        self.went_on += usize::from(first && wanted.token_ids.len() > 1);
        self.second += usize::from(same > 1);
    }

    /// What is too far apart for this precision, in words; empty if nothing is.
    pub(super) fn wrong(&self, bounds: &Bounds) -> Vec<String> {
        let mut wrong = Vec::new();
        for (what, have, most) in [("features", self.features, bounds.features), ("logits", self.logits, bounds.logits)]
        {
            if have.relative.is_nan() || have.relative > most {
                wrong.push(format!("the {what} are {:.3} of their length away, and {most} is the most", have.relative));
            }
        }
        if bounds.all_tokens && self.same_tokens < self.tokens {
            wrong.push(format!("only {} of {} greedy tokens are the same", self.same_tokens, self.tokens));
        }
        if self.clear_flips > 0 {
            let n = self.clear_flips;
            wrong.push(format!(
                "{n} of {} answers begin with another token although the first choice was clear",
                self.questions
            ));
        }
        if self.went_on >= FEW && self.second * 3 < self.went_on {
            let (second, went_on) = (self.second, self.went_on);
            wrong
                .push(format!("of {went_on} answers that begin alike only {second} go on alike: is its memory wrong?"));
        }
        wrong
    }
}

/// A first choice is clear if its lead is so many times the usual difference of two logits' errors.
const CLEAR: f64 = 6.0;

/// Fewer answers that begin alike say nothing about how they go on.
const FEW: usize = 3;

/// How far apart two sets may be. Between whole and whole only the order of sums differs. The other bounds leave room above what
/// a look-alike of SmolVLM-256M with random weights shows, which is harder on rounding than a trained model (docs/models.md).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(super) struct Bounds {
    /// Length of the features' difference over the length of the features.
    pub(super) features: f64,
    pub(super) logits: f64,
    /// Whether every greedy token must be the same.
    pub(super) all_tokens: bool,
}

impl Bounds {
    /// For graphs in precision `new` held against graphs in precision `source`: the coarser one of both decides.
    pub(super) fn between(source: Precision, new: Precision) -> Self {
        let halves = |precision| matches!(precision, Precision::Fp16 | Precision::Q4f16);
        match new {
            Precision::Fp32 if !halves(source) => Self { features: 1e-3, logits: 1e-3, all_tokens: true },
            Precision::Fp32 | Precision::Fp16 => Self { features: 0.02, logits: 0.02, all_tokens: false },
            Precision::Int8 => Self { features: 0.1, logits: 0.25, all_tokens: false },
            Precision::Q4 => Self { features: 0.1, logits: 0.6, all_tokens: false },
            Precision::Q4f16 => Self { features: 0.02, logits: 0.6, all_tokens: false },
        }
    }
}

/// The first choice and its lead over the second.
fn top(logits: &[f32]) -> (usize, f64) {
    let (mut at, mut first, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (place, value) in logits.iter().copied().enumerate() {
        if value > first {
            (at, first, second) = (place, value, first);
        } else if value > second {
            second = value;
        }
    }
    (at, f64::from(first) - f64::from(second))
}

fn top_of(logits: &[f32]) -> usize {
    top(logits).0
}

/// Standard deviation of the logits' errors; what moves all of them alike changes no choice.
fn spread(wanted: &[f32], have: &[f32]) -> f64 {
    let errors = || wanted.iter().zip(have).map(|(a, b)| f64::from(*b) - f64::from(*a));
    let count = wanted.len().max(1) as f64;
    let mean = errors().sum::<f64>() / count;
    (errors().map(|error| (error - mean) * (error - mean)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(features: &[f32], logits: &[f32], tokens: &[u32]) -> Probe {
        Probe {
            prompt_ids: vec![1],
            features: features.to_vec(),
            first_logits: logits.to_vec(),
            token_ids: tokens.to_vec(),
        }
    }

    const STRICT: Bounds = Bounds { features: 1e-3, logits: 1e-3, all_tokens: true };
    const LOOSE: Bounds = Bounds { features: 0.1, logits: 0.5, all_tokens: false };

    #[test]
    fn distances() {
        let same = Distance::of(&[3.0, 4.0], &[3.0, 4.0]);
        assert_eq!((same.max_abs, same.relative, same.cosine), (0.0, 0.0, 1.0));
        let off = Distance::of(&[3.0, 4.0], &[3.0, 4.5]);
        assert!((off.relative - 0.1).abs() < 1e-9 && off.max_abs == 0.5 && off.cosine < 1.0, "{off:?}");
        for far in [&[3.0][..], &[3.0, f32::NAN], &[f32::INFINITY, 4.0], &[0.0, 0.0]] {
            assert_eq!(Distance::of(&[3.0, 4.0], far).relative, f64::INFINITY);
        }
    }

    #[test]
    fn the_same_is_not_wrong() {
        let answers = [probe(&[1.0, 2.0], &[0.0, 5.0, 1.0], &[1, 2, 3]), probe(&[1.0, 2.0], &[0.0, 5.0, 1.0], &[])];
        let same = Comparison::of(&answers, &answers);
        assert_eq!((same.first, same.went_on, same.second, same.same_tokens, same.tokens), (2, 1, 1, 3, 3));
        assert_eq!(same.wrong(&STRICT), [""; 0]);
    }

    #[test]
    fn numbers_that_are_none_are_wrong_at_any_bound() {
        let wanted = [probe(&[1.0], &[0.0, 5.0], &[1])];
        let have = [probe(&[f32::NAN], &[0.0, f32::NAN], &[1])];
        assert_eq!(Comparison::of(&wanted, &have).wrong(&LOOSE).len(), 2);
    }

    #[test]
    fn a_near_tie_may_flip_and_a_clear_choice_may_not() {
        let tie = [probe(&[1.0], &[5.0, 5.01, 0.0, 1.0], &[1, 7])];
        let flipped = [probe(&[1.0], &[5.1, 4.9, 0.1, 0.9], &[0, 7])];
        assert_eq!(Comparison::of(&tie, &flipped).wrong(&LOOSE), [""; 0]);
        assert!(
            Comparison::of(&tie, &flipped).wrong(&STRICT).iter().any(|wrong| wrong.contains("0 of 2 greedy tokens"))
        );
        // One logit far off among many that are right.
        let mut logits = vec![0.0; 1000];
        logits[3] = 5.0;
        let clear = [probe(&[1.0], &logits, &[3])];
        logits[4] = 5.5;
        let wrong = Comparison::of(&clear, &[probe(&[1.0], &logits, &[4])]).wrong(&Bounds { logits: 2.0, ..LOOSE });
        assert!(wrong[0].contains("although the first choice was clear"), "{wrong:?}");
    }

    #[test]
    fn a_memory_that_is_wrong_shows_at_the_second_token() {
        let wanted = vec![probe(&[1.0], &[0.0, 5.0], &[1, 2, 3]); 6];
        let have = vec![probe(&[1.0], &[0.0, 5.0], &[1, 9, 9]); 6];
        let wrong = Comparison::of(&wanted, &have).wrong(&LOOSE);
        assert!(wrong[0].contains("of 6 answers that begin alike only 0 go on alike"), "{wrong:?}");
    }
}
