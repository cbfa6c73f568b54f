//! Whether one way of running a set says what another one says. Pure.

use serde::Serialize;

use crate::vlm::Trial;

/// A word is clear if the reference's choice leads by so much in logits: it is then 2.7 times as probable as any other.
pub(super) const CLEAR_LEAD: f32 = 1.0;
/// An answer is clear if the reference's probability of yes is so far from the ends at most.
pub(super) const CLEAR_ANSWER: f32 = 0.2;
/// How far the probability of a clear answer may move.
pub(super) const ANSWER_APART: f32 = 0.1;
/// Share of the clear words that must be the same.
pub(super) const SAME_WORDS: f64 = 0.95;
/// Share of the clear answers that may not move further than that.
pub(super) const SAME_ANSWERS: f64 = 0.9;
/// With fewer clear words than this they say too little.
pub(super) const FEW: usize = 12;
/// Then the first logits may be so far apart: length of the difference over the length, both less their mean.
pub(super) const LOGITS_APART: f64 = 0.2;

/// So many out of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Count {
    pub(super) same: usize,
    pub(super) of: usize,
}

impl Count {
    fn add(&mut self, same: bool) {
        self.of += 1;
        self.same += usize::from(same);
    }

    fn share(self) -> f64 {
        if self.of == 0 { 1.0 } else { self.same as f64 / self.of as f64 }
    }
}

/// How far one way agrees with the reference.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) struct Agreement {
    /// Words of which the reference was sure, along its own answers.
    pub(super) words: Count,
    /// Yes/no answers of which the reference was sure, whose probability stayed.
    pub(super) answers: Count,
    /// Clear answers that became the opposite.
    pub(super) turned: usize,
    /// The worst picture's distance of the first logits.
    pub(super) logits: f64,
}

impl Agreement {
    /// Of the same questions in the same order; the second went along the answers of the first.
    pub(super) fn of(reference: &[Trial], have: &[Trial]) -> Self {
        let mut all = Self::default();
        for (wanted, have) in reference.iter().zip(have) {
            for (wanted, have) in wanted.words.iter().zip(&have.words).filter(|(word, _)| word.lead >= CLEAR_LEAD) {
                all.words.add(wanted.id == have.id);
            }
            for (wanted, have) in wanted.p_yes.iter().zip(&have.p_yes) {
                if wanted.min(1.0 - wanted) <= CLEAR_ANSWER {
                    all.answers.add((wanted - have).abs() <= ANSWER_APART);
                    all.turned += usize::from((*wanted > 0.5) != (*have > 0.5));
                }
            }
            all.logits = all.logits.max(apart(&wanted.first_logits, &have.first_logits));
        }
        all
    }

    /// Too few words are clear to go by them.
    pub(super) fn unclear(&self) -> bool {
        self.words.of < FEW
    }

    /// What is outside the bound, in words; `None` if nothing is.
    pub(super) fn wrong(&self) -> Option<String> {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        if self.turned > 0 {
            return Some(format!("{} of {} clear answers turned round", self.turned, self.answers.of));
        }
        if self.words.share() < SAME_WORDS {
            let (share, least) = (percent(self.words.share()), percent(SAME_WORDS));
            return Some(format!("only {share} of the clear words are the same; {least} is the least"));
        }
        if self.answers.share() < SAME_ANSWERS {
            let (share, least) = (percent(self.answers.share()), percent(SAME_ANSWERS));
            return Some(format!("only {share} of the clear answers stay; {least} is the least"));
        }
        if self.unclear() && (self.logits > LOGITS_APART || self.logits.is_nan()) {
            return Some(format!("logits {:.2} of their length away; {LOGITS_APART} is the most", self.logits));
        }
        None
    }

    /// "104 of 106 words, 24 of 24 answers".
    pub(super) fn words(&self) -> String {
        let Self { words, answers, logits, .. } = self;
        let text = format!("{} of {} words, {} of {} answers", words.same, words.of, answers.same, answers.of);
        if self.unclear() { format!("{text}, logits {logits:.3} away") } else { text }
    }
}

