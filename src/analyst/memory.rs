//! What was said about one camera's pictures lately, to be said again where one looks the same. Prompt, rules and model do
//! not change while a camera is watched, so they are no part of the key. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use super::story::Words;
use crate::clock::Moment;
use crate::vlm::{Likeness, Recall};

/// Answers that are kept: some visitors and the scene in a few lights. Each takes about 20 KB.
const KEPT: usize = 16;

/// How alike a picture must be, as the mean cosine of the tenth of the places that differ most. With the default model, on the
/// labelled clips: different visitors reach 0.77 and never more, a still scene and somebody who hardly moves lie around 0.90.
/// Visitors at half their size reach 0.86, at a third 0.90, as far as the model can tell them apart at all.
pub(super) const LEAST: f32 = 0.88;

#[derive(Debug)]
pub(super) struct Memory {
    /// How old an answer may be; zero: none is kept.
    reuse_for: Duration,
    /// The oldest first.
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    likeness: Likeness,
    words: Words,
    /// When the picture was taken.
    at: Moment,
}

impl Memory {
    pub(super) fn new(reuse_for: Duration) -> Self {
        Self { reuse_for, kept: VecDeque::new() }
    }

    /// What a picture that was taken `at` is to be compared with; `None` if nothing is kept here. Forgets what is too old.
    pub(super) fn recall(&mut self, at: Moment) -> Option<Recall> {
        if self.reuse_for.is_zero() {
            return None;
        }
        self.kept.retain(|kept| at.since(kept.at) <= self.reuse_for);
        Some(Recall { known: self.kept.iter().map(|kept| kept.likeness.clone()).collect(), least: LEAST })
    }

    /// The words of one of the pictures of the last [`Memory::recall`].
    pub(super) fn words(&self, index: usize) -> Option<&Words> {
        self.kept.get(index).map(|kept| &kept.words)
    }

    /// Words that were just said. They count from when they were said, however often they are said again.
    pub(super) fn keep(&mut self, likeness: Likeness, words: Words, at: Moment) {
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept { likeness, words, at });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment { mono: Duration::from_secs(seconds), wall: jiff::Timestamp::from_second(seconds as i64).unwrap() }
    }

    fn words(text: &str) -> Words {
        Words {
            text: text.into(),
            confidence: 0.5,
            model: "m".into(),
            rules: BTreeMap::new(),
            checked: BTreeMap::new(),
            timing: None,
        }
    }

    fn known(memory: &mut Memory, second: u64) -> Vec<String> {
        let count = memory.recall(at(second)).unwrap().known.len();
        (0..count).map(|index| memory.words(index).unwrap().text.clone()).collect()
    }

    #[test]
    fn it_forgets_by_age_and_by_number() {
        let mut memory = Memory::new(Duration::from_secs(600));
        for second in 0..20 {
            memory.keep(Likeness::default(), words(&second.to_string()), at(second));
        }
        assert_eq!(known(&mut memory, 20).len(), KEPT);
        assert_eq!(known(&mut memory, 617), ["17", "18", "19"]);
        assert!(known(&mut memory, 2000).is_empty());
        assert!(memory.words(0).is_none());
    }

    #[test]
    fn switched_off_it_keeps_nothing() {
        assert!(Memory::new(Duration::ZERO).recall(at(1)).is_none());
    }
}
