//! Delivery against a real mosquitto, and against peers that behave badly.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it did not expect")]

#[path = "mqtt/announced.rs"]
mod announced;
#[path = "mqtt/brokers.rs"]
mod brokers;
#[path = "mqtt/desk.rs"]
mod desk;
#[path = "mqtt/peer.rs"]
mod peer;
#[path = "mqtt/pictures.rs"]
mod pictures;
#[path = "mqtt/questions.rs"]
mod questions;
#[path = "mqtt/replay.rs"]
mod replay;
#[path = "mqtt/retained.rs"]
mod retained;
#[path = "mqtt/scripted.rs"]
mod scripted;
#[path = "mqtt/scripted_connect.rs"]
mod scripted_connect;
#[path = "mqtt/scripted_faults.rs"]
mod scripted_faults;
#[path = "mqtt/scripted_suspects.rs"]
mod scripted_suspects;
mod support;
#[path = "mqtt/switches.rs"]
mod switches;
#[path = "mqtt/tls.rs"]
mod tls;
#[path = "mqtt/trouble.rs"]
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use eyewitness::ask::Desk;
use eyewitness::clock::Clock;
use eyewitness::event::{Cause, Event, Kind, Schema, Source};
use eyewitness::health::{CameraHealth, CameraState};
use eyewitness::ids::{CameraId, EventId, NodeId};
use eyewitness::mqtt::{self, Cameras, Connection, ConnectionState, Inputs, Settings, Snapshots};
use eyewitness::outbox::{self, Outbox};
use eyewitness::rules::RuleStates;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use support::mosquitto::{Mosquitto, Options};
use support::subscriber::Subscriber;

/// For anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn settings(port: u16) -> Settings {
    Settings { keep_alive: Duration::from_secs(5), ..Settings::new(NodeId::new("garage").unwrap(), "127.0.0.1", port) }
}

fn event(camera: &str, seq: u64, kind: Kind) -> Event {
    let at = Clock::system().now().wall;
    Event {
        schema: Schema,
        id: EventId::new(at, u128::from(seq)),
        seq,
        kind,
        node: NodeId::new("garage").unwrap(),
        camera: CameraId::new(camera).unwrap(),
        started_at: at,
        at,
        ended_at: None,
        description: Some(format!("Sentence {seq}.")),
        confidence: Some(0.5),
        cause: Cause::Motion,
        source: if kind == Kind::End { Source::Cache } else { Source::Model },
        reason: None,
        model: None,
        region: None,
        rules: [].into(),
        alert: Vec::new(),
        checked: [].into(),
        snapshot: None,
        timing_ms: None,
        replayed: false,
    }
}

/// What the pipeline does: an outbox, one camera `door`, and the task that delivers.
struct Daemon {
    outbox: Arc<Outbox>,
    cameras: watch::Sender<Cameras>,
    rules: watch::Sender<RuleStates>,
    snapshots: watch::Sender<Snapshots>,
    door: watch::Sender<CameraHealth>,
    connection: watch::Receiver<Connection>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Daemon {
    fn start(settings: Settings) -> Self {
        Self::with_outbox(settings, Arc::new(Outbox::new(&outbox::Settings::default(), Clock::system())))
    }

    fn with_outbox(settings: Settings, outbox: Arc<Outbox>) -> Self {
        Self::with(settings, outbox, RuleStates::default(), Arc::new(()))
    }

    fn with_desk(settings: Settings, desk: Arc<dyn Desk>) -> Self {
        Self::with(settings, Arc::new(Outbox::new(&Default::default(), Clock::system())), RuleStates::default(), desk)
    }

    fn with_rules(settings: Settings, rules: RuleStates) -> Self {
        Self::with(settings, Arc::new(Outbox::new(&Default::default(), Clock::system())), rules, Arc::new(()))
    }

    fn with(settings: Settings, outbox: Arc<Outbox>, rules: RuleStates, desk: Arc<dyn Desk>) -> Self {
        if std::env::var_os("RUST_LOG").is_some() {
            eyewitness::telemetry::init("info", eyewitness::telemetry::LogFormat::Text).ok();
        }
        let clock = Clock::system();
        let (door, health) = watch::channel(CameraHealth::starting(clock.now().wall));
        let (connection, seen) = watch::channel(Connection::starting(clock.now().wall));
        let cameras = watch::Sender::new(Arc::from([(CameraId::new("door").unwrap(), health)]));
        let (rules, snapshots) = (watch::Sender::new(rules), watch::Sender::new(Snapshots::default()));
        let inputs = Inputs {
            version: "0.0.0-test",
            outbox: outbox.clone(),
            cameras: cameras.subscribe(),
            rules: rules.subscribe(),
            snapshots: snapshots.subscribe(),
            desk,
            connection,
            stats: Arc::new(|| serde_json::json!({"frames": 1})),
            clock,
        };
        let cancel = CancellationToken::new();
        let task = tokio::spawn(mqtt::run(settings, inputs, cancel.clone()));
        Self { outbox, cameras, rules, snapshots, door, connection: seen, cancel, task }
    }

    async fn append(&self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            let appended = self.outbox.append(event("door", seq, Kind::Update));
            let receipt = timeout(Duration::from_secs(1), appended).await.expect("appending waits for no broker");
            receipt.kept().await;
        }
    }

