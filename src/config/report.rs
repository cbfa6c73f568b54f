//! Shows problems to people: each with its whole line, a caret and a hint.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};

use super::problem::{ConfigError, Problem};

/// A file's text without its secrets, and what the file is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    name: String,
    text: String,
}

impl SourceText {
    pub(super) fn new(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), text }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl SourceCode for SourceText {
    /// The line of the span, and no other: with several problems the lines around each would hide them.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        _before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (at, end) = (span.offset(), span.offset() + span.len());
        let (Some(before), Some(rest)) = (self.text.get(..at), self.text.get(end..)) else {
            return Err(MietteError::OutOfBounds);
        };
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = end + rest.find(['\n', '\r']).unwrap_or(rest.len());
        let (start, end) = window(&self.text, line_start..line_end, at..end);
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = self.text[line_start..at].chars().count();
        let data = &self.text.as_bytes()[start..end];
        let place = SourceSpan::from(start..end);
        Ok(Box::new(MietteSpanContents::new_named(self.name.clone(), data, place, line, column, 1)))
    }
}

/// The part of a very long line that is around the span.
fn window(text: &str, line: std::ops::Range<usize>, span: std::ops::Range<usize>) -> (usize, usize) {
    const AROUND: usize = 120;
    let at_boundary = |at: usize| text.is_char_boundary(at);
    let start = (line.start.max(span.start.saturating_sub(AROUND))..=span.start).find(|&at| at_boundary(at));
    let end = (span.end..=line.end.min(span.end + AROUND)).rev().find(|&at| at_boundary(at));
    (start.unwrap_or(line.start), end.unwrap_or(line.end))
}

pub(super) fn render(error: &ConfigError, colour: bool, width: usize, what: &str) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(usize::MAX / 2).with_wrap_lines(false);
    let width = width.max(40);
    let mut out = String::new();
    let mut show = |diagnostic: &dyn Diagnostic, source_text| {
        let shown = Shown { diagnostic, source_text, width };
        handler.render_report(&mut out, &shown).expect("a string takes what is written to it");
        out.push('\n');
    };
    if let ConfigError::Invalid { problems, source_text, .. } = error {
        problems.iter().for_each(|problem| show(problem, Some(source_text)));
        out.push_str(&format!("{error}; nothing was {what}.\n"));
    } else {
        show(error, None);
        out.push_str(&format!("Nothing was {what}.\n"));
    }
    out
}

/// A problem as the renderer wants it: with its text, and with words that fit into the width.
struct Shown<'a> {
    diagnostic: &'a dyn Diagnostic,
    source_text: Option<&'a SourceText>,
    width: usize,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&fill(&self.diagnostic.to_string(), self.width - 4))
    }
}

impl std::error::Error for Shown<'_> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.diagnostic.source()
    }
}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.diagnostic.help()?.to_string();
        Some(Box::new(fill(&help, self.width - 8)))
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.diagnostic.labels()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source_text.map(|text| text as &dyn SourceCode)
    }
}

/// Breaks lines at spaces only, and not inside of backticks: what is to be copied stays in one piece.
fn fill(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for piece in pieces(text) {
        let length = piece.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(piece);
        column += length;
    }
    out
}

/// Words; what stands in backticks is one.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            '`' => quoted = !quoted,
            ' ' if !quoted => {
                pieces.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

impl Problem {
    /// Words that may hold what was typed, made fit to be shown: no control characters, no endless text.
    pub(super) fn clean(words: &str) -> String {
        const LONGEST: usize = 400;
        let clean = |c: char| match c {
            '\n' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        };
        let mut out: String = words.chars().take(LONGEST).map(clean).collect();
        if out.len() < words.len() && words.chars().count() > LONGEST {
            out.push_str("...");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_but_not_in_what_is_to_be_copied() {
        assert_eq!(fill("write `a = \"b c\"` or some/thing", 16), "write\n`a = \"b c\"` or\nsome/thing");
        assert_eq!(fill("", 10), "");
    }

    #[test]
    fn a_very_long_line_is_cut() {
        let text = SourceText::new("x", format!("{}ä!{}\nb", "ä".repeat(5000), "ö".repeat(5000)));
        let contents = text.read_span(&SourceSpan::from(10_002..10_003), 0, 0).unwrap();
        assert!(contents.data().len() < 300);
        assert_eq!((contents.line(), contents.column()), (0, 5001));
    }
}
