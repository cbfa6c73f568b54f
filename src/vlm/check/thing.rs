//! One thing that sentences name, and what to ask about it. Pure.

use std::sync::Arc;

use super::words::Words;

/// Most things of a set and of a config together: each that a sentence names is one question more about its picture.
pub(super) const MOST_THINGS: usize = 64;
/// Most words of one thing.
const MOST_WORDS: usize = 128;
/// Letters of a word or phrase.
const LONGEST_WORD: usize = 40;
/// Letters of a question.
const LONGEST_QUESTION: usize = 200;
/// Letters of a name.
const LONGEST_NAME: usize = 32;

/// Something that sentences name by certain words, and that can be asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    /// In events, such as "person".
    pub name: Arc<str>,
    /// Whose yes means that it is there.
    pub question: Arc<str>,
    /// A sentence that names it is contradicted by a probability of yes below this, 0 to 1.
    pub bound: f32,
    pub(super) words: Words,
}

/// What is wrong with a thing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ThingError {
    #[error("`{0}` is no name for what is asked back: take 1 to 32 lower-case letters, digits, `-`, `_`")]
    Name(String),
    #[error("the question is empty, or longer than 200 letters, or has more than one line")]
    Question,
    #[error("there are no words: name at least one by which sentences name it")]
    NoWords,
    #[error("there are {0} words; at most {MOST_WORDS} are allowed")]
    ManyWords(usize),
    #[error("`{0}` is no word that a sentence could hold: take 1 to 40 letters, digits, hyphens or spaces")]
    Word(String),
    #[error("the bound is {0}, but it is a probability: more than 0 and less than 1")]
    Bound(f32),
}

impl Thing {
    /// Where a sentence is contradicted if nothing else is said.
    pub const BOUND: f32 = 0.5;

    /// `words` are in the singular, plurals that end in s come by themselves; `except` are phrases that hold one of them and
    /// mean something else.
    ///
    /// # Errors
    /// [`ThingError`]
    pub fn new(
        name: &str,
        question: &str,
        words: &[impl AsRef<str>],
        except: &[impl AsRef<str>],
        bound: f32,
    ) -> Result<Self, ThingError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
            return Err(ThingError::Name(shortened(name)));
        }
        let question = question.trim();
        if question.is_empty() || question.chars().count() > LONGEST_QUESTION || question.contains(char::is_control) {
            return Err(ThingError::Question);
        }
        if words.is_empty() {
            return Err(ThingError::NoWords);
        }
        if words.len().max(except.len()) > MOST_WORDS {
            return Err(ThingError::ManyWords(words.len().max(except.len())));
        }
        let all = words.iter().map(AsRef::as_ref).chain(except.iter().map(AsRef::as_ref));
        if let Some(word) = all.into_iter().find(|word| !is_word(word)) {
            return Err(ThingError::Word(shortened(word)));
        }
        if !(bound > 0.0 && bound < 1.0) {
            return Err(ThingError::Bound(bound));
        }
        let words = Words::new(words.iter().map(AsRef::as_ref), except.iter().map(AsRef::as_ref));
        Ok(Self { name: name.into(), question: question.into(), bound, words })
    }
}

/// Whether a word could stand in a sentence.
fn is_word(word: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || c == '-' || c == ' ' || c == '\'';
    word.chars().count() <= LONGEST_WORD && word.chars().all(fits) && word.contains(char::is_alphanumeric)
}

/// Messages do not repeat what has no end.
fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST_WORD {
        text.to_owned()
    } else {
        text.chars().take(LONGEST_WORD).chain(['…']).collect()
    }
}

/// Whether what sentences name is asked back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checking {
    /// As the model set says.
    #[default]
    Auto,
    /// Wherever there is something to ask.
    On,
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str, question: &str, words: &[&str], bound: f32) -> Result<Thing, ThingError> {
        Thing::new(name, question, words, &[] as &[&str], bound)
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(
            made("person", " Is there someone? ", &["man", "police officer", "x-ray", "M\u{e4}dchen"], 0.5).is_ok()
        );
        let long = "x".repeat(100);
        for name in ["", "Person", "a b", "a/b", &long] {
            assert_eq!(made(name, "q", &["w"], 0.5), Err(ThingError::Name(shortened(name))));
        }
        for question in ["", "  ", "two\nlines", &"x".repeat(201)] {
            assert_eq!(made("n", question, &["w"], 0.5), Err(ThingError::Question), "{question}");
        }
        assert_eq!(made("n", "q", &[], 0.5), Err(ThingError::NoWords));
        assert_eq!(made("n", "q", &["w"; 129], 0.5), Err(ThingError::ManyWords(129)));
        for word in ["", " ", "-", "a.b", "<image>", &long] {
            assert_eq!(made("n", "q", &[word], 0.5), Err(ThingError::Word(shortened(word))));
        }
        for bound in [0.0, 1.0, -1.0, 2.0] {
            assert_eq!(made("n", "q", &["w"], bound), Err(ThingError::Bound(bound)));
        }
        assert!(matches!(made("n", "q", &["w"], f32::NAN), Err(ThingError::Bound(_))));
        assert!(shortened(&long).chars().count() == 41);
    }
}
