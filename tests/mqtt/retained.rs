//! What brokers keep: said again on every connect, only ever the newest, and taken back when it is over.

use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::event::{Kind, RuleAnswer, YesNo};
use eyewitness::health::CameraHealth;
use eyewitness::ids::{CameraId, RuleId};
use eyewitness::mqtt::Cameras;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, MqttOptions};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::support::mosquitto::Mosquitto;
use crate::support::subscriber::{Message, Subscriber};
use crate::{Daemon, SOON, event, settings, wait_for_state};

const STATUS: &str = "eyewitness/garage/status";
const DESCRIPTION: &str = "eyewitness/garage/door/description";

fn cameras(ids: &[&str]) -> (Vec<watch::Sender<CameraHealth>>, Cameras) {
    let starting = || CameraHealth::starting(Clock::system().now().wall);
    let (senders, receivers): (Vec<_>, Vec<_>) = ids
        .iter()
        .map(|id| (CameraId::new(id).unwrap(), watch::channel(starting())))
        .map(|(id, (sender, health))| (sender, (id, health)))
        .unzip();
    (senders, receivers.into())
}

/// An event with one answer to each of these rules.
fn with_rules(camera: &str, seq: u64, rules: &[(&str, YesNo, f32)]) -> eyewitness::event::Event {
    let mut event = event(camera, seq, Kind::Update);
    event.rules = rules.iter().map(|&(id, answer, p)| (RuleId::new(id).unwrap(), RuleAnswer { answer, p })).collect();
    event
}

/// The topics that the broker keeps something on, as a newcomer is told.
async fn kept(broker: &Mosquitto) -> Vec<String> {
    let newcomer = Subscriber::start(broker.port()).await;
    // Retained messages come right behind the SUBACK.
    sleep(Duration::from_millis(300)).await;
    let mut topics: Vec<_> = newcomer.messages().into_iter().filter(|m| m.retained).map(|m| m.topic).collect();
    topics.sort();
    topics
}

/// Somebody else at the broker.
fn stranger(port: u16) -> AsyncClient {
    let (client, mut events) = AsyncClient::new(MqttOptions::new("stranger", "127.0.0.1", port), 10);
    tokio::spawn(async move { while events.poll().await.is_ok() {} });
    client
}

#[tokio::test]
async fn a_replay_retains_only_the_newest_words() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let outbox = Arc::new(eyewitness::outbox::Outbox::new(&Default::default(), Clock::system()));
    for seq in 1..=50 {
        outbox.append(with_rules("door", seq, &[("parcel", YesNo::Yes, 0.9)])).await.kept().await;
    }
    let daemon = Daemon::with_outbox(settings(broker.port()), outbox);
    daemon.delivered().await;
    let rule = "eyewitness/garage/door/rule/parcel";
    daemon.outbox.append(with_rules("door", 51, &[("parcel", YesNo::Unsure, 0.5)])).await.kept().await;
    subscriber
        .wait_for("the newest state", SOON, |all| all.iter().any(|m| m.topic == rule && m.json["state"] == "UNSURE"))
        .await;
    let said = |topic, field| subscriber.on(topic).iter().map(|json| json[field].clone()).collect::<Vec<_>>();
    assert_eq!(said(DESCRIPTION, "text"), ["Sentence 50.", "Sentence 51."]);
    assert_eq!(said(rule, "state"), ["ON", "UNSURE"]);
    assert_eq!(said(rule, "p"), [0.9, 0.5]);
    assert_eq!(subscriber.on("eyewitness/garage/door/event").len(), 51);
    daemon.stop().await;
}

#[tokio::test]
async fn everything_is_said_again_to_a_broker_that_has_forgotten_it() {
    let mut broker = Mosquitto::start(&crate::Options { extra: "persistence false\n".into(), ..Default::default() });
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    daemon.outbox.append(with_rules("door", 1, &[("parcel", YesNo::No, 0.1)])).await.kept().await;
    daemon.delivered().await;
    broker.kill();
    daemon.failed().await;
    broker.restart();
    daemon.connected().await;
    let mut subscriber = Subscriber::start(broker.port()).await;
    let wanted = [STATUS, DESCRIPTION, "eyewitness/garage/door/status", "eyewitness/garage/door/rule/parcel"];
    subscriber
        .wait_for("all that is retained", SOON, |all| wanted.iter().all(|topic| all.iter().any(|m| m.topic == *topic)))
        .await;
    let outbox = daemon.outbox.clone();
    daemon.stop().await;

    // And by the next run, which knows the last words from the outbox.
    broker.kill();
    broker.restart();
    let daemon = Daemon::with_outbox(settings(broker.port()), outbox);
    let mut subscriber = Subscriber::start(broker.port()).await;
    subscriber
        .wait_for("the last words", SOON, |all| {
            all.iter().any(|m| m.topic == DESCRIPTION && m.json["text"] == "Sentence 1.")
        })
        .await;
    daemon.stop().await;
}

