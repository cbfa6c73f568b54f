//! What kind of question a text is, and how it is put to the model. Pure.

/// Words that a question begins with that can be answered with yes or no.
const OPENINGS: [&str; 24] = [
    "is", "are", "am", "was", "were", "do", "does", "did", "can", "could", "has", "have", "had", "will", "would",
    "should", "isn't", "aren't", "wasn't", "doesn't", "don't", "hasn't", "haven't", "can't",
];

/// "Can you describe it?" is a wish and no question.
const WISHES: [&str; 12] =
    ["describe", "tell", "say", "explain", "list", "count", "name", "give", "show", "write", "read", "guess"];

/// Whether yes or no answers it: it begins like such a question, asks for no choice ("a cat or a dog?") and is no wish in polite
/// words.
pub(super) fn yes_or_no(question: &str) -> bool {
    let words: Vec<String> = question
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('\u{2019}', "'"))
        .filter(|word| !word.is_empty())
        .collect();
    let Some((first, rest)) = words.split_first() else { return false };
    let wish = || {
        let mut polite = rest.iter().skip_while(|word| ["please", "kindly", "you", "me"].contains(&word.as_str()));
        rest.first().is_some_and(|word| word == "you")
            && polite.next().is_some_and(|verb| WISHES.contains(&verb.as_str()))
    };
    OPENINGS.contains(&first.as_str()) && !rest.is_empty() && !rest.iter().any(|word| word == "or") && !wish()
}

/// As the model's training had it: one line, and a question for yes or no begins with a capital and ends with its mark.
pub(super) fn tidy(question: &str) -> String {
    let line = question.split_whitespace().collect::<Vec<_>>().join(" ");
    if !yes_or_no(&line) {
        return line;
    }
    let mut letters = line.trim_end_matches(['?', '.', '!', ' ']).chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).chain(['?']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_questions_are_answered_with_yes_or_no() {
        for question in [
            "Is there a dog?",
            "is there a parcel on the ground",
            "Are there people?",
            "Do you see a car?",
            "Can you see a bicycle?",
            "Is someone riding a bicycle?",
            "Is it dark?",
            "Has the parcel been taken?",
            "  Was the door\nopen?",
            "Isn\u{2019}t that a fox?",
            "Can you tell a fox here?".replace("tell", "spot").as_str(),
            "\"Is there a dog?\"",
        ] {
            assert!(yes_or_no(question), "{question}");
        }
    }

    #[test]
    fn others_are_not() {
        for question in [
            "What is on the table?",
            "How many people are there?",
            "Describe the scene.",
            "Is it a cat or a dog?",
            "Can you describe the scene?",
            "Could you please tell me what is there?",
            "Island in view?",
            "Is",
            "is?",
            "",
            "?!",
            "There is a dog.",
            "Ist da ein Hund?",
        ] {
            assert!(!yes_or_no(question), "{question}");
        }
    }

    #[test]
    fn it_is_asked_in_the_form_that_the_model_learnt() {
        assert_eq!(tidy(" is there\n a dog "), "Is there a dog?");
        assert_eq!(tidy("Is there a dog??"), "Is there a dog?");
        assert_eq!(tidy("What  is that"), "What is that");
        assert_eq!(tidy("Describe the scene."), "Describe the scene.");
        assert_eq!(tidy("  "), "");
    }
}
