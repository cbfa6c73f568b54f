//! What was typed: reads keys of a table by kind and collects everything that is wrong, each with its place. What the
//! values mean together is `meaning`'s business.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::{self, EnvironmentError, Expanded, Lookup};
use super::keys::{self, Key, Kind};
use super::kinds::{self, expected, kind, number};
use super::lines::Lines;
use super::problem::{Code, Notice, Problem};
use super::redact::redact;
use super::suggest;
use crate::units::{self, Rate};

/// The file that is being read, and what was found wrong with it so far.
pub(in crate::config) struct Reader<'a> {
    text: &'a str,
    lines: &'a Lines<'a>,
    lookup: Lookup<'a>,
    /// Relative paths start here: the folder of the config file.
    folder: Option<&'a Path>,
    problems: RefCell<Vec<Problem>>,
    notices: RefCell<Vec<Notice>>,
}

/// One table of the file; an absent one reads as empty.
pub(in crate::config) struct Section<'a> {
    pub(in crate::config) reader: &'a Reader<'a>,
    pub(in crate::config) shape: &'static keys::Table,
    /// Its header; `None` for the top of the file and for an absent table.
    pub(in crate::config) header: Option<Range<usize>>,
    entries: Option<&'a DeTable<'a>>,
}

/// A value and its place.
pub(in crate::config) struct At<T> {
    pub(in crate::config) value: T,
    pub(in crate::config) span: Range<usize>,
}

/// A string whose variables are put in. It may be a secret: messages say [`Text::shown`].
pub(in crate::config) struct Text {
    pub(in crate::config) value: String,
    pub(in crate::config) span: Range<usize>,
    pub(in crate::config) from_environment: bool,
}

impl Text {
    pub(in crate::config) fn shown(&self) -> String {
        if self.from_environment { "what `${...}` stands for".to_owned() } else { format!("`{}`", redact(&self.value)) }
    }
}

impl<'a> Reader<'a> {
    pub(in crate::config) fn new(
        text: &'a str,
        lines: &'a Lines<'a>,
        folder: Option<&'a Path>,
        lookup: Lookup<'a>,
    ) -> Self {
        Self { text, lines, lookup, folder, problems: RefCell::default(), notices: RefCell::default() }
    }

