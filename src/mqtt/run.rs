//! The task that delivers for ever: one connection after the other, with growing waits in between.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::ask::Desk;
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::health::CameraHealth;
use crate::ids::{CameraId, EventId};
use crate::outbox::{Keeping, Outbox};
use crate::rules::RuleStates;

use super::home::Home;
use super::isolation::Isolation;
use super::reason::{self, Reason};
use super::retained::Memory;
use super::session::{End, Past, Session};
use super::settings::Settings;
use super::turn::Turn;

const FIRST_WAIT: Duration = Duration::from_secs(1);
/// A broker in the house that comes back after an hour is found within this time.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A connection that lasted so long, or delivered an event, was a good one: the next failure waits [`FIRST_WAIT`] again.
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
    /// Connections that there were, and failures of any kind, since the start.
    pub connects_total: u64,
    pub failures_total: u64,
}

impl Connection {
    /// Before the first try.
    #[must_use]
    pub fn starting(since: Timestamp) -> Self {
        Self {
            state: ConnectionState::Disconnected,
            since,
            reason: "starting".into(),
            failures: 0,
            connects_total: 0,
            failures_total: 0,
        }
    }
}

/// Every camera with its health.
pub type Cameras = Arc<[(CameraId, watch::Receiver<CameraHealth>)]>;

/// The picture of the frame that was described last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub jpeg: Bytes,
    /// [`crate::event::Event::snapshot`] of the message that it belongs to.
    pub name: String,
    pub event: EventId,
    pub seq: u64,
    /// When the frame was taken.
    pub at: Timestamp,
}

/// The newest of every camera that has one.
pub type Snapshots = Arc<BTreeMap<CameraId, Arc<Snapshot>>>;

/// What the task works with; the pipeline makes it.
pub struct Inputs {
    /// Of this program, for the status.
    pub version: &'static str,
    pub outbox: Arc<Outbox>,
    /// All cameras, also those that are disabled; another list when the config changes.
    pub cameras: watch::Receiver<Cameras>,
    /// Every rule as it stands, also of cameras that are off. All of them are there before [`run`]: one that is not is taken back, and
    /// its entity leaves Home Assistant.
    pub rules: watch::Receiver<RuleStates>,
    pub snapshots: watch::Receiver<Snapshots>,
    /// Where questions and orders go.
    pub desk: Arc<dyn Desk>,
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
/// 10 s, to the first broker, or to the second while the first does not work. On `cancel` it flushes for up to 2 s, says
/// `stopped` and disconnects. Dropping the future drops the connection, so that the broker publishes the will.
pub async fn run(settings: Settings, inputs: Inputs, cancel: CancellationToken) {
    let brokers = settings.brokers();
    let count = brokers.len();
    let mut courier = Courier {
        return_after: settings.fallback.as_ref().map(|second| second.return_after),
        memories: (0..count).map(|_| Memory::default()).collect(),
        brokers: brokers.into_iter().map(|(_, settings)| settings).collect(),
        isolation: Isolation::default(),
        inputs: &inputs,
        why: None,
        logged: vec![String::new(); count],
    };
    let mut turn = Turn::new(count);
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    let mut broker = 0;
    loop {
        let (reason, good) = match courier.connect(broker, &cancel).await {
            Outcome::Stopped => break,
            Outcome::Home => {
                broker = 0;
                continue;
            }
            Outcome::Failed { reason, good } => (reason, good),
        };
        // A trial of an event lasts longer than a first wait: it needs no more patience than that.
        if good || courier.isolation.careful() {
            backoff.reset();
        }
        let next = turn.after_failure(broker, good, reason.redirects());
        let wait = if next.wait { jittered(backoff.wait()) } else { Duration::ZERO };
        courier.report_failure(broker, &reason, wait);
        broker = next.broker;
        tokio::select! {
            () = time::sleep(wait) => {}
            () = cancel.cancelled() => break,
        }
    }
    report_stop(&inputs);
}

/// What came of one try.
enum Outcome {
    Stopped,
    /// It is to go on at the first broker.
    Home,
    Failed {
        reason: Reason,
        /// There was a connection that worked.
        good: bool,
    },
}

/// Everything that outlives a connection.
struct Courier<'a> {
    /// The preferred one first.
    brokers: Vec<Settings>,
    memories: Vec<Memory>,
    return_after: Option<Duration>,
    isolation: Isolation,
    inputs: &'a Inputs,
    /// Why the first broker is not used, for the words about the second.
    why: Option<String>,
    /// What was logged last about each broker: an outage of a night is one line, not one for each try.
    logged: Vec<String>,
}

