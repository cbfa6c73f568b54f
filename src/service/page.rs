//! The status page of the running system: what it shows, and where it listens, which a reload may change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::http::{self, Condition, Parts, Readiness, View};
use crate::ask::Desk;
use crate::clock::Clock;
use crate::config::HttpSettings;
use crate::health::{CameraHealth, CameraState};
use crate::mqtt::ConnectionState;
use crate::outbox::Keeping;
use crate::pipeline::Vitals;
use crate::telemetry::{BrokerFigures, Metrics, OutboxFigures};

/// What the page shows.
pub(super) struct Shown {
    pub(super) vitals: Vitals,
    pub(super) metrics: Arc<Metrics>,
    /// `set/precision@provider`
    pub(super) model: String,
    pub(super) clock: Clock,
    pub(super) desk: Arc<dyn Desk>,
    /// Whether it may be asked; a reload may change that.
    pub(super) asks: AtomicBool,
}

impl View for Shown {
    fn stuck(&self) -> Vec<String> {
        self.vitals.stuck(self.clock.now())
    }

    fn readiness(&self) -> Readiness {
        // Before it was loaded there is no page.
        let model = Condition::new(http::State::Ok, self.model.clone());
        let cameras = self.vitals.cameras().into_iter().map(|(id, health)| (id, of_camera(health)));
        Parts { model, outbox: self.outbox(), broker: self.broker(), cameras: cameras.collect() }.readiness()
    }

    fn metrics(&self) -> String {
        let stats = self.vitals.waiting();
        self.metrics.outbox(OutboxFigures {
            rows: stats.rows,
            bytes: stats.bytes,
            evicted: stats.evicted_total,
            refused: stats.refused_total,
            unreadable: stats.unreadable_total,
            durable: match self.vitals.keeping() {
                Keeping::Disk => Some(true),
                Keeping::Failing(_) => Some(false),
                Keeping::Memory => None,
            },
        });
        self.metrics.broker(self.vitals.connection().map(|connection| BrokerFigures {
            connected: connection.state == ConnectionState::Connected,
            acknowledged: stats.acked_total,
        }));
        self.metrics.text()
    }

    fn turned_away(&self) {
        self.metrics.http_refused();
    }

    fn desk(&self) -> Option<Arc<dyn Desk>> {
        self.asks.load(Ordering::Relaxed).then(|| self.desk.clone())
    }
}

impl Shown {
    fn outbox(&self) -> Condition {
        match self.vitals.keeping() {
            Keeping::Disk => Condition::ok(),
            Keeping::Memory => Condition::off("events wait in memory, as the config has it"),
            Keeping::Failing(words) => Condition::failed(words),
        }
    }

    fn broker(&self) -> Condition {
        match self.vitals.connection() {
            None => Condition::off("no broker in the config"),
            Some(connection) => {
                let state = match connection.state {
                    ConnectionState::Connected => http::State::Ok,
                    ConnectionState::Disconnected => http::State::Waiting,
                };
                Condition::new(state, connection.reason).since(connection.since)
            }
        }
    }
}

fn of_camera(health: CameraHealth) -> Condition {
    let state = match health.state {
        CameraState::Online => http::State::Ok,
        CameraState::Offline => http::State::Waiting,
        CameraState::Disabled => http::State::Off,
    };
    Condition::new(state, health.reason).since(health.since)
}

/// The page where the config wants it, if at all.
pub(super) struct Page {
    shown: Arc<Shown>,
    settings: HttpSettings,
    running: Option<(DropGuard, JoinHandle<()>)>,
}

impl Page {
    pub(super) fn start(shown: Shown, settings: HttpSettings) -> Self {
        shown.asks.store(settings.ask, Ordering::Relaxed);
        let shown = Arc::new(shown);
        let running = settings.listen.map(|listen| serve(listen, &shown));
        Self { shown, settings, running }
    }

    /// Follows the config: another address, or none, or other rights. Returns what changed.
    pub(super) async fn follow(&mut self, settings: HttpSettings) -> Vec<&'static str> {
        let mut changed = Vec::new();
        // First what it may, so that nobody comes through in between.
        if self.settings.ask != settings.ask {
            self.shown.asks.store(settings.ask, Ordering::Relaxed);
            changed.push("whether the status page takes questions");
        }
        if self.settings.listen != settings.listen {
            self.stop().await;
            self.running = settings.listen.map(|listen| serve(listen, &self.shown));
            changed.push("the address of the status page");
        }
        self.settings = settings;
        changed
    }

    /// Ends; the port is free again.
    pub(super) async fn stop(&mut self) {
        if let Some((cancel, task)) = self.running.take() {
            drop(cancel);
            // It ends within its bound; how it did concerns nobody any more.
            task.await.ok();
        }
    }
}

fn serve(listen: SocketAddr, shown: &Arc<Shown>) -> (DropGuard, JoinHandle<()>) {
    let cancel = CancellationToken::new();
    let task = tokio::spawn(http::serve(listen, shown.clone(), cancel.clone()));
    (cancel.drop_guard(), task)
}
