//! `eyewitness run`: the daemon.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use tracing::{info, warn};

use super::exit::Exit;
use super::failure::Failure;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Loaded};
use crate::journal::Journal;
use crate::outbox::Outbox;
use crate::pipeline::Audience;
use crate::service::{self, Ended, Parts, Reload, ReloadSignal, StopSignals};
use crate::source;
use crate::telemetry::{self, Metrics};
use crate::vlm::{self, Model};

pub(super) async fn run(path: &Path, clock: Clock) -> Result<Exit, Failure> {
    let Loaded { config, notices } = load(path)?;
    let filter = config.log.filter.as_deref().unwrap_or(telemetry::USUAL_FILTER);
    let log = telemetry::init(filter, config.log.format).map_err(|error| Failure::config(&error))?;
    info!(version = env!("CARGO_PKG_VERSION"), config = %path.display(), "eyewitness");
    for notice in &notices {
        warn!("{notice}");
    }
    source::init().map_err(|error| Failure::running("GStreamer", &error))?;
    // From here on a signal is a wish to stop, also while the model loads.
    let signals = StopSignals::new().map_err(|error| Failure::running("signals", &error))?;
    let hangup = ReloadSignal::new().map_err(|error| Failure::running("signals", &error))?;
    let model = load_model(config.model.settings.clone(), clock).await?;
    let metrics = Arc::new(Metrics::new());
    let journal = journal(&config, clock);
    let audience = journal.iter().map(|journal| Arc::clone(journal) as Arc<dyn Audience>).collect::<Vec<_>>();
    let outbox = Outbox::open(&config.outbox, clock).map_err(|error| Failure::running("the outbox", &error))?;
    let reload = Some(Reload { signal: hangup, read: reader(path) });
    let audience = Arc::new(audience);
    let ended = service::run(Parts { config, model, outbox, metrics, clock, audience, signals, reload, log }).await;
    if let Some(journal) = journal {
        journal.close();
    }
    match ended {
        Ended::Stopped | Ended::Over => {
            info!("stopped");
            Ok(Exit::Done)
        }
        Ended::Hurried => Ok(Exit::Failed),
    }
}

/// Reads the same config file again, later.
fn reader(path: &Path) -> Arc<dyn Fn() -> Result<Loaded, String> + Send + Sync> {
    let path = path.to_owned();
    Arc::new(move || {
        let env = |name: &str| std::env::var(name).ok();
        Config::load(&path, &env).map_err(|error| error.render_unchanged(WIDTH))
    })
}

/// The decision journal, if one is to be kept. Without it everything else goes on.
fn journal(config: &Config, clock: Clock) -> Option<Arc<Journal>> {
    let path = config.explain.path.clone()?;
    info!(path = %path.display(), "the decision journal is kept here");
    match Journal::start(path, &config.explain, clock) {
        Ok(journal) => Some(Arc::new(journal)),
        Err(error) => {
            warn!(%error, "there will be no decision journal");
            None
        }
    }
}

/// Reads a config file; its problems come laid out for people.
pub(super) fn load(path: &Path) -> Result<Loaded, Failure> {
    let env = |name: &str| std::env::var(name).ok();
    Config::load(path, &env).map_err(|error| Failure::report(Exit::Config, report(&error)))
}

/// A config's problems, as wide and as colourful as stderr allows.
pub(super) fn report(error: &ConfigError) -> String {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    error.render(colour, WIDTH)
}

/// Columns of a report.
const WIDTH: usize = 100;

/// Loads the model on a thread that may block.
pub(super) async fn load_model(settings: vlm::Settings, clock: Clock) -> Result<Model, Failure> {
    let loading = tokio::task::spawn_blocking(move || Model::start(settings, clock));
    let loaded = loading.await.map_err(|error| Failure::running("loading the model", &error))?;
    loaded.map_err(|error| Failure::config(&error))
}
