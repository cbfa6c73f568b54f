//! What was meant by a word that nobody knows.

use std::ops::Range;

use super::keys::{self, Table};
use super::problem::{Code, Problem};
use super::redact::redact;

/// A key that the table does not have: the nearest that it has, or the table where the key belongs.
pub(super) fn unknown(table: &'static Table, name: &str, span: Range<usize>) -> Problem {
    let names = || table.keys.iter().map(|key| key.name).chain(table.tables.iter().map(|table| table.name));
    // An address that lost its key could stand here.
    let message = format!("there is no `{}` {}", redact(name), table.place());
    let elsewhere = || keys::FILE.all().into_iter().filter(|other| other.keys.iter().any(|key| key.name == name));
    let label = match (nearest(name, names()), elsewhere().next(), nearest_table(name)) {
        (Some(near), ..) => format!("did you mean `{}`?", spelling(table, near)),
        (None, Some(other), _) if other.header.is_empty() => "it belongs at the top of the file".to_owned(),
        (None, Some(other), _) => format!("it belongs in `{}`", other.header),
        (None, None, Some(other)) => format!("did you mean `{}`?", other.header),
        (None, None, None) => "unknown".to_owned(),
    };
    let known: Vec<String> = names().map(|name| format!("`{}`", spelling(table, name))).collect();
    Problem::new(Code::UnknownKey, message, format!("known here: {}", known.join(", "))).at(span, label)
}

/// The word that is most like `typed`, if any is like it.
pub(super) fn nearest<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase().replace('-', "_");
    let likeness = |word: &str| strsim::jaro_winkler(&typed, &word.replace('-', "_"));
    words
        .map(|word| (word, likeness(word)))
        .filter(|(_, like)| *like > 0.82)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(word, _)| word)
}

/// `"a", "b" or "c"`.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// A table is written with its brackets.
fn spelling(table: &'static Table, name: &str) -> &'static str {
    match table.tables.iter().find(|below| below.name == name) {
        Some(below) => below.header,
        None => table.key(name).name,
    }
}

fn nearest_table(name: &str) -> Option<&'static Table> {
    let tables = keys::FILE.all();
    let near = nearest(name, tables.iter().map(|table| table.name).filter(|name| !name.is_empty()))?;
    tables.into_iter().find(|table| table.name == near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_like_it() {
        let words = || ["url", "username", "password", "password_file", "prefix"].into_iter();
        assert_eq!(nearest("pasword", words()), Some("password"));
        assert_eq!(nearest("user", words()), Some("username"));
        assert_eq!(nearest("Password-File", words()), Some("password_file"));
        assert_eq!(nearest("colour", words()), None);
        assert_eq!(one_of(&["a", "b", "c"]), "\"a\", \"b\" or \"c\"");
    }
}
