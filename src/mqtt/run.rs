//! The task that delivers for ever: one connection after the other, with growing waits in between.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::health::CameraHealth;
use crate::ids::CameraId;
use crate::outbox::Outbox;

use super::reason::{self, Reason};
use super::session::Session;
use super::settings::Settings;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A connection that lasted so long was a good one: the next failure waits [`FIRST_WAIT`] again.
const GOOD: Duration = Duration::from_secs(10);

/// Whether there is a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    Connected,
    Disconnected,
}

/// How the connection to the broker is, since when, and why, in a sentence without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    pub state: ConnectionState,
    pub since: Timestamp,
    pub reason: String,
    /// How often it failed since it was last connected.
    pub failures: u32,
}

impl Connection {
    /// Before the first try.
    #[must_use]
    pub fn starting(since: Timestamp) -> Self {
        Self { state: ConnectionState::Disconnected, since, reason: "starting".into(), failures: 0 }
    }
}

/// Every camera with its health.
pub type Cameras = Arc<[(CameraId, watch::Receiver<CameraHealth>)]>;

/// What the task works with; the pipeline makes it.
pub struct Inputs {
    /// Of this program, for the status.
    pub version: &'static str,
    pub outbox: Arc<Outbox>,
    /// All cameras, also those that are disabled; another list when the config changes.
    pub cameras: watch::Receiver<Cameras>,
    /// Told of each change.
    pub connection: watch::Sender<Connection>,
    /// Makes the counters that are published each minute. Called from the task; must not block.
    pub stats: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    pub clock: Clock,
}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs").field("version", &self.version).field("cameras", &self.cameras).finish_non_exhaustive()
    }
}

/// Delivers the outbox and the state of node and cameras until `cancel`: connects for ever, with waits from 1 s to
/// 60 s. On `cancel` it flushes for up to 2 s, says `stopped` and disconnects. Dropping the future drops the connection,
/// so that the broker publishes the will.
pub async fn run(settings: Settings, inputs: Inputs, cancel: CancellationToken) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let begun = inputs.clock.now();
        let Err(reason) = run_once(&settings, &inputs, &cancel).await else { break };
        if reason == Reason::Cancelled {
            break;
        }
        if inputs.clock.now().since(begun) >= GOOD && was_connected(&inputs) {
            backoff.reset();
        }
        let wait = backoff.wait();
        report_failure(&inputs, &reason, wait);
        tokio::select! {
            () = time::sleep(wait) => {}
            () = cancel.cancelled() => break,
        }
    }
    report_stop(&inputs);
}

/// One connection's life. `Ok` after a clean stop.
async fn run_once(settings: &Settings, inputs: &Inputs, cancel: &CancellationToken) -> Result<(), Reason> {
    let session = tokio::select! {
        session = Session::open(settings, inputs) => session?,
        () = cancel.cancelled() => return Err(Reason::Cancelled),
    };
    inputs.outbox.connected();
    report_connected(settings, inputs);
    let ended = session.serve(cancel).await;
    inputs.outbox.disconnected();
    ended
}

fn was_connected(inputs: &Inputs) -> bool {
    inputs.connection.borrow().state == ConnectionState::Connected
}

fn report_connected(settings: &Settings, inputs: &Inputs) {
    let address = reason::address(settings);
    info!(address, waiting = inputs.outbox.stats().rows, "connected to the broker");
    inputs.connection.send_replace(Connection {
        state: ConnectionState::Connected,
        since: inputs.clock.now().wall,
        reason: format!("connected to `{address}`"),
        failures: 0,
    });
}

fn report_failure(inputs: &Inputs, reason: &Reason, wait: Duration) {
    let text = reason.to_string();
    let wait_s = (wait.as_secs_f64() * 10.0).round() / 10.0;
    let before = inputs.connection.borrow().clone();
    let failures = before.failures.saturating_add(1);
    if before.reason == text {
        // An outage of a night is one line, not one for each try.
        debug!(reason = text, failures, wait_s, "no connection to the broker");
    } else {
        warn!(reason = text, failures, wait_s, "no connection to the broker; events wait in the outbox");
    }
    let since = match before.state {
        ConnectionState::Connected => inputs.clock.now().wall,
        ConnectionState::Disconnected => before.since,
    };
    inputs.connection.send_replace(Connection { state: ConnectionState::Disconnected, since, reason: text, failures });
}

fn report_stop(inputs: &Inputs) {
    let waiting = inputs.outbox.stats().rows;
    if waiting > 0 {
        warn!(waiting, "stopped before the broker had all events");
    }
    inputs.connection.send_replace(Connection {
        state: ConnectionState::Disconnected,
        since: inputs.clock.now().wall,
        reason: "stopped".into(),
        failures: 0,
    });
}
