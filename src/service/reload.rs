//! The config again, on SIGHUP: the new one if it is right, else the old one goes on and the log says what is wrong.

use std::fmt;
use std::sync::Arc;

use tracing::{error, info, warn};

use super::notify;
use super::signals::ReloadSignal;
use crate::config::Loaded;
use crate::pipeline::{Applied, Pipeline};

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

/// Reads the config and lets the pipeline go over to it.
pub(super) async fn reload(reload: Option<&Reload>, pipeline: &mut Pipeline) {
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
    say(&pipeline.apply(&loaded.config).await);
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