    /// Waits until the broker has everything.
    async fn delivered(&self) {
        let empty = async {
            while self.outbox.stats().rows > 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, empty).await.unwrap_or_else(|_| panic!("the outbox is not empty: {:?}", self.outbox.stats()));
    }

    async fn connected(&mut self) {
        self.until(|connection| connection.state == ConnectionState::Connected).await;
    }

    /// The reason once it failed.
    async fn failed(&mut self) -> String {
        self.until(|connection| connection.state == ConnectionState::Disconnected && connection.failures > 0)
            .await
            .reason
    }

    async fn until(&mut self, wanted: impl FnMut(&Connection) -> bool) -> Connection {
        let seen = timeout(SOON, self.connection.wait_for(wanted)).await.map(|seen| seen.unwrap().clone());
        seen.unwrap_or_else(|_| panic!("the connection is {:?}", self.connection.borrow()))
    }

    async fn stop(self) {
        self.cancel.cancel();
        timeout(Duration::from_secs(4), self.task).await.expect("it stops within its bound").unwrap();
    }
}

fn seqs_of(subscriber: &Subscriber) -> Vec<u64> {
    subscriber.on("eyewitness/garage/door/event").iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

async fn wait_for_events(subscriber: &mut Subscriber, count: usize) {
    let of_events = |topic: &str| topic.ends_with("/event");
    subscriber
        .wait_for(&format!("{count} events"), SOON, |all| all.iter().filter(|m| of_events(&m.topic)).count() >= count)
        .await;
}

async fn wait_for_state(subscriber: &mut Subscriber, topic: &str, state: &str) {
    subscriber
        .wait_for(&format!("`{topic}` is {state}"), SOON, |all| {
            all.iter().rfind(|m| m.topic == topic).is_some_and(|m| m.json["state"] == state)
        })
        .await;
}

#[tokio::test]
async fn events_arrive_in_order_with_the_retained_state() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    daemon.append(1..=99).await;
    daemon.outbox.append(event("door", 100, Kind::End)).await.kept().await;
    wait_for_events(&mut subscriber, 100).await;
    assert_eq!(seqs_of(&subscriber), (1..=100).collect::<Vec<_>>());
    assert!(subscriber.on("eyewitness/garage/door/event").iter().all(|event| event["replayed"] == false));

    let online = &subscriber.on("eyewitness/garage/status")[0];
    assert_eq!((&online["state"], &online["version"]), (&"online".into(), &"0.0.0-test".into()));
    assert_eq!(online["session"].as_str().unwrap().len(), 26);

    let now = Clock::system().now().wall;
    daemon.door.send_replace(CameraHealth {
        state: CameraState::Online,
        since: now,
        reason: "streaming".into(),
        failures: 0,
    });
    wait_for_state(&mut subscriber, "eyewitness/garage/door/status", "online").await;

    // Who comes later gets state and last words, and no event.
    let mut late = Subscriber::start(broker.port()).await;
    wait_for_state(&mut late, "eyewitness/garage/door/status", "online").await;
    late.wait_for("the last words", SOON, |all| {
        all.iter().any(|m| m.topic == "eyewitness/garage/door/description" && m.json["text"] == "Sentence 99.")
    })
    .await;
    assert!(late.messages().iter().all(|message| message.retained && !message.topic.ends_with("/event")));
    let stats = daemon.outbox.stats();
    assert_eq!((stats.evicted_total, stats.refused_total), (0, 0));
    daemon.stop().await;
}

#[tokio::test]
async fn the_will_speaks_when_the_daemon_is_gone() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    wait_for_state(&mut subscriber, "eyewitness/garage/status", "online").await;
    daemon.task.abort();
    wait_for_state(&mut subscriber, "eyewitness/garage/status", "offline").await;
    let states = subscriber.on("eyewitness/garage/status");
    assert_eq!(states[0]["session"], states[1]["session"]);
    assert_eq!(states[1]["reason"], "connection lost");
}

