//! How the running system is. What it says stays true when the config changes, and asking never waits for a part.

use std::sync::Arc;

use tokio::sync::watch;

use super::progress::Progress;
use crate::clock::Moment;
use crate::health::CameraHealth;
use crate::ids::CameraId;
use crate::mqtt::{self, Connection};
use crate::outbox::Outbox;
use crate::outbox::{Keeping, Stats};

/// Cheap to clone; lives as long as anybody wants it.
#[derive(Debug, Clone)]
pub struct Vitals {
    pub(super) progress: Arc<Progress>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) cameras: watch::Receiver<mqtt::Cameras>,
    pub(super) connection: watch::Receiver<Option<watch::Receiver<Connection>>>,
}

impl Vitals {
    /// The parts that do not move, by name. Empty: all is well.
    #[must_use]
    pub fn stuck(&self, now: Moment) -> Vec<String> {
        self.progress.stuck(now)
    }

    /// Every camera with its health, in the config's order.
    #[must_use]
    pub fn cameras(&self) -> Vec<(CameraId, CameraHealth)> {
        let cameras = self.cameras.borrow().clone();
        cameras.iter().map(|(id, health)| (id.clone(), health.borrow().clone())).collect()
    }

    /// The broker's state; `None` without a broker.
    #[must_use]
    pub fn connection(&self) -> Option<Connection> {
        self.connection.borrow().as_ref().map(|connection| connection.borrow().clone())
    }

    /// What waits, and what became of the rest.
    #[must_use]
    pub fn waiting(&self) -> Stats {
        self.outbox.stats()
    }

    /// Where it waits.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        self.outbox.keeping()
    }
}
