//! Where the log goes and how much of it.
//!
//! In the journal each message has, beside the fields that every program has, one field per value that the text form
//! shows as `name=value`, and those of the spans around it: `EYEWITNESS_` and the name in capitals. So
//! `journalctl EYEWITNESS_CAMERA=front-door` shows one camera's messages from source, gate and analyst alike, and
//! `EYEWITNESS_EVENT=01JD...` those of one event. `SPAN_NAME` says in which part it was (`source`, `camera`, `analyst`,
//! `mqtt`), `TARGET` in which module, `CODE_FILE` and `CODE_LINE` where in the program.

use std::io::IsTerminal;

use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// What our fields begin with in the journal. Without it they would mix with other programs' fields, and a value
/// called `message` or `priority` would pass for the journal's own.
const FIELD_PREFIX: &str = "EYEWITNESS";

/// What is logged where nobody says otherwise.
pub const USUAL_FILTER: &str = "info";

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// The journal if stderr goes there (as a systemd service), text otherwise.
    #[default]
    Auto,
    /// Lines on stderr.
    Text,
    /// Structured entries in systemd's journal.
    Journal,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("`{filter}` is not a log filter: write levels such as \"info\" or \"info,eyewitness::gate=debug\"")]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[error("the journal cannot be reached: is systemd-journald running here? Set `log.format = \"text\"` otherwise")]
    Journal(#[source] std::io::Error),
    #[error("the log was set up twice")]
    Twice(#[from] TryInitError),
    #[error("the log is no longer there")]
    Gone(#[source] reload::Error),
}

/// The running log; cheap to clone. Dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
    /// `RUST_LOG` was set at the start, and wins to the end.
    pinned: bool,
}

impl LogHandle {
    /// Logs by this filter from now on, as [`init`] would; `false` if `RUST_LOG` wins, so that nothing has changed. A
    /// directive that names a span holds for spans that begin later.
    ///
    /// # Errors
    /// [`LogError::Filter`]: it is no filter; the old one stays.
    pub fn set_filter(&self, filter: &str) -> Result<bool, LogError> {
        let levels = levels(filter)?;
        if self.pinned {
            return Ok(false);
        }
        self.filter.reload(levels).map_err(LogError::Gone)?;
        Ok(true)
    }
}

/// Starts the log of this process. `RUST_LOG` wins over `filter`, which is in its syntax (`info`,
/// `info,eyewitness::gate=debug`). The handle changes the filter later; where the log goes stays.
///
/// # Errors
/// [`LogError`]
pub fn init(filter: &str, to: LogFormat) -> Result<LogHandle, LogError> {
    let pinned = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let (levels, filter) = reload::Layer::new(levels(pinned.as_deref().unwrap_or(filter))?);
    let to_journal = match to {
        LogFormat::Journal => true,
        LogFormat::Text => false,
        // systemd sets it for services whose stderr is the journal.
        LogFormat::Auto => std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal(),
    };
    let layer = if to_journal { journal()? } else { stderr() };
    tracing_subscriber::registry().with(layer.with_filter(levels)).try_init()?;
    Ok(LogHandle { filter, pinned: pinned.is_some() })
}

fn levels(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(filter).map_err(|source| LogError::Filter { filter: filter.to_owned(), source })
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

fn journal() -> Result<BoxedLayer, LogError> {
    let layer = tracing_journald::layer().map_err(LogError::Journal)?;
    // The library makes `info` a notice, which journalctl prints in bold: what is usual is informational in syslog's
    // words.
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
        ..PriorityMappings::new()
    };
    Ok(layer
        .with_syslog_identifier("eyewitness".to_owned())
        .with_field_prefix(Some(FIELD_PREFIX.to_owned()))
        .with_priority_mappings(priorities)
        .boxed())
}

fn stderr() -> BoxedLayer {
    tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .boxed()
}