/// What moves all logits alike changes no choice.
fn apart(wanted: &[f32], have: &[f32]) -> f64 {
    if wanted.len() != have.len() {
        return f64::INFINITY;
    }
    let mean = |row: &[f32]| row.iter().map(|v| f64::from(*v)).sum::<f64>() / row.len().max(1) as f64;
    let (a0, b0) = (mean(wanted), mean(have));
    let (mut difference, mut length) = (0.0, 0.0);
    for (a, b) in wanted.iter().zip(have) {
        let (a, b) = (f64::from(*a) - a0, f64::from(*b) - b0);
        difference += (a - b) * (a - b);
        length += a * a;
    }
    if difference == 0.0 { 0.0 } else { (difference / length).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vlm::Word;

    fn trial(words: &[(u32, f32)], p_yes: &[f32]) -> Trial {
        let words = words.iter().map(|(id, lead)| Word { id: *id, lead: *lead }).collect();
        Trial { words, first_logits: vec![0.0, 1.0, -1.0], p_yes: p_yes.to_vec() }
    }

    #[test]
    fn only_what_was_clear_counts() {
        let wanted = [trial(&[(1, 3.0), (2, 0.5), (3, 1.0)], &[0.95, 0.5, 0.1])];
        let have = [trial(&[(1, 0.1), (9, 4.0), (8, 1.0)], &[0.80, 0.1, 0.1])];
        let agreement = Agreement::of(&wanted, &have);
        assert_eq!(agreement.words, Count { same: 1, of: 2 });
        assert_eq!((agreement.answers, agreement.turned), (Count { same: 1, of: 2 }, 0));
        assert!(agreement.wrong().unwrap().starts_with("only 50 % of the clear words"), "{agreement:?}");
    }

    #[test]
    fn the_same_holds_and_an_answer_that_turns_round_never_does() {
        let wanted = vec![trial(&[(1, 3.0), (2, 3.0)], &[0.9, 0.01, 0.99, 0.02]); 10];
        let same = Agreement::of(&wanted, &wanted);
        assert_eq!((same.wrong(), same.words()), (None, "20 of 20 words, 40 of 40 answers".into()));
        let mut one = wanted.clone();
        one[3].p_yes[1] = 0.6;
        assert_eq!(Agreement::of(&wanted, &one).wrong().unwrap(), "1 of 40 clear answers turned round");
        // One word in twenty may be another, two may not.
        one = wanted.clone();
        one[0].words[1].id = 7;
        assert_eq!(Agreement::of(&wanted, &one).wrong(), None);
        one[5].words[0].id = 7;
        assert!(Agreement::of(&wanted, &one).wrong().unwrap().contains("only 90 % of the clear words"));
        one = wanted.clone();
        for trial in &mut one[..5] {
            trial.p_yes[0] = 0.7;
        }
        assert!(Agreement::of(&wanted, &one).wrong().unwrap().contains("only 88 % of the clear answers"));
    }

    #[test]
    fn where_nothing_is_clear_the_numbers_decide() {
        let wanted = [trial(&[(1, 0.1)], &[0.5])];
        let mut near = wanted.clone();
        near[0].first_logits = vec![5.0, 6.1, 4.0];
        let agreement = Agreement::of(&wanted, &near);
        assert!(agreement.unclear() && agreement.logits > 0.03 && agreement.logits < 0.06, "{agreement:?}");
        assert_eq!(agreement.wrong(), None);
        near[0].first_logits = vec![1.0, 0.0, -1.0];
        assert!(Agreement::of(&wanted, &near).wrong().unwrap().contains("0.2 is the most"));
        near[0].first_logits = vec![0.0; 2];
        assert!(Agreement::of(&wanted, &near).wrong().is_some());
    }
}