#[tokio::test]
async fn cameras_come_and_go_with_what_is_kept_about_them() {
    let mut broker = Mosquitto::open();
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    let (_senders, list) = cameras(&["door", "yard"]);
    daemon.cameras.send_replace(list);
    daemon
        .outbox
        .append(with_rules("yard", 1, &[("cat", YesNo::Yes, 0.9), ("dog", YesNo::No, 0.1)]))
        .await
        .kept()
        .await;
    daemon.append([1]).await;
    daemon.delivered().await;
    let base = ["door/description", "door/status", "status"];
    let full = [
        "door/description",
        "door/status",
        "status",
        "yard/description",
        "yard/rule/cat",
        "yard/rule/dog",
        "yard/status",
    ];
    let until_kept = async |broker: &Mosquitto, wanted: &[&str]| {
        let wanted: Vec<_> = wanted.iter().map(|topic| format!("eyewitness/garage/{topic}")).collect();
        let mut seen = kept(broker).await;
        for _ in 0..20 {
            if seen == wanted {
                return;
            }
            seen = kept(broker).await;
        }
        assert_eq!(seen, wanted);
    };
    until_kept(&broker, &full).await;

    // A rule that newer words do not know is over.
    daemon.outbox.append(with_rules("yard", 2, &[("cat", YesNo::Yes, 0.9)])).await.kept().await;
    until_kept(&broker, &full.into_iter().filter(|topic| !topic.ends_with("dog")).collect::<Vec<_>>()).await;

    // Gone while connected; an event of it that comes late is delivered, and retains nothing.
    let (_senders, list) = cameras(&["door"]);
    daemon.cameras.send_replace(list);
    until_kept(&broker, &base).await;
    daemon.outbox.append(event("yard", 3, Kind::Update)).await.kept().await;
    daemon.delivered().await;
    until_kept(&broker, &base).await;

    // It comes back while there is no broker, and another one goes.
    broker.stop();
    daemon.failed().await;
    let (_senders, list) = cameras(&["yard"]);
    daemon.cameras.send_replace(list);
    broker.restart();
    daemon.connected().await;
    until_kept(&broker, &["status", "yard/description", "yard/status"]).await;
    daemon.stop().await;
}

#[tokio::test]
async fn what_an_earlier_run_kept_about_others_is_taken_back() {
    let broker = Mosquitto::open();
    let stranger = stranger(broker.port());
    let keep = async |topic: &str, payload: &str| {
        stranger.publish(format!("eyewitness/{topic}"), QoS::AtLeastOnce, true, payload.to_owned()).await.unwrap();
    };
    keep("garage/old/status", r#"{"state":"online","since":"2026-11-23T09:14:03.900Z","reason":"streaming"}"#).await;
    keep("garage/old/description", r#"{"text":"A man.","at":"x","confidence":0.5,"event":"x"}"#).await;
    keep("garage/old/rule/cat", r#"{"state":"ON","p":0.9,"at":"x"}"#).await;
    // Not ours, by its place or by its form.
    let others = ["garage/old/enabled/state", "garage2/old/status", "garage/other/status"];
    keep(others[0], "ON").await;
    keep(others[1], r#"{"state":"online","since":"x","reason":"x"}"#).await;
    keep(others[2], r#"{"state":"online","version":"1","session":"x","since":"x"}"#).await;
    let mut subscriber = Subscriber::start(broker.port()).await;
    subscriber.wait_for("all six", SOON, |all| all.len() == 6).await;
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    let gone = |m: &Message| {
        m.topic.starts_with("eyewitness/garage/old/") && !m.topic.ends_with("/enabled/state") && m.json.is_null()
    };
    subscriber.wait_for("three are taken back", SOON, |all| all.iter().filter(|m| gone(m)).count() == 3).await;
    let kept = kept(&broker).await;
    for topic in others {
        assert!(kept.contains(&format!("eyewitness/{topic}")), "{topic}: {kept:?}");
    }
    assert_eq!(kept.len(), others.len() + 2, "{kept:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_will_that_comes_late_is_contradicted_and_a_fight_is_no_flood() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    wait_for_state(&mut subscriber, STATUS, "online").await;
    let stranger = stranger(broker.port());
    let late = r#"{"state":"offline","version":"1","session":"01JD0000000000000000000000","reason":"connection lost"}"#;
    for _ in 0..30 {
        stranger.publish(STATUS, QoS::AtLeastOnce, true, late).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    let online = |all: &[Message]| all.iter().filter(|m| m.topic == STATUS && m.json["state"] == "online").count();
    let during = online(&subscriber.messages());
    assert!((2..=3).contains(&during), "at the birth, and once in some seconds: {during}");
    // The last word is ours.
    wait_for_state(&mut subscriber, STATUS, "online").await;
    let own = &subscriber.on(STATUS)[0]["session"];
    assert_eq!(&subscriber.on(STATUS).last().unwrap()["session"], own);
    daemon.stop().await;
}
