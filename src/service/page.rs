//! The status page of the running system: what it shows, and where it listens, which a reload may change.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::http::{self, Condition, Parts, Readiness, View};
use crate::clock::Clock;
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
    shown: Arc<dyn View>,
    listen: Option<SocketAddr>,
    running: Option<(DropGuard, JoinHandle<()>)>,
}

impl Page {
    pub(super) fn start(shown: Shown, listen: Option<SocketAddr>) -> Self {
        let shown: Arc<dyn View> = Arc::new(shown);
        let running = listen.map(|listen| serve(listen, &shown));
        Self { shown, listen, running }
    }

    /// Moves to another address, or away. Returns whether there was need.
    pub(super) async fn listen(&mut self, listen: Option<SocketAddr>) -> bool {
        if self.listen == listen {
            return false;
        }
        self.stop().await;
        self.running = listen.map(|listen| serve(listen, &self.shown));
        self.listen = listen;
        true
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

fn serve(listen: SocketAddr, shown: &Arc<dyn View>) -> (DropGuard, JoinHandle<()>) {
    let cancel = CancellationToken::new();
    let task = tokio::spawn(http::serve(listen, shown.clone(), cancel.clone()));
    (cancel.drop_guard(), task)
}
