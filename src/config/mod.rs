//! TOML to [`Config`], or all problems at once with line, caret and help.
//!
//! What was typed and what it means are two layers: `keys` declares every key once, `raw` reads values of the right
//! kind with their places, `meaning` makes a [`Config`] of them. What a stage does with its settings belongs there.

mod difference;
mod environment;
mod file;
pub mod keys;
mod kinds;
mod lines;
mod meaning;
mod problem;
mod raw;
mod redact;
mod report;
mod schema;
mod suggest;
mod syntax;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lines::Lines;

pub use difference::{Difference, differing};
pub use environment::Lookup;
pub use meaning::{cache_folder, default_model_path};
pub use problem::{Code, ConfigError, Notice, Problem};
pub use redact::redact;
pub use report::SourceText;
pub use schema::schema;

use crate::analyst::View;
use crate::ids::NodeId;
use crate::rules::Rule;
use crate::telemetry::LogFormat;
use crate::units::Rate;
use crate::{gate, journal, mqtt, outbox, source, vlm};

/// What the daemon shall do: every value checked, every default filled in. Its `Debug` holds no secrets.
#[derive(Debug, Clone)]
pub struct Config {
    pub node: NodeId,
    pub log: LogSettings,
    /// `None`: events are only logged.
    pub mqtt: Option<mqtt::Settings>,
    pub outbox: outbox::Settings,
    pub model: ModelConfig,
    pub http: HttpSettings,
    /// The decision journal.
    pub explain: journal::Settings,
    /// Where what was learnt and set while running is kept: calibrations, switches. `None`: this user has no such place.
    pub state: Option<PathBuf>,
    /// At least one; ids differ.
    pub cameras: Vec<CameraConfig>,
    /// How long a stop may take before what is left is given up.
    pub stop_timeout: Duration,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// Directives as `RUST_LOG` has them, known to be valid; `None`: the usual.
    pub filter: Option<String>,
    pub format: LogFormat,
}

/// The model and what it is asked.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    pub settings: vlm::Settings,
    /// For cameras without a prompt of their own.
    pub prompt: Arc<str>,
    /// Longest description.
    pub max_tokens: usize,
    /// An answer that takes longer is given up.
    pub deadline: Duration,
    /// Descriptions of all cameras together.
    pub budget: Rate,
    /// Share of the time in which the model may be busy, 0 to 1.
    pub share: f32,
}

/// The status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpSettings {
    /// `None`: there is no status page.
    pub listen: Option<SocketAddr>,
    /// Whether whoever reaches it may ask what cameras see.
    pub ask: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { listen: Some(SocketAddr::from(([127, 0, 0, 1], 8089))), ask: true }
    }
}

/// One camera with all that happens to its frames.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraConfig {
    pub source: source::Settings,
    pub gate: gate::Settings,
    /// Its own prompt, or the model's.
    pub prompt: Arc<str>,
    /// What the model sees of a picture.
    pub view: View,
    /// Ids differ within a camera.
    pub rules: Vec<Rule>,
    pub enabled: bool,
}

/// A config and what its author should know about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// In the order of the file; first those without a line.
    pub notices: Vec<Notice>,
}

impl Config {
    /// Reads the config file and the secrets' files that it names. Relative paths in it start at its folder.
    ///
    /// # Errors
    /// [`ConfigError`]: the file cannot be read, or it holds problems, of which all are reported.
    pub fn load(path: &Path, environment: Lookup<'_>) -> Result<Loaded, ConfigError> {
        let text = file::config(path)?;
        read(&path.display().to_string(), path.parent(), &text, environment)
    }

    /// Reads a config from its text; `name` is what problems call it. Relative paths in it start at the current folder.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`]
    pub fn parse(name: &str, text: &str, environment: Lookup<'_>) -> Result<Loaded, ConfigError> {
        read(name, None, text, environment)
    }
}

fn read(name: &str, folder: Option<&Path>, text: &str, environment: Lookup<'_>) -> Result<Loaded, ConfigError> {
    let shown = redact(text);
    let lines = Lines::new(text);
    let (readable, broken) = syntax::mend(text, &shown, &lines);
    let tree = syntax::tree(&readable);
    let reader = raw::Reader::new(text, &lines, folder, environment);
    let config = meaning::build(&reader.file(&tree));
    let (found, mut notices) = reader.finish();
    let mut problems = merge(text, &lines, broken, found);
    if problems.is_empty() {
        notices.sort_by_key(|notice| notice.line);
        return Ok(Loaded { config, notices });
    }
    let more = problems.len().saturating_sub(problem::MOST);
    problems.truncate(problem::MOST);
    Err(ConfigError::Invalid { problems, more, source_text: SourceText::new(name, shown) })
}

/// All problems in the order of the file. What may only follow from a line that could not be read is left out: what
/// seems to be missing, and what stands below a table's broken header and so seems to be in the table above.
fn merge(text: &str, lines: &Lines<'_>, mut broken: Vec<Problem>, mut found: Vec<Problem>) -> Vec<Problem> {
    if !broken.is_empty() {
        let is_header = |problem: &&Problem| syntax::is_header(&text[lines.around(problem.start())]);
        let lost = broken.iter().filter(is_header).map(Problem::start).min().unwrap_or(usize::MAX);
        let broken_lines: BTreeSet<usize> = broken.iter().map(|problem| lines.number(problem.start())).collect();
        let in_broken_line = |problem: &Problem| broken_lines.contains(&lines.number(problem.start()));
        found.retain(|p| p.code != Code::Missing && p.start() < lost && !in_broken_line(p));
        broken.retain(|p| p.code != Code::Duplicate || p.start() <= lost);
    }
    found.extend(broken);
    for problem in &mut found {
        problem.label = problem.label.take().map(|(span, words)| (lines.place(&span), words));
    }
    found.sort_by_key(Problem::start);
    found
}