impl Courier<'_> {
    /// One connection's life.
    async fn connect(&mut self, broker: usize, cancel: &CancellationToken) -> Outcome {
        let inputs = self.inputs;
        let settings = &self.brokers[broker];
        let home = self.return_after.filter(|_| broker > 0);
        let home = home.map(|after| Home::new(self.brokers[0].clone(), after, inputs.clock.now()));
        let past = Past { memory: &mut self.memories[broker], isolation: &mut self.isolation };
        let opened = tokio::select! {
            opened = Session::open(settings, inputs, past, home) => opened,
            () = cancel.cancelled() => return Outcome::Stopped,
        };
        let session = match opened {
            Ok(session) => session,
            Err(reason) => return Outcome::Failed { reason, good: false },
        };
        inputs.outbox.connected();
        self.logged.fill(String::new());
        report_connected(inputs, settings, self.why.as_deref().filter(|_| broker > 0));
        let begun = inputs.clock.now();
        let end = session.serve(cancel).await;
        inputs.outbox.disconnected();
        match end {
            End::Stopped => Outcome::Stopped,
            End::Home => Outcome::Home,
            End::Broken { reason, delivered } => {
                let lasted = inputs.clock.now().since(begun) >= GOOD;
                // Two brokers that send us to each other must not do so without end.
                let good = lasted || (delivered > 0 && !reason.redirects());
                Outcome::Failed { reason, good }
            }
        }
    }

    fn report_failure(&mut self, broker: usize, reason: &Reason, wait: Duration) {
        let inputs = self.inputs;
        let text = match (broker, &self.why) {
            (0, _) => reason.to_string(),
            (_, Some(first)) => format!("{first}; and the second broker: {reason}"),
            (_, None) => format!("the second broker: {reason}"),
        };
        if broker == 0 {
            self.why = Some(text.clone());
        }
        let wait_s = (wait.as_secs_f64() * 10.0).round() / 10.0;
        let failures = inputs.connection.borrow().failures.saturating_add(1);
        if self.logged[broker] == text {
            debug!(reason = text, failures, wait_s, "no connection to the broker");
        } else {
            warn!(reason = text, failures, wait_s, "no connection to the broker; events wait in the outbox");
            self.logged[broker].clone_from(&text);
        }
        inputs.connection.send_modify(|connection| {
            if connection.state == ConnectionState::Connected {
                connection.since = inputs.clock.now().wall;
            }
            connection.state = ConnectionState::Disconnected;
            // What was said of both brokers is not taken back for the moment in which only the first was tried again.
            if !connection.reason.starts_with(&text) {
                connection.reason = text;
            }
            connection.failures = failures;
            connection.failures_total += 1;
        });
    }
}

/// Between seven tenths of it and all of it, so that boxes that lost one broker together do not come back together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.7 + 0.3 * fastrand::f64()).max(FIRST_WAIT)
}

fn report_connected(inputs: &Inputs, settings: &Settings, why_second: Option<&str>) {
    let address = reason::address(settings);
    let waiting = inputs.outbox.stats().rows;
    let text = match why_second {
        None => format!("connected to `{address}`"),
        Some(why) => format!("connected to `{address}`, the second broker: {why}"),
    };
    info!(address, waiting, second = why_second.is_some(), "connected to the broker");
    inputs.connection.send_modify(|connection| {
        connection.state = ConnectionState::Connected;
        connection.since = inputs.clock.now().wall;
        connection.reason = text;
        connection.failures = 0;
        connection.connects_total += 1;
    });
}

fn report_stop(inputs: &Inputs) {
    let waiting = inputs.outbox.stats().rows;
    match inputs.outbox.keeping() {
        _ if waiting == 0 => {}
        Keeping::Disk => info!(waiting, "the broker has not got all events yet: they stay in the outbox"),
        Keeping::Memory | Keeping::Failing(_) => {
            warn!(waiting, "stopped before the broker had all events: they wait in memory only");
        }
    }
    inputs.connection.send_modify(|connection| {
        connection.state = ConnectionState::Disconnected;
        connection.since = inputs.clock.now().wall;
        connection.reason = "stopped".into();
        connection.failures = 0;
    });
}
