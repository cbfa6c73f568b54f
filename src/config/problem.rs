//! What is wrong with a config, and how it is shown to people.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use super::report::{self, SourceText};

/// Most problems of one report.
pub(super) const MOST: usize = 100;

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("there is no config file at `{}`", path.display())]
    Missing { path: PathBuf },
    #[error("the config file `{}` cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("`{}` is a folder, not a config file", path.display())]
    Folder { path: PathBuf },
    #[error("the config file `{}` is not UTF-8 text: line {line} has a wrong byte (byte {offset} of the file)", path.display())]
    NotUtf8 { path: PathBuf, line: usize, offset: usize },
    #[error("the config file `{}` is larger than {} KiB: this is hardly the file that was meant", path.display(), limit / 1024)]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{}", count(problems.len(), *more, source_text.name()))]
    Invalid {
        /// In the order of the file; those that have no place in it come last.
        problems: Vec<Problem>,
        /// How many are left out: nobody reads more than the first hundred.
        more: usize,
        /// The file's text without its secrets.
        source_text: SourceText,
    },
}

/// One thing that is wrong, where, and what to write instead. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub message: String,
    /// Bytes of the file, and what is said at the caret.
    pub label: Option<(Range<usize>, String)>,
    pub help: String,
}

/// The kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Syntax,
    UnknownKey,
    WrongType,
    WrongValue,
    Missing,
    Duplicate,
    Conflict,
    Environment,
    File,
}

/// Something that works, but perhaps not as the author of the config thinks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Counted from 1; `None`: about something that is not in the file.
    pub line: Option<usize>,
    /// A sentence for people.
    pub text: String,
}

impl ConfigError {
    /// Every problem with line, caret and help, and a last line that counts them. `width` is in columns.
    #[must_use]
    pub fn render(&self, colour: bool, width: usize) -> String {
        report::render(self, colour, width, "started")
    }

    /// The same of a config that was to take the place of one that is in force: plain, for the log.
    #[must_use]
    pub fn render_unchanged(&self, width: usize) -> String {
        report::render(self, false, width, "changed")
    }
}

impl Diagnostic for ConfigError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self {
            Self::Invalid { .. } => None,
            _ => Some(Box::new(Code::File.name())),
        }
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = match self {
            Self::Missing { .. } => {
                "name a file with `-c FILE`, or begin with a copy of the documented example, \
                 `config/eyewitness.toml` of the source or `/usr/share/doc/eyewitness/eyewitness.toml`; \
                 `eyewitness check -c FILE` tests it without starting anything"
            }
            Self::Unreadable { .. } => {
                "the user that runs Eyewitness needs read permission for the file and its folder: look with `ls -l`"
            }
            Self::Folder { .. } => "name the file in it: `-c FOLDER/eyewitness.toml`",
            Self::NotUtf8 { .. } => "save the file as UTF-8 in the editor",
            Self::TooLarge { .. } => "name the config file with `-c FILE`",
            Self::Invalid { .. } => return None,
        };
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match self {
            Self::Invalid { source_text, .. } => Some(source_text),
            _ => None,
        }
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self {
            Self::Invalid { problems, .. } => Some(Box::new(problems.iter().map(|p| p as &dyn Diagnostic))),
            _ => None,
        }
    }
}

impl Problem {
    pub(super) fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, message: Self::clean(&message.into()), label: None, help: Self::clean(&help.into()) }
    }

    pub(super) fn at(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.label = Some((span, label.into()));
        self
    }

    /// First byte of its place; those without a place sort last.
    pub(super) fn start(&self) -> usize {
        self.label.as_ref().map_or(usize::MAX, |(span, _)| span.start)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code.name()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (span, text) = self.label.as_ref()?;
        let text = (!text.is_empty()).then(|| text.clone());
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(text, span.clone()))))
    }
}

impl Code {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "config::syntax",
            Self::UnknownKey => "config::unknown_key",
            Self::WrongType => "config::wrong_type",
            Self::WrongValue => "config::wrong_value",
            Self::Missing => "config::missing",
            Self::Duplicate => "config::duplicate",
            Self::Conflict => "config::conflict",
            Self::Environment => "config::environment",
            Self::File => "config::file",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

fn count(problems: usize, more: usize, name: &str) -> String {
    match (problems, more) {
        (1, 0) => format!("1 problem in {name}"),
        (_, 0) => format!("{problems} problems in {name}"),
        _ => format!("{problems} problems, and {more} more, in {name}"),
    }
}
