//! Places in a text: lines of bytes, and spans that can be shown.

use std::ops::Range;

/// Where the lines of a text begin.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let behind_newline = |(at, _)| at + 1;
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(behind_newline)).collect();
        Self { text, starts }
    }

    /// Line of a byte, counted from 1.
    pub(super) fn number(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }

    /// The line of a byte, without its end.
    pub(super) fn around(&self, at: usize) -> Range<usize> {
        let number = self.number(at);
        let start = self.starts[number - 1];
        let end = self.starts.get(number).map_or(self.text.len(), |next| next - 1);
        start..end - usize::from(self.text[start..end].ends_with('\r'))
    }

    /// The span, cut to its first line and to whole characters, and wide enough to be seen: behind the last character
    /// of a line it is that character.
    pub(super) fn place(&self, span: &Range<usize>) -> Range<usize> {
        let floor = |at: usize| (0..=at.min(self.text.len())).rev().find(|&at| self.text.is_char_boundary(at));
        let line = self.around(span.start);
        let start = floor(span.start).unwrap_or(0).clamp(line.start, line.end);
        let end = floor(span.end).unwrap_or(0).clamp(start, line.end);
        if start < end {
            return start..end;
        }
        let next = self.text[start..line.end].chars().next();
        let previous = self.text[line.start..start].chars().next_back();
        match (next, previous) {
            (Some(c), _) => start..start + c.len_utf8(),
            (None, Some(c)) => start - c.len_utf8()..start,
            (None, None) => start..start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_always_inside_its_line() {
        let text = "ä = \"x\r\nb";
        let lines = Lines::new(text);
        assert_eq!(lines.place(&(1..99)), 0..7);
        assert_eq!(lines.place(&(99..120)), text.len() - 1..text.len());
        assert_eq!(lines.place(&(7..7)), 6..7);
        assert_eq!(lines.place(&(0..0)), 0..2);
        assert_eq!((lines.number(8), lines.number(9), lines.around(2)), (1, 2, 0..7));
        assert_eq!(Lines::new("").place(&(5..9)), 0..0);
    }
}
