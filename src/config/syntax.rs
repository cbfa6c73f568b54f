//! Text to a tree of values with their places, and what to say where it is no TOML.

use std::borrow::Cow;
use std::ops::Range;

use toml::de::DeTable;

use super::problem::{Code, Problem};

/// The values of the text, as far as it can be read.
pub(super) fn tree(text: &str) -> DeTable<'_> {
    DeTable::parse_recoverable(text).0.into_inner()
}

/// One problem per line that is no TOML, and the text with these lines blanked out, byte for byte as long: the parser
/// gives up at some errors, and what comes behind them shall be reported too. `shown` is the text without its secrets,
/// byte for byte as long: what problems may quote.
pub(super) fn mend<'a>(text: &'a str, shown: &str) -> (Cow<'a, str>, Vec<Problem>) {
    /// Each round reads the whole text; a file with more wrong lines than this will be run through us again.
    const ROUNDS: usize = 20;
    let mut readable = Cow::Borrowed(text);
    let mut problems: Vec<Problem> = Vec::new();
    for _ in 0..ROUNDS {
        let found = first_per_line(&readable, shown);
        let new = |problem: &Problem| problems.iter().all(|p| !same_line(text, p.start(), problem.start()));
        let new: Vec<Problem> = found.into_iter().filter(new).collect();
        let lines: Vec<_> = new.iter().map(|problem| line_around(text, problem.start())).collect();
        problems.extend(new);
        if lines.is_empty() || !lines.iter().all(|line| stands_alone(&text[line.clone()])) {
            break;
        }
        for line in lines {
            let blank = " ".repeat(line.len());
            readable.to_mut().replace_range(line, &blank);
        }
    }
    (readable, problems)
}

/// Whether the byte lies in a line that looks like a table's header.
pub(super) fn is_header(text: &str, at: usize) -> bool {
    text[line_around(text, at)].trim_start().starts_with('[')
}

fn first_per_line(text: &str, shown: &str) -> Vec<Problem> {
    let mut errors = DeTable::parse_recoverable(text).1;
    errors.sort_by_key(|error| error.span().map(|span| span.start));
    let mut problems: Vec<Problem> = Vec::new();
    for error in errors {
        let found = problem(shown, error.message(), error.span().map(|span| place(text, span)));
        // One slip makes the parser stumble several times over the same line: the first is what helps.
        if problems.last().is_none_or(|p| !same_line(text, p.start(), found.start())) {
            problems.push(found);
        }
    }
    problems
}

/// The line of a byte, without its end.
fn line_around(text: &str, at: usize) -> Range<usize> {
    let at = place(text, at..at).start;
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    start..text[at..].find('\n').map_or(text.len(), |newline| at + newline)
}

/// Whether a wrong line can be taken out without breaking those around it: no text or list begins or ends in it.
fn stands_alone(line: &str) -> bool {
    let count = |c| line.matches(c).count();
    let balanced = count('[') == count(']') && count('{') == count('}');
    let whole = !line.contains("\"\"\"") && !line.contains("'''");
    whole && (balanced || line.trim_start().starts_with('['))
}

/// Whether both bytes lie in the same line.
pub(super) fn same_line(text: &str, a: usize, b: usize) -> bool {
    line(text, a) == line(text, b)
}

/// Line of a byte, counted from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// The span, cut to its first line and to whole characters, and wide enough to be seen: behind the last character of
/// a line it is that character.
pub(super) fn place(text: &str, span: Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let start = floor(span.start);
    let is_end = |c: char| c == '\n' || c == '\r';
    let line_end = text[start..].find(is_end).map_or(text.len(), |at| start + at);
    let end = floor(span.end).clamp(start, line_end);
    if start < end {
        return start..end;
    }
    let next = text[start..].chars().next().filter(|&c| !is_end(c));
    let previous = text[..start].chars().next_back().filter(|&c| !is_end(c));
    match (next, previous) {
        (Some(c), _) => start..start + c.len_utf8(),
        (None, Some(c)) => start - c.len_utf8()..start,
        (None, None) => start..start,
    }
}

fn problem(shown: &str, message: &str, span: Option<Range<usize>>) -> Problem {
    let Some(span) = span else {
        return Problem::new(Code::Syntax, format!("this is not TOML: {message}"), "see https://toml.io");
    };
    if message == "duplicate key" && !shown[span.clone()].contains('*') {
        let message = format!("`{}` stands here a second time", &shown[span.clone()]);
        let help = "keep one of the two; a table's header stands only once, except `[[camera]]` and `[[camera.rule]]`";
        return Problem::new(Code::Duplicate, message, help).at(span, "again");
    }
    let line = &shown[line_around(shown, span.start)];
    Problem::new(Code::Syntax, format!("this is not TOML: {message}"), help(line)).at(span, "here")
}

/// What to write, judged by the whole line, since the parser stops at the first letter that it does not like.
/// Repeats no value: it may be a secret.
fn help(line: &str) -> String {
    let line = line.trim();
    let key_end = line.find(['=', ':', ' ', '\t', '"']).unwrap_or(line.len());
    let (key, rest) = (&line[..key_end], line[key_end..].trim_start());
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    match rest.strip_prefix('=').map(str::trim_start) {
        _ if line.starts_with('[') => "a table's name stands in brackets: `[mqtt]`, `[[camera]]`".into(),
        Some("") if is_key => format!("write a value behind `{key} =`"),
        Some(value) if is_key && value.contains('\\') => {
            "a backslash in double quotes is written twice; in single quotes it stands for itself".into()
        }
        Some(value) if is_key && value.starts_with(['"', '\'']) => {
            "a text begins and ends with the same quotes, on one line; nothing but a `# comment` follows it".into()
        }
        Some(value) if is_key && value.starts_with(char::is_alphabetic) => {
            format!("a text stands in quotes: `{key} = \"...\"`")
        }
        Some(value) if is_key && value.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("a number stands alone, a number with a unit in quotes: `{key} = \"5s\"`")
        }
        None if is_key && rest.starts_with(':') => format!("TOML has `=` where YAML has `:`, as in `{key} = \"...\"`"),
        None if is_key => format!("a key has a value: `{key} = ...`"),
        _ => "a line holds `key = value`, `[table]`, `[[camera]]` or `# comment`; see https://toml.io".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_always_inside_its_line() {
        let text = "ä = \"x\r\nb";
        assert_eq!(place(text, 1..99), 0..7);
        assert_eq!(place(text, 99..120), text.len() - 1..text.len());
        assert_eq!(place(text, 7..7), 6..7);
        assert_eq!(place(text, 0..0), 0..2);
        assert_eq!(line(text, 9), 2);
    }

    #[test]
    fn one_problem_per_line() {
        let text = "a = b c\nd = 1\ne: 3\n";
        let lines: Vec<_> = mend(text, text).1.iter().map(|problem| line(text, problem.start())).collect();
        assert_eq!(lines, [1, 3]);
    }
}
