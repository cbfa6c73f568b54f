//! Delivery against a real mosquitto, and against peers that behave badly.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::event::{Cause, Event, Kind, Schema, Source};
use eyewitness::health::{CameraHealth, CameraState};
use eyewitness::ids::{CameraId, EventId, NodeId};
use eyewitness::mqtt::{self, ClientCertificate, Connection, ConnectionState, Inputs, Settings, Tls};
use eyewitness::outbox::{self, Outbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use support::mosquitto::{Mosquitto, Options, ServerTls, free_port};
use support::subscriber::Subscriber;

/// For anything that should happen at once, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn settings(port: u16) -> Settings {
    Settings {
        node: NodeId::new("garage").unwrap(),
        host: "127.0.0.1".into(),
        port,
        tls: None,
        username: None,
        password: None,
        prefix: "eyewitness".into(),
        keep_alive: Duration::from_secs(5),
    }
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
        checked: [].into(),
        timing_ms: None,
        replayed: false,
    }
}

/// What the pipeline will do: an outbox, one camera `door`, and the task that delivers.
struct Daemon {
    outbox: Arc<Outbox>,
    door: watch::Sender<CameraHealth>,
    connection: watch::Receiver<Connection>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Daemon {
    fn start(settings: Settings) -> Self {
        let clock = Clock::system();
        let outbox = Arc::new(Outbox::new(&outbox::Settings::default(), clock));
        let (door, health) = watch::channel(CameraHealth::starting(clock.now().wall));
        let (connection, seen) = watch::channel(Connection::starting(clock.now().wall));
        let inputs = Inputs {
            version: "0.0.0-test",
            outbox: outbox.clone(),
            cameras: vec![(CameraId::new("door").unwrap(), health)],
            connection,
            stats: Arc::new(|| serde_json::json!({"frames": 1})),
            clock,
        };
        let cancel = CancellationToken::new();
        let task = tokio::spawn(mqtt::run(settings, inputs, cancel.clone()));
        Self { outbox, door, connection: seen, cancel, task }
    }

    async fn append(&self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            let appended = self.outbox.append(event("door", seq, Kind::Update));
            timeout(Duration::from_secs(1), appended).await.expect("appending waits for no broker");
        }
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
    daemon.outbox.append(event("door", 100, Kind::End)).await;
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
    assert!(
        ["the broker is shutting down", "nothing listens", "was lost"].iter().any(|r| reason.contains(r)),
        "{reason}"
    );
    daemon.append(11..=60).await;
    assert_eq!(daemon.outbox.stats().rows, 50);
    broker.restart();
    daemon.connected().await;
    wait_for_events(&mut subscriber, 60).await;
    assert_eq!(seqs_of(&subscriber), (1..=60).collect::<Vec<_>>());
    let events = subscriber.on("eyewitness/garage/door/event");
    assert!(events[10..].iter().all(|event| event["replayed"] == true));
    daemon.append([61]).await;
    wait_for_events(&mut subscriber, 61).await;
    assert_eq!(subscriber.on("eyewitness/garage/door/event")[60]["replayed"], false);
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
    assert_eq!(reason, format!("the broker at `127.0.0.1:{}` has not answered for 5 s", broker.port()));
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
async fn a_broker_that_never_answers_blocks_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut daemon = Daemon::start(settings(port));
    let (held, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    daemon.append(1..=1000).await;
    let reason = daemon.failed().await;
    drop(held);
    assert!(reason.starts_with(&format!("`127.0.0.1:{port}` did not answer within 10 s")), "{reason}");
    // It comes again after the wait.
    timeout(SOON, listener.accept()).await.unwrap().unwrap();
    assert_eq!(daemon.outbox.stats().rows, 1000);
    daemon.stop().await;
}

#[tokio::test]
async fn nothing_listens() {
    let port = free_port();
    let mut daemon = Daemon::start(settings(port));
    let reason = daemon.failed().await;
    assert_eq!(reason, format!("nothing listens at `127.0.0.1:{port}`: is the broker running, and is the port right?"));
    daemon.until(|connection| connection.failures >= 2).await;
    daemon.stop().await;
    let reason = mqtt::probe(&settings(port), SOON).await.unwrap_err();
    assert!(reason.to_string().starts_with("nothing listens at"));
}

#[tokio::test]
async fn a_wrong_password_is_said() {
    let broker = Mosquitto::start(&Options { users: vec![("eve", "right")], ..Options::default() });
    let with = |username: Option<&str>, password: &str| Settings {
        username: username.map(str::to_owned),
        password: Some(password.into()),
        ..settings(broker.port())
    };
    let mut daemon = Daemon::start(with(Some("eve"), "wrong"));
    let reason = daemon.failed().await;
    assert!(reason.contains("does not accept this user name and password"), "{reason}");
    daemon.stop().await;
    let reason = mqtt::probe(&with(None, ""), SOON).await.unwrap_err().to_string();
    assert!(reason.contains("does not accept a client without a user name"), "{reason}");
    let answer = mqtt::probe(&with(Some("eve"), "right"), SOON).await.unwrap();
    assert_eq!(answer, format!("the broker at `127.0.0.1:{}` answered (MQTT 5, without TLS)", broker.port()));
}

#[tokio::test]
async fn a_broker_of_mqtt_3_is_told() {
    // "Unacceptable protocol version" and the end, and the end alone: what such brokers do.
    for answer in [&[0x20, 0x02, 0x00, 0x01][..], &[]] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let peer = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut connect = [0; 512];
            assert!(socket.read(&mut connect).await.unwrap() > 0);
            socket.write_all(answer).await.unwrap();
        });
        let mut daemon = Daemon::start(settings(port));
        let reason = daemon.failed().await;
        assert!(reason.contains("speaks only MQTT 3.1.1") && reason.contains("mosquitto 1.6 or newer"), "{reason}");
        peer.await.unwrap();
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_refused_event_does_not_hold_up_the_others() {
    let acl = "topic readwrite eyewitness/garage/door/#\ntopic readwrite eyewitness/garage/status\ntopic read #\n";
    let broker = Mosquitto::start(&Options { acl: Some(acl.into()), ..Options::default() });
    let mut subscriber = Subscriber::start(broker.port()).await;
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    daemon.outbox.append(event("forbidden", 1, Kind::Start)).await;
    daemon.append(1..=5).await;
    wait_for_events(&mut subscriber, 5).await;
    let outbox = daemon.outbox.clone();
    daemon.stop().await;
    // Three refusals, a second apart, fit into the time before the stop and the flush; if not, the row still waits.
    let stats = outbox.stats();
    assert_eq!((stats.acked_total, stats.refused_total + stats.rows), (5, 1), "{stats:?}");
    assert_eq!(seqs_of(&subscriber), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_event_too_large_for_the_broker_is_set_aside() {
    for limit in ["message_size_limit 2000\n", "max_packet_size 2000\n"] {
        let broker = Mosquitto::start(&Options { extra: limit.into(), ..Options::default() });
        let mut subscriber = Subscriber::start(broker.port()).await;
        let mut daemon = Daemon::start(settings(broker.port()));
        daemon.connected().await;
        let mut large = event("door", 1, Kind::Start);
        large.reason = Some("x".repeat(4000));
        daemon.outbox.append(large).await;
        daemon.append(2..=4).await;
        subscriber
            .wait_for("the events behind it", SOON, |all| {
                (2..=4).all(|seq| all.iter().any(|m| m.topic.ends_with("/event") && m.json["seq"] == seq))
            })
            .await;
        let outbox = daemon.outbox.clone();
        daemon.stop().await;
        let stats = outbox.stats();
        assert_eq!((stats.rows, stats.refused_total), (0, 1), "{limit}: {stats:?}");
    }
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
async fn two_daemons_of_one_name_are_told() {
    let broker = Mosquitto::open();
    let mut one = Daemon::start(settings(broker.port()));
    one.connected().await;
    let mut other = Daemon::start(settings(broker.port()));
    other.connected().await;
    let reason = one.failed().await;
    assert!(reason.contains("is `node` the same on two machines?"), "{reason}");
    one.task.abort();
    other.task.abort();
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

/// An authority, a broker's certificate for `localhost` and 127.0.0.1, and a client's.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new(broker_names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test authority");
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        let issuer = rcgen::Issuer::new(params, key);
        for (file, names) in [("broker", broker_names), ("client", &["eyewitness"][..])] {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new(names).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, file);
            let certificate = params.signed_by(&key, &issuer).unwrap();
            fs::write(folder.path().join(format!("{file}.pem")), certificate.pem()).unwrap();
            fs::write(folder.path().join(format!("{file}.key")), key.serialize_pem()).unwrap();
        }
        Self { folder }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn broker(&self, require_client_certificate: bool) -> Mosquitto {
        let tls = ServerTls {
            ca: self.path("ca.pem"),
            cert: self.path("broker.pem"),
            key: self.path("broker.key"),
            require_client_certificate,
        };
        Mosquitto::start(&Options { tls: Some(tls), ..Options::default() })
    }

    fn settings(&self, port: u16) -> Settings {
        with_tls(port, &self.path("ca.pem"))
    }
}

fn with_tls(port: u16, ca: &Path) -> Settings {
    Settings { tls: Some(Tls { ca_file: Some(ca.to_owned()), client: None, verify: true }), ..settings(port) }
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own() {
    let certificates = Certificates::new(&["localhost", "127.0.0.1"]);
    let broker = certificates.broker(false);
    let mut daemon = Daemon::start(certificates.settings(broker.port()));
    daemon.connected().await;
    daemon.append(1..=20).await;
    let outbox = daemon.outbox.clone();
    daemon.stop().await;
    assert_eq!((outbox.stats().rows, outbox.stats().acked_total), (0, 20));
    let by_name = Settings { host: "localhost".into(), ..certificates.settings(broker.port()) };
    let answer = mqtt::probe(&by_name, SOON).await.unwrap();
    assert!(answer.ends_with("answered (MQTT 5, with TLS)"), "{answer}");
}

#[tokio::test]
async fn what_tls_refuses_is_said() {
    let certificates = Certificates::new(&["broker.example"]);
    let broker = certificates.broker(false);
    let probe = async |settings: &Settings| mqtt::probe(settings, SOON).await.map_err(|reason| reason.to_string());

    let reason = probe(&certificates.settings(broker.port())).await.unwrap_err();
    assert!(reason.starts_with("the certificate is for `broker.example`, not for `127.0.0.1`"), "{reason}");

    let other = Certificates::new(&["127.0.0.1"]);
    let reason = probe(&other.settings(broker.port())).await.unwrap_err();
    assert!(reason.contains("is signed by an authority that"), "{reason}");

    let mut unverified = certificates.settings(broker.port());
    unverified.tls.as_mut().unwrap().verify = false;
    let answer = probe(&unverified).await.unwrap();
    assert!(answer.contains("not verified"), "{answer}");

    // Plain on the TLS port, TLS on the plain port.
    let reason = probe(&settings(broker.port())).await.unwrap_err();
    assert!(reason.contains("the port expects TLS: then write `mqtts://`"), "{reason}");
    let plain = Mosquitto::open();
    let reason = probe(&certificates.settings(plain.port())).await.unwrap_err();
    assert!(reason.contains("does not speak TLS"), "{reason}");
}

#[tokio::test]
async fn mutual_tls() {
    let certificates = Certificates::new(&["127.0.0.1"]);
    let broker = certificates.broker(true);
    let mut settings = certificates.settings(broker.port());
    let reason = mqtt::probe(&settings, SOON).await.unwrap_err().to_string();
    assert!(reason.contains("wants a client certificate"), "{reason}");
    settings.tls.as_mut().unwrap().client = Some(ClientCertificate {
        cert_file: certificates.path("client.pem"),
        key_file: certificates.path("client.key"),
    });
    mqtt::probe(&settings, SOON).await.unwrap();
}
