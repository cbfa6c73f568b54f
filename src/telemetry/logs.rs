//! Where the log goes and how much of it.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer};

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
}

/// Starts the log of this process. `RUST_LOG` wins over `filter`, which is in its syntax (`info`,
/// `info,eyewitness::gate=debug`).
///
/// # Errors
/// [`LogError`]
pub fn init(filter: &str, to: LogFormat) -> Result<(), LogError> {
    let chosen = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty()).unwrap_or_else(|| filter.to_owned());
    let levels = EnvFilter::try_new(&chosen).map_err(|source| LogError::Filter { filter: chosen, source })?;
    let to_journal = match to {
        LogFormat::Journal => true,
        LogFormat::Text => false,
        // systemd sets it for services whose stderr is the journal.
        LogFormat::Auto => std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal(),
    };
    let layer = if to_journal { journal()? } else { stderr() };
    tracing_subscriber::registry().with(layer.with_filter(levels)).try_init()?;
    Ok(())
}

type BoxedLayer = Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>;

fn journal() -> Result<BoxedLayer, LogError> {
    let layer = tracing_journald::layer().map_err(LogError::Journal)?;
    Ok(layer.with_syslog_identifier("eyewitness".to_owned()).boxed())
}

fn stderr() -> BoxedLayer {
    tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .boxed()
}