    /// The top of the file.
    pub(in crate::config) fn file(&'a self, entries: &'a DeTable<'a>) -> Section<'a> {
        Section::open(self, &keys::FILE, None, Some(entries))
    }

    pub(in crate::config) fn report(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub(in crate::config) fn notice(&self, span: Option<Range<usize>>, text: impl Into<String>) {
        let line = span.map(|span| self.line(&span));
        self.notices.borrow_mut().push(Notice { line, text: text.into() });
    }

    /// An absolute path stays, a relative one starts at the config file's folder.
    pub(in crate::config) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.map_or_else(|| path.as_ref().to_owned(), |folder| folder.join(path.as_ref()))
    }

    /// A variable of the environment.
    pub(in crate::config) fn variable(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    /// Line of a place, counted from 1.
    pub(in crate::config) fn line(&self, span: &Range<usize>) -> usize {
        self.lines.number(span.start)
    }

    /// Whether the file holds nothing at all.
    pub(in crate::config) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// All that was found, in no order.
    pub(in crate::config) fn finish(self) -> (Vec<Problem>, Vec<Notice>) {
        (self.problems.into_inner(), self.notices.into_inner())
    }

    fn text(
        &self,
        value: &str,
        span: Range<usize>,
        expand: impl Fn(&str, Lookup<'_>) -> Result<Expanded, Vec<EnvironmentError>>,
    ) -> Option<Text> {
        match expand(value, self.lookup) {
            Ok(expanded) => Some(Text { value: expanded.text, span, from_environment: expanded.from_environment }),
            Err(errors) => {
                errors.iter().for_each(|error| self.report(self.environment_problem(error, &span)));
                None
            }
        }
    }

    /// Points at the `${NAME}` itself, if it stands in the file as it was read.
    fn environment_problem(&self, error: &EnvironmentError, span: &Range<usize>) -> Problem {
        let typed = error.typed();
        let exact = self.text.get(span.clone()).and_then(|text| text.find(&typed)).map(|at| span.start + at);
        let span = exact.map_or_else(|| span.clone(), |start| start..start + typed.len());
        Problem::new(Code::Environment, error.to_string(), error.help()).at(span, "")
    }
}

impl<'a> Section<'a> {
    fn open(
        reader: &'a Reader<'a>,
        shape: &'static keys::Table,
        header: Option<Range<usize>>,
        entries: Option<&'a DeTable<'a>>,
    ) -> Self {
        for (key, _) in entries.into_iter().flatten() {
            let name = key.get_ref();
            let known = shape.keys.iter().any(|k| k.name == name) || shape.tables.iter().any(|t| t.name == name);
            if !known {
                reader.report(suggest::unknown(shape, name, key.span()));
            }
        }
        Self { reader, shape, header, entries }
    }

    pub(in crate::config) fn is_present(&self) -> bool {
        self.entries.is_some()
    }

    /// Whether the key stands in the file, right or wrong.
    pub(in crate::config) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Whether a table of this name stands in this one, right or wrong.
    pub(in crate::config) fn has_table(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// Place of the key's value.
    pub(in crate::config) fn span(&self, name: &str) -> Option<Range<usize>> {
        self.value(name).map(Spanned::span)
    }

    /// A table in this one that stands there at most once.
    pub(in crate::config) fn section(&self, name: &str) -> Section<'a> {
        let shape = self.shape.table(name);
        let found = self.entry(name).and_then(|value| match value.get_ref() {
            DeValue::Table(entries) => Some((value.span(), entries)),
            _ => {
                self.wrong_table(shape, value);
                None
            }
        });
        let (header, entries) = found.unzip();
        Section::open(self.reader, shape, header, entries)
    }

    /// All tables of a name that is written with two brackets.
    pub(in crate::config) fn sections(&self, name: &str) -> Vec<Section<'a>> {
        let shape = self.shape.table(name);
        let Some(value) = self.entry(name) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_table(shape, value);
            return Vec::new();
        };
        let open = |item: &'a Spanned<DeValue<'a>>| match item.get_ref() {
            DeValue::Table(entries) => Some(Section::open(self.reader, shape, Some(item.span()), Some(entries))),
            _ => {
                self.wrong_table(shape, item);
                None
            }
        };
        items.iter().filter_map(open).collect()
    }

    /// A string.
    pub(in crate::config) fn text(&self, name: &str) -> Option<Text> {
        self.text_with(name, environment::expand)
    }

    /// A list of strings, all of them; what is no string is reported.
    pub(in crate::config) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let value = self.value(name)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(self.shape.key(name), value);
            return None;
        };
        let one = |item: &Spanned<DeValue<'_>>| {
            let Some(text) = item.get_ref().as_str() else {
                let message = format!("`{name}` is a list of strings, but this is {}", kind(item.get_ref()));
                let help = format!("write, for example, `{name} = {}`", self.shape.key(name).example);
                self.reader.report(Problem::new(Code::WrongType, message, help).at(item.span(), ""));
                return None;
            };
            self.reader.text(text, item.span(), environment::expand).map(|text| text.value)
        };
        let texts: Vec<Option<String>> = items.iter().map(one).collect();
        texts.into_iter().collect()
    }

    /// A string that is an address: values from the environment are made to fit into it.
    pub(in crate::config) fn url(&self, name: &str) -> Option<Text> {
        self.text_with(name, environment::expand_url)
    }

    /// A file or folder.
    pub(in crate::config) fn path(&self, name: &str) -> Option<At<PathBuf>> {
        let text = self.filled_text(name)?;
        Some(At { value: self.reader.path(&text.value), span: text.span })
    }

    /// A string with something in it.
    pub(in crate::config) fn filled_text(&self, name: &str) -> Option<Text> {
        let text = self.text(name)?;
        if !text.value.trim().is_empty() {
            return Some(text);
        }
        let help = format!("write something, such as `{name} = {}`", self.shape.key(name).example);
        self.reader.report(Problem::new(Code::WrongValue, format!("`{name}` is empty"), help).at(text.span, ""));
        None
    }

    pub(in crate::config) fn switch(&self, name: &str) -> Option<At<bool>> {
        self.read(name, |value| value.as_bool())
    }

    pub(in crate::config) fn whole(&self, name: &str, range: RangeInclusive<u64>) -> Option<At<u64>> {
        let read = |value: &DeValue<'_>| match value {
            // What is too large or negative is a number out of range, not a wrong type.
            DeValue::Integer(i) => Some(i128::from_str_radix(i.as_str(), i.radix()).unwrap_or(i128::MAX)),
            _ => None,
        };
        let At { value, span } = self.read(name, read)?;
        let fits = u64::try_from(value).ok().filter(|value| range.contains(value));
        if fits.is_none() {
            let bounds = format!("from {} to {}", range.start(), range.end());
            self.out_of_range(name, &span, &bounds);
        }
        fits.map(|value| At { value, span })
    }

    /// A number for which `fits` is true; `bounds` says in words which these are.
    pub(in crate::config) fn number(&self, name: &str, fits: impl Fn(f64) -> bool, bounds: &str) -> Option<At<f32>> {
        let At { value, span } = self.read(name, number)?;
        if !fits(value) {
            self.out_of_range(name, &span, bounds);
            return None;
        }
        Some(At { value: value as f32, span })
    }

    pub(in crate::config) fn duration(&self, name: &str, range: RangeInclusive<Duration>) -> Option<At<Duration>> {
        let found = self.quantity(name, units::parse_duration)?;
        if range.contains(&found.value) {
            return Some(found);
        }
        let bounds = format!("from {} to {}", kinds::duration(*range.start()), kinds::duration(*range.end()));
        self.out_of_range(name, &found.span, &bounds);
        None
    }

    /// Bytes.
    pub(in crate::config) fn size(&self, name: &str, least: u64, bounds: &str) -> Option<At<u64>> {
        let found = self.quantity(name, units::parse_size)?;
        if found.value >= least {
            return Some(found);
        }
        self.out_of_range(name, &found.span, bounds);
        None
    }

    pub(in crate::config) fn rate(&self, name: &str) -> Option<At<Rate>> {
        self.quantity(name, units::parse_rate)
    }

    /// One of a few words, each with what it means.
    pub(in crate::config) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Option<At<T>> {
        let text = self.text(name)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text.value) {
            return Some(At { value: *value, span: text.span });
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let message = format!("{} is no choice for `{name}`", text.shown());
        let label = suggest::nearest(&text.value, words.iter().copied())
            .filter(|_| !text.from_environment)
            .map_or_else(String::new, |word| format!("did you mean \"{word}\"?"));
        let help = format!("write {}", suggest::one_of(&words));
        self.reader.report(Problem::new(Code::WrongValue, message, help).at(text.span, label));
        None
    }

    /// The value as the parser gave it; for the kinds that have a reader of their own.
    pub(in crate::config) fn value(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let key = self.shape.key(name);
        self.entry(key.name)
    }

    /// Reports each required key that is absent.
    pub(in crate::config) fn require(&self) {
        for key in self.shape.keys.iter().filter(|key| key.required && !self.has(key.name)) {
            let help = format!("write `{} = {}`. {}", key.name, key.example, key.doc);
            let message = format!("`{}` is missing {}", key.name, self.shape.place());
            let problem = Problem::new(Code::Missing, message, help);
            self.reader.report(match &self.header {
                Some(header) => problem.at(header.clone(), "in this table"),
                None => problem,
            });
        }
    }

    pub(in crate::config) fn wrong_type(&self, key: &Key, value: &Spanned<DeValue<'_>>) {
        let found = value.get_ref();
        let message = format!("`{}` must be {}, not {}", key.name, expected(key), kind(found));
        let name = key.name;
        let quoted = found.as_str().and_then(|text| text.trim().parse::<f64>().ok());
        let help = match (key.kind, number(found), quoted) {
            (Kind::Duration, Some(number), _) if number >= 0.0 => {
                format!("write `{name} = \"{number}s\"` if these are seconds (units: `ms`, `s`, `m`, `h`, `d`)")
            }
            (Kind::Whole | Kind::Number, _, Some(number)) => format!("write `{name} = {number}`, without quotes"),
            (Kind::Switch, ..) => format!("write `{name} = true` or `{name} = false`, without quotes"),
            _ => format!("write `{name} = {}`", key.example),
        };
        self.reader.report(Problem::new(Code::WrongType, message, help).at(value.span(), ""));
    }

    pub(in crate::config) fn out_of_range(&self, name: &str, span: &Range<usize>, bounds: &str) {
        let message = format!("`{name}` must be {bounds}");
        let help = format!("write, for example, `{name} = {}`", self.shape.key(name).example);
        self.reader.report(Problem::new(Code::WrongValue, message, help).at(span.clone(), "out of range"));
    }

    fn entry(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.entries.and_then(|entries| entries.get(name))
    }

    fn read<T>(&self, name: &str, read: impl Fn(&DeValue<'a>) -> Option<T>) -> Option<At<T>> {
        let found = self.value(name)?;
        match read(found.get_ref()) {
            Some(value) => Some(At { value, span: found.span() }),
            None => {
                self.wrong_type(self.shape.key(name), found);
                None
            }
        }
    }

    fn text_with(
        &self,
        name: &str,
        expand: impl Fn(&str, Lookup<'_>) -> Result<Expanded, Vec<EnvironmentError>>,
    ) -> Option<Text> {
        let At { value, span } = self.read(name, |value| value.as_str().map(str::to_owned))?;
        self.reader.text(&value, span, expand)
    }

    fn quantity<T, E: Display>(&self, name: &str, parse: fn(&str) -> Result<T, E>) -> Option<At<T>> {
        let text = self.text(name)?;
        let error = match parse(&text.value) {
            Ok(value) => return Some(At { value, span: text.span }),
            Err(error) => error.to_string(),
        };
        // The units' errors say what is wrong and, behind a colon, what to write instead.
        let (what, instead) = error.split_once(": ").unwrap_or((&error, ""));
        let what = if text.from_environment {
            format!("{} is not {}", text.shown(), kinds::noun(self.shape.key(name)))
        } else {
            what.to_owned()
        };
        self.reader.report(Problem::new(Code::WrongValue, format!("`{name}`: {what}"), instead).at(text.span, ""));
        None
    }

    fn wrong_table(&self, shape: &'static keys::Table, value: &Spanned<DeValue<'_>>) {
        let message = match (value.get_ref(), shape.many) {
            (DeValue::Table(_), true) => format!("`{}` needs two brackets, as there may be several", shape.name),
            (DeValue::Array(_), false) => format!("`{}` needs single brackets, as there is only one", shape.name),
            (other, _) => format!("`{}` must be a table, not {}", shape.name, kind(other)),
        };
        let help = format!("write `{}` on a line of its own, and its keys below", shape.header);
        self.reader.report(Problem::new(Code::WrongType, message, help).at(value.span(), ""));
    }
}
