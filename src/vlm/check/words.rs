//! Words of a thing, found in a sentence: whole words, in any case, singular or plural. Pure.

use std::collections::BTreeSet;

/// The words by which sentences name one thing.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Words {
    /// Lower case, each as its words; all forms of the last one.
    phrases: BTreeSet<Vec<String>>,
    /// Phrases that hold one of them and mean something else, such as "bus stop".
    except: BTreeSet<Vec<String>>,
}

impl Words {
    pub(super) fn new<'a>(words: impl Iterator<Item = &'a str>, except: impl Iterator<Item = &'a str>) -> Self {
        Self { phrases: words.flat_map(forms).collect(), except: except.flat_map(forms).collect() }
    }

    /// Whether the sentence names it.
    pub(super) fn named(&self, sentence: &[String]) -> bool {
        (0..sentence.len())
            .any(|at| self.phrases.iter().any(|phrase| stands(phrase, sentence, at)) && !self.excepted(sentence, at))
    }

    /// Whether a phrase that means something else covers this word.
    fn excepted(&self, sentence: &[String], at: usize) -> bool {
        let covers = |phrase: &Vec<String>| {
            let first = (at + 1).saturating_sub(phrase.len());
            (first..=at).any(|start| stands(phrase, sentence, start))
        };
        self.except.iter().any(covers)
    }

    /// All spellings, as they would stand in a sentence.
    pub(super) fn spellings(&self) -> impl Iterator<Item = String> {
        self.phrases.iter().map(|phrase| phrase.join(" "))
    }
}

fn stands(phrase: &[String], sentence: &[String], at: usize) -> bool {
    sentence.get(at..at + phrase.len()).is_some_and(|there| there == phrase)
}

/// The words of a text, in lower case, without what belongs to writing: `The man's dog.` is `the`, `man`, `dog`. A hyphen
/// holds words together: a man-made lake is no man.
pub(super) fn split(text: &str) -> Vec<String> {
    let apart = |c: char| !(c.is_alphanumeric() || c == '\'' || c == '\u{2019}' || c == '-');
    let bare = |word: &str| {
        let word = word.to_lowercase().replace('\u{2019}', "'");
        let word = word.trim_matches(|c| c == '\'' || c == '-');
        word.strip_suffix("'s").unwrap_or(word).to_owned()
    };
    text.split(apart).map(bare).filter(|word| !word.is_empty()).collect()
}

/// A phrase as it is written, and with a plural of its last word after the usual rules of English. Others ("men") are listed
/// beside the singular.
fn forms(phrase: &str) -> Vec<Vec<String>> {
    let words = split(phrase);
    let Some((last, before)) = words.split_last() else { return Vec::new() };
    let with = |last: String| [before, &[last]].concat();
    [last.clone(), plural(last)].into_iter().map(with).collect()
}

fn plural(word: &str) -> String {
    let hissing = ["s", "x", "z", "ch", "sh"].iter().any(|ending| word.ends_with(ending));
    let mut letters = word.chars().rev();
    match (letters.next(), letters.next()) {
        _ if hissing => format!("{word}es"),
        (Some('y'), Some(before)) if !"aeiou".contains(before) => format!("{}ies", &word[..word.len() - 1]),
        _ => format!("{word}s"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(words: &[&str], except: &[&str]) -> Words {
        Words::new(words.iter().copied(), except.iter().copied())
    }

    fn names(words: &Words, text: &str) -> bool {
        words.named(&split(text))
    }

    #[test]
    fn whole_words_in_any_case_and_number() {
        let person = words(&["person", "man", "men", "lady", "police officer", "child"], &[]);
        for text in [
            "A man.",
            "MEN at work",
            "two ladies",
            "the man's hat",
            "a \u{201c}person\u{201d}",
            "Police officers talk",
            "Someone\u{2019}s man\u{2019}s dog",
            "-man-",
        ] {
            assert!(names(&person, text), "{text}");
        }
        for text in ["A man-made lake.", "a manhole", "woman", "mandarins", "police office", "an officer", "", "'' - '"]
        {
            assert!(!names(&person, text), "{text}");
        }
        let things = words(&["bus", "box", "pony", "boy", "dog", "bench"], &[]);
        for text in ["buses", "boxes", "ponies", "boys", "benches"] {
            assert!(names(&things, text), "{text}");
        }
        assert!(!names(&things, "busy boxer boies"));
    }

    #[test]
    fn a_phrase_that_means_something_else_does_not_count() {
        let train = words(&["train"], &["train track", "train station"]);
        assert!(!names(&train, "A man walks along the train tracks."));
        assert!(names(&train, "A train on train tracks"));
        assert!(names(&train, "Trains stand in a train station and a train leaves"));
        let couple = words(&["couple"], &["couple of"]);
        assert!(names(&couple, "A couple sits") && !names(&couple, "A couple of dogs"));
    }

    #[test]
    fn spellings_are_found_again() {
        let things = words(&["bus", "fire truck", "Pony"], &[]);
        let spellings: Vec<String> = things.spellings().collect();
        assert_eq!(spellings, ["bus", "buses", "fire truck", "fire trucks", "ponies", "pony"]);
    }

    proptest! {
        #[test]
        fn a_word_between_any_others_is_found_and_inside_another_it_is_not(
            before in "[a-z ,.]{0,20}", after in "[ ,.!?][a-z ,.]{0,20}", word in "[a-z]{3,9}",
        ) {
            let thing = words(&[&word], &[]);
            let sentence = format!("{before} {}{after}", word.to_uppercase());
            prop_assert!(names(&thing, &sentence));
            let plural = format!("{before} {}{after}", plural(&word));
            prop_assert!(names(&thing, &plural));
            let inside = format!("q{word}q");
            prop_assert!(!names(&thing, &inside));
        }

        #[test]
        fn any_text_at_all_is_split_into_words_without_spaces(text in "\\PC*") {
            for word in split(&text) {
                prop_assert!(!word.is_empty() && !word.contains(char::is_whitespace));
            }
        }
    }
}
