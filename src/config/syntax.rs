//! Text to a tree of values with their places, and what to say where it is no TOML.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::DeTable;

use super::lines::Lines;
use super::problem::{Code, MOST, Problem};

/// The values of the text, as far as it can be read.
pub(super) fn tree(text: &str) -> DeTable<'_> {
    DeTable::parse_recoverable(text).0.into_inner()
}

/// One problem per line that is no TOML, and the text with these lines blanked out, byte for byte as long: the parser
/// gives up at some errors, and what comes behind them shall be reported too. `shown` is the text without its secrets,
/// byte for byte as long: what problems may quote.
pub(super) fn mend<'a>(text: &'a str, shown: &str, lines: &Lines<'_>) -> (Cow<'a, str>, Vec<Problem>) {
    /// Each round reads the whole text, and finds more only where the parser gave up.
    const ROUNDS: usize = 20;
    let mut readable = Cow::Borrowed(text);
    let mut problems = Vec::new();
    let mut wrong = BTreeSet::new();
    for _ in 0..ROUNDS {
        let errors = errors(&readable, lines);
        let before = wrong.len();
        let mut blank = Vec::new();
        for (message, span) in errors {
            // One slip makes the parser stumble several times over the same line: the first is what helps.
            if wrong.insert(lines.number(span.start)) {
                let line = lines.around(span.start);
                problems.push(problem(shown, &message, span, &shown[line.clone()]));
                blank.push(line);
            }
        }
        let found_new = wrong.len() > before;
        if !found_new || problems.len() >= MOST || !blank.iter().all(|line| stands_alone(&text[line.clone()])) {
            break;
        }
        for line in blank {
            let spaces = " ".repeat(line.len());
            readable.to_mut().replace_range(line, &spaces);
        }
    }
    (readable, problems)
}

/// Whether the line looks like a table's header.
pub(super) fn is_header(line: &str) -> bool {
    line.trim_start().starts_with('[')
}

/// What the parser says, in the order of the file.
fn errors(text: &str, lines: &Lines<'_>) -> Vec<(String, Range<usize>)> {
    let place = |error: toml::de::Error| {
        let span = lines.place(&error.span().unwrap_or(0..0));
        (error.message().to_owned(), span)
    };
    let mut errors: Vec<_> = DeTable::parse_recoverable(text).1.into_iter().map(place).collect();
    errors.sort_by_key(|(_, span)| span.start);
    errors.truncate(MOST);
    errors
}

/// Whether a wrong line can be taken out without breaking those around it: no text or list begins or ends in it.
fn stands_alone(line: &str) -> bool {
    let count = |c| line.matches(c).count();
    let balanced = count('[') == count(']') && count('{') == count('}');
    let whole = !line.contains("\"\"\"") && !line.contains("'''");
    whole && (balanced || line.trim_start().starts_with('['))
}

fn problem(shown: &str, message: &str, span: Range<usize>, line: &str) -> Problem {
    if message == "duplicate key" {
        let message = format!("`{}` stands here a second time", &shown[span.clone()]);
        let help = "keep one of the two; a table's header stands only once, except `[[camera]]` and `[[camera.rule]]`";
        return Problem::new(Code::Duplicate, message, help).at(span, "again");
    }
    let (what, help) = explain(line.trim());
    let what = what.unwrap_or_else(|| format!("this is not TOML: {message}"));
    Problem::new(Code::Syntax, what, help).at(span, "")
}

/// What is wrong, if the line tells it better than the parser, and what to write. It is judged by the whole line, since
/// the parser stops at the first letter that it does not like. Repeats no value: it may be a secret.
fn explain(line: &str) -> (Option<String>, String) {
    let key_end = line.find(['=', ':', ' ', '\t', '"']).unwrap_or(line.len());
    let (key, rest) = (&line[..key_end], line[key_end..].trim_start());
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if is_header(line) {
        return (None, "a table's name stands in brackets: `[mqtt]`, `[[camera]]`".into());
    }
    if !is_key {
        return (
            None,
            "a line holds `key = value`, `[table]`, `[[camera]]` or `# comment`; see https://toml.io".into(),
        );
    }
    match rest.strip_prefix('=').map(str::trim_start) {
        Some(value) => explain_value(key, value),
        None if rest.starts_with(':') => {
            (Some("this is YAML, not TOML".into()), format!("write `=` instead of `:`, as in `{key} = \"...\"`"))
        }
        None => (Some(format!("`{key}` has no value")), format!("write `{key} = ...`")),
    }
}

fn explain_value(key: &str, value: &str) -> (Option<String>, String) {
    let quotes = || Some(format!("the value of `{key}` has no quotes"));
    if value.is_empty() || value.starts_with('#') {
        (Some(format!("`{key}` has no value")), format!("write a value behind `{key} =`"))
    } else if value.contains('\\') && value.starts_with('"') {
        let what = "a backslash in double quotes has a meaning, and this one has none";
        (Some(what.into()), "write it twice, or put the text into single quotes".into())
    } else if value.starts_with(['"', '\'']) {
        let help = "a text begins and ends with the same quotes, on one line; only a `# comment` may follow";
        (None, help.into())
    } else if value.starts_with(char::is_alphabetic) || value.starts_with(['/', '.', '$', '*']) {
        (quotes(), format!("write `{key} = \"...\"`"))
    } else if value.starts_with(|c: char| c.is_ascii_digit()) && value.ends_with(|c: char| c.is_ascii_alphabetic()) {
        (quotes(), format!("a number with a unit is a text: `{key} = \"5s\"`"))
    } else {
        (None, format!("write `{key} = \"text\"`, `{key} = 5`, `{key} = true` or `{key} = [...]`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_problem_per_line() {
        let text = "a = b c\nd = 1\ne: 3\n";
        let lines = Lines::new(text);
        let (readable, problems) = mend(text, text, &lines);
        let wrong: Vec<_> = problems.iter().map(|problem| lines.number(problem.start())).collect();
        assert_eq!(wrong, [1, 3]);
        assert_eq!(readable, "       \nd = 1\n    \n");
    }
}
