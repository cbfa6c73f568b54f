//! Words that must not be said again, as tokens. Pure.
//!
//! A word counts as said with its last token, so a longer word that begins with the same tokens is lost with it: better a plain
//! word less than a man who is not there.

use std::collections::BTreeSet;

/// Token sequences that an answer must not hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::vlm) struct RuledOut {
    /// Wherever they would stand.
    anywhere: BTreeSet<Vec<u32>>,
    /// At the beginning only: a word without the space before it, which elsewhere is the end of another word.
    first: BTreeSet<Vec<u32>>,
}

impl RuledOut {
    /// Spellings as a tokenizer takes them apart; `None`: it cannot.
    pub(super) fn new(spellings: impl Iterator<Item = String>, tokens: impl Fn(&str) -> Option<Vec<u32>>) -> Self {
        let mut made = Self::default();
        for spelling in spellings {
            for spelling in [capital(&spelling), spelling] {
                made.anywhere.extend(tokens(&format!(" {spelling}")).filter(|tokens| !tokens.is_empty()));
                made.first.extend(tokens(&spelling).filter(|tokens| !tokens.is_empty()));
            }
        }
        made
    }

    /// Rules out more. Returns whether that was anything new.
    pub(super) fn add(&mut self, more: &Self) -> bool {
        let before = self.anywhere.len() + self.first.len();
        self.anywhere.extend(more.anywhere.iter().cloned());
        self.first.extend(more.first.iter().cloned());
        self.anywhere.len() + self.first.len() > before
    }

    pub(in crate::vlm) fn is_empty(&self) -> bool {
        self.anywhere.is_empty() && self.first.is_empty()
    }

    /// The tokens that would finish one of them after what was said; and the last one again, since a model that looks for a way
    /// round says "a lone lone lone".
    pub(in crate::vlm) fn next(&self, said: &[u32]) -> Vec<u32> {
        let anywhere = self.anywhere.iter().filter_map(|tokens| {
            let (last, before) = tokens.split_last()?;
            said.ends_with(before).then_some(*last)
        });
        let first = self.first.iter().filter_map(|tokens| {
            let (last, before) = tokens.split_last()?;
            (said == before).then_some(*last)
        });
        let again = said.last().copied().filter(|_| !self.is_empty());
        anywhere.chain(first).chain(again).collect()
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One token per letter.
    fn letters(text: &str) -> Option<Vec<u32>> {
        Some(text.chars().map(u32::from).collect())
    }

    fn ruled_out(words: &[&str]) -> RuledOut {
        RuledOut::new(words.iter().map(ToString::to_string), letters)
    }

    #[test]
    fn the_last_token_of_a_word_is_ruled_out_where_the_word_began() {
        let man = ruled_out(&["man"]);
        let next = |said: &str| man.next(&letters(said).unwrap());
        assert_eq!(next("A ma"), [u32::from('n'), u32::from('a')]);
        assert_eq!(next(" Ma"), [u32::from('n'), u32::from('a')]);
        assert_eq!(next("A woma"), [u32::from('a')]);
        // At the beginning there may be no space.
        assert_eq!(next("Ma"), [u32::from('n'), u32::from('a')]);
        assert!(next("").is_empty());
        assert!(RuledOut::default().is_empty() && !man.is_empty());
        assert!(RuledOut::default().next(&[1, 2]).is_empty());
    }

    #[test]
    fn more_is_told_from_nothing_new() {
        let mut all = ruled_out(&["man"]);
        assert!(all.add(&ruled_out(&["men"])));
        assert!(!all.add(&ruled_out(&["man", "men"])));
        let none = RuledOut::new(["x".to_owned()].into_iter(), |_| None);
        assert!(none.is_empty() && !all.add(&none));
    }

    proptest! {
        /// Whoever never takes a ruled out token never says the word.
        #[test]
        fn what_is_ruled_out_is_never_said(words in prop::collection::vec("[ab]{1,3}", 1..4), tries in "[ab ]{0,40}") {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let ruled_out = ruled_out(&words);
            let mut said: Vec<u32> = Vec::new();
            for token in letters(&tries).unwrap() {
                if !ruled_out.next(&said).contains(&token) {
                    said.push(token);
                }
            }
            let text: String = said.iter().filter_map(|token| char::from_u32(*token)).collect();
            let holds = words.iter().any(|word| text.starts_with(word) || text.contains(&format!(" {word}")));
            prop_assert!(!holds, "{words:?} in {text:?}");
        }
    }
}