#[tokio::test]
async fn a_clean_stop_flushes_and_says_stopped() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    daemon.append(1..=50).await;
    let outbox = daemon.outbox.clone();
    daemon.stop().await;
    assert_eq!(outbox.stats().rows, 0);
    wait_for_state(&mut subscriber, "eyewitness/garage/status", "stopped").await;
    assert_eq!(seqs_of(&subscriber), (1..=50).collect::<Vec<_>>());
    // The good-bye was one: a new subscriber, whose connection comes after it, finds no will.
    let mut late = Subscriber::start(broker.port()).await;
    wait_for_state(&mut late, "eyewitness/garage/status", "stopped").await;
}

#[tokio::test]
async fn an_outage_loses_nothing() {
    let mut broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    daemon.append(1..=10).await;
    wait_for_events(&mut subscriber, 10).await;

    broker.stop();
    let reason = daemon.failed().await;
    assert!(["is shutting down", "nothing listens", "was lost"].iter().any(|r| reason.contains(r)), "{reason}");
    daemon.append(11..=60).await;
    assert_eq!(daemon.outbox.stats().rows, 50);
    broker.restart();
    daemon.connected().await;
    daemon.append([61]).await;
    daemon.delivered().await;
    subscriber
        .wait_for("the last event", SOON, |all| all.iter().any(|m| m.topic.ends_with("/event") && m.json["seq"] == 61))
        .await;
    // mosquitto may say some of the first ten again, which the subscriber had not acknowledged to it.
    let mut events = subscriber.on("eyewitness/garage/door/event");
    let mut seen = std::collections::BTreeSet::new();
    events.retain(|event| seen.insert(event["seq"].as_u64().unwrap()));
    assert!(events.iter().map(|event| event["seq"].as_u64().unwrap()).eq(1..=61));
    assert!(events[10..60].iter().all(|event| event["replayed"] == true));
    assert_eq!(events[60]["replayed"], false);
    assert_eq!(daemon.outbox.stats().acked_total, 61);
    wait_for_state(&mut subscriber, "eyewitness/garage/status", "online").await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_frozen_broker_is_noticed_and_nothing_is_lost() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    broker.freeze();
    daemon.append(1..=100).await;
    let reason = daemon.failed().await;
    broker.thaw();
    // Two watches notice it after two keep-alives each, and either may be first: pings and acknowledgements that do not come.
    let words = ["has not answered for 5 s", "has acknowledged nothing for 10 s"];
    let broker_is = format!("the broker at `127.0.0.1:{}` ", broker.port());
    assert!(words.iter().any(|words| reason == format!("{broker_is}{words}")), "{reason}");
    daemon.connected().await;
    subscriber
        .wait_for("all events", SOON, |all| {
            (1..=100).all(|seq| all.iter().any(|m| m.topic.ends_with("/event") && m.json["seq"] == seq))
        })
        .await;
    // At least once: what was on its way may come twice, but in order each time.
    let mut seen = seqs_of(&subscriber);
    assert!(seen.len() <= 100 + 32, "{} events", seen.len());
    seen.reverse();
    seen.truncate(100);
    seen.reverse();
    assert!(seen.is_sorted(), "{seen:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn one_message_at_a_time_is_enough() {
    let broker = Mosquitto::start(&Options { extra: "max_inflight_messages 1\n".into(), ..Options::default() });
    let mut subscriber = Subscriber::start(broker.port()).await;
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    daemon.append(1..=20).await;
    wait_for_events(&mut subscriber, 20).await;
    assert_eq!(seqs_of(&subscriber), (1..=20).collect::<Vec<_>>());
    daemon.stop().await;
}

#[tokio::test]
async fn watching_shows_events_and_states() {
    let broker = Mosquitto::open();
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    let cancel = CancellationToken::new();
    let (sender, mut topics) = watch::channel(Vec::<String>::new());
    let watching = tokio::spawn(mqtt::watch(
        settings(broker.port()),
        move |topic, payload| {
            assert!(serde_json::from_slice::<serde_json::Value>(payload).is_ok());
            sender.send_modify(|topics| topics.push(topic.to_owned()));
        },
        cancel.clone(),
    ));
    timeout(SOON, topics.wait_for(|seen| seen.iter().any(|t| t == "eyewitness/garage/status"))).await.unwrap().unwrap();
    daemon.append([1]).await;
    timeout(SOON, topics.wait_for(|seen| seen.iter().any(|t| t == "eyewitness/garage/door/event")))
        .await
        .unwrap()
        .unwrap();
    assert!(topics.borrow().iter().any(|t| t == "eyewitness/garage/door/status"));
    cancel.cancel();
    timeout(SOON, watching).await.unwrap().unwrap();
    daemon.stop().await;
}
