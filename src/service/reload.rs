//! The config again, on SIGHUP: the new one if it is right, else the old one goes on and the log says what is wrong.

use std::fmt;
use std::sync::Arc;

use tracing::{error, info, warn};

use super::notify;
use super::page::Page;
use super::signals::ReloadSignal;
use crate::config::{Config, Loaded, LogSettings};
use crate::pipeline::{Applied, Pipeline};
use crate::telemetry::{self, LogHandle};

/// When the config is read again, and how.
pub struct Reload {
    pub signal: ReloadSignal,
    /// What is wrong comes laid out for people. It may block.
    pub read: Arc<dyn Fn() -> Result<Loaded, String> + Send + Sync>,
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}

/// Returns when a reload is asked for.
pub(super) async fn asked(reload: &mut Option<Reload>) {
    match reload {
        Some(reload) => reload.signal.next().await,
        None => std::future::pending().await,
    }
}

/// What stands around the pipeline and follows the config, too.
pub(super) struct Around {
    pub(super) page: Page,
    pub(super) log: LogHandle,
    pub(super) settings: LogSettings,
}

/// Reads the config and lets the pipeline go over to it.
pub(super) async fn reload(reload: Option<&Reload>, pipeline: &mut Pipeline, around: &mut Around) {
    let Some(reload) = reload else { return };
    notify::reloading();
    info!("SIGHUP: reading the config again");
    let read = reload.read.clone();
    let loaded = match tokio::task::spawn_blocking(move || read()).await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(report)) => {
            error!("the changed config is wrong, so the old one goes on:\n{report}");
            return;
        }
        Err(problem) => {
            error!(%problem, "the config could not be read, so the old one goes on");
            return;
        }
    };
    for notice in &loaded.notices {
        warn!("{notice}");
    }
    let mut applied = pipeline.apply(&loaded.config).await;
    around.follow(&loaded.config, &mut applied).await;
    say(&applied);
}

impl Around {
    async fn follow(&mut self, config: &Config, applied: &mut Applied) {
        applied.changed.extend(self.page.follow(config.http).await.into_iter().map(str::to_owned));
        if config.log.format != self.settings.format {
            applied.needs_restart.push("[log] format");
        }
        if config.log.filter != self.settings.filter {
            match self.log.set_filter(config.log.filter.as_deref().unwrap_or(telemetry::USUAL_FILTER)) {
                Ok(true) => applied.changed.push("the filter of the log".to_owned()),
                Ok(false) => warn!("`filter` in [log] changed, but the environment's RUST_LOG wins"),
                Err(error) => warn!(%error, "the filter of the log stays as it was"),
            }
            self.settings.filter.clone_from(&config.log.filter);
        }
    }
}

fn say(applied: &Applied) {
    if applied.changed.is_empty() && applied.needs_restart.is_empty() {
        info!("nothing in the config has changed");
    }
    for change in &applied.changed {
        info!("changed: {change}");
    }
    if !applied.needs_restart.is_empty() {
        let parts = applied.needs_restart.join(", ");
        warn!("these settings changed and take effect at the next start (`systemctl restart eyewitness`): {parts}");
    }
}
