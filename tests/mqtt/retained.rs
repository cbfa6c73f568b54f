//! What brokers keep: said again on every connect, only ever the newest, and taken back when it is over.

use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::event::Kind;
use eyewitness::health::{CameraHealth, CameraState};
use eyewitness::ids::{CameraId, RuleId};
use eyewitness::mqtt::{Cameras, Settings};
use eyewitness::rules::{RuleNow, RuleStates, State};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, MqttOptions};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::support::mosquitto::Mosquitto;
use crate::support::subscriber::{Message, Subscriber};
use crate::{Daemon, SOON, event, settings, wait_for_state};

const STATUS: &str = "eyewitness/garage/status";
const DESCRIPTION: &str = "eyewitness/garage/door/description";

pub(crate) fn cameras(ids: &[&str]) -> (Vec<watch::Sender<CameraHealth>>, Cameras) {
    let starting = || CameraHealth::starting(Clock::system().now().wall);
    let (senders, receivers): (Vec<_>, Vec<_>) = ids
        .iter()
        .map(|id| (CameraId::new(id).unwrap(), watch::channel(starting())))
        .map(|(id, (sender, health))| (sender, (id, health)))
        .unzip();
    (senders, receivers.into())
}

/// A rule, its state and its p.
type Stand<'a> = (&'a str, State, f32);

/// Rules as they stand, of each camera.
pub(crate) fn rules(of: &[(&str, &[Stand<'_>])]) -> RuleStates {
    let at = "2026-11-23T09:14:03.9Z".parse().unwrap();
    let rule = |&(id, state, p): &(&str, State, f32)| RuleNow {
        id: RuleId::new(id).unwrap(),
        ask: format!("Is there a {id}?").into(),
        alert: false,
        state,
        p: Some(p),
        at,
    };
    Arc::new(
        of.iter().map(|(camera, rules)| (CameraId::new(camera).unwrap(), rules.iter().map(rule).collect())).collect(),
    )
}

/// The topics that the broker keeps something on, as a newcomer is told.
pub(crate) async fn kept(broker: &Mosquitto) -> Vec<String> {
    let newcomer = Subscriber::start(broker.port()).await;
    // Retained messages come right behind the SUBACK.
    sleep(Duration::from_millis(300)).await;
    let mut topics: Vec<_> = newcomer.messages().into_iter().filter(|m| m.retained).map(|m| m.topic).collect();
    topics.sort();
    topics
}

/// Somebody else at the broker.
pub(crate) fn stranger(port: u16) -> AsyncClient {
    let name = format!("stranger-{}", fastrand::u64(..));
    let (client, mut events) = AsyncClient::new(MqttOptions::new(name, "127.0.0.1", port), 10);
    tokio::spawn(async move { while events.poll().await.is_ok() {} });
    client
}

/// Waits until the broker keeps exactly this below our prefix.
pub(crate) async fn until_kept(broker: &Mosquitto, wanted: &[&str]) {
    let mut wanted: Vec<_> = wanted.iter().map(|topic| format!("eyewitness/garage/{topic}")).collect();
    wanted.sort();
    let mut seen = kept(broker).await;
    for _ in 0..20 {
        if seen == wanted {
            return;
        }
        seen = kept(broker).await;
    }
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn a_replay_retains_only_the_newest_words() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let outbox = Arc::new(eyewitness::outbox::Outbox::new(&Default::default(), Clock::system()));
    for seq in 1..=50 {
        outbox.append(event("door", seq, Kind::Update)).await.kept().await;
    }
    let daemon = Daemon::with_outbox(settings(broker.port()), outbox);
    daemon.delivered().await;
    daemon.append([51]).await;
    subscriber
        .wait_for("the newest words", SOON, |all| {
            all.iter().any(|m| m.topic == DESCRIPTION && m.json["text"] == "Sentence 51.")
        })
        .await;
    let said: Vec<_> = subscriber.on(DESCRIPTION).iter().map(|json| json["text"].clone()).collect();
    assert_eq!(said, ["Sentence 50.", "Sentence 51."]);
    assert_eq!(subscriber.on("eyewitness/garage/door/event").len(), 51);
    daemon.stop().await;
}

#[tokio::test]
async fn rules_are_said_as_they_stand_and_taken_back() {
    let mut broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let start = rules(&[("door", &[("cat", State::Unsure, 0.5), ("parcel", State::Off, 0.1)])]);
    let mut daemon = Daemon::with_rules(settings(broker.port()), start);
    let (cat, parcel) = ("eyewitness/garage/door/rule/cat", "eyewitness/garage/door/rule/parcel");
    wait_for_state(&mut subscriber, cat, "UNSURE").await;
    wait_for_state(&mut subscriber, parcel, "OFF").await;
    // Of many changes at once the last one counts; what has not changed is not said again.
    for (p, state) in [(0.7, State::Unsure), (0.8, State::Unsure), (0.9, State::On)] {
        daemon.rules.send_replace(rules(&[("door", &[("cat", state, p), ("parcel", State::Off, 0.1)])]));
    }
    wait_for_state(&mut subscriber, cat, "ON").await;
    assert_eq!(subscriber.on(cat).last().unwrap()["p"], 0.9);
    assert!(subscriber.on(cat).len() <= 4);
    assert_eq!(subscriber.on(parcel).len(), 1);
    // An event's answers are in the event alone.
    daemon.append([1]).await;
    daemon.delivered().await;
    assert_eq!((subscriber.on(cat).last().unwrap()["state"].as_str(), subscriber.on(parcel).len()), (Some("ON"), 1));

    // A camera that is turned off keeps them, whoever is silent about it.
    let now = Clock::system().now().wall;
    let off = CameraHealth { state: CameraState::Disabled, ..CameraHealth::starting(now) };
    daemon.door.send_replace(off);
    wait_for_state(&mut subscriber, "eyewitness/garage/door/status", "disabled").await;
    daemon.rules.send_replace(RuleStates::default());
    let all = ["status", "door/status", "door/description", "door/enabled/state", "door/rule/cat", "door/rule/parcel"];
    until_kept(&broker, &all).await;
    // One rule less.
    daemon.door.send_replace(CameraHealth::starting(now));
    daemon.rules.send_replace(rules(&[("door", &[("cat", State::Off, 0.2)])]));
    until_kept(&broker, &all[..5]).await;

    // Said again to a broker that comes back; and gone with the camera.
    drop(subscriber);
    broker.kill();
    daemon.failed().await;
    broker.restart();
    daemon.connected().await;
    let mut subscriber = Subscriber::start(broker.port()).await;
    wait_for_state(&mut subscriber, cat, "OFF").await;
    let (_senders, list) = cameras(&["yard"]);
    daemon.cameras.send_replace(list);
    until_kept(&broker, &["status", "yard/status", "yard/enabled/state"]).await;
    daemon.stop().await;
}

#[tokio::test]
async fn everything_is_said_again_to_a_broker_that_has_forgotten_it() {
    let mut broker = Mosquitto::start(&crate::Options { extra: "persistence false\n".into(), ..Default::default() });
    let mut daemon = Daemon::with_rules(settings(broker.port()), rules(&[("door", &[("parcel", State::Off, 0.1)])]));
    daemon.connected().await;
    daemon.append([1]).await;
    daemon.delivered().await;
    broker.kill();
    daemon.failed().await;
    broker.restart();
    daemon.connected().await;
    let mut subscriber = Subscriber::start(broker.port()).await;
    let about =
        ["status", "enabled/state", "description", "rule/parcel"].map(|it| format!("eyewitness/garage/door/{it}"));
    subscriber
        .wait_for("all that is retained", SOON, |all| {
            let said = |topic: &str| all.iter().any(|m| m.topic == topic);
            said(STATUS) && about.iter().all(|topic| said(topic))
        })
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
    daemon.rules.send_replace(rules(&[("yard", &[("cat", State::On, 0.9), ("dog", State::Off, 0.1)])]));
    daemon.outbox.append(event("yard", 1, Kind::Update)).await.kept().await;
    daemon.append([1]).await;
    daemon.delivered().await;
    let base = ["status", "door/description", "door/enabled/state", "door/status"];
    let yard = ["yard/description", "yard/enabled/state", "yard/status", "yard/rule/cat", "yard/rule/dog"];
    until_kept(&broker, &[&base[..], &yard[..]].concat()).await;

    // A rule less.
    daemon.rules.send_replace(rules(&[("yard", &[("cat", State::On, 0.9)])]));
    until_kept(&broker, &[&base[..], &yard[..4]].concat()).await;

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
    until_kept(&broker, &[&["status"], &yard[..4]].concat()).await;
    daemon.stop().await;
}

#[tokio::test]
async fn what_an_earlier_run_kept_about_others_is_taken_back() {
    let broker = Mosquitto::open();
    let stranger = stranger(broker.port());
    let keep = async |topic: &str, payload: &[u8]| {
        stranger.publish(format!("eyewitness/{topic}"), QoS::AtLeastOnce, true, payload.to_owned()).await.unwrap();
    };
    let status = br#"{"state":"online","since":"2026-11-23T09:14:03.900Z","reason":"streaming"}"#;
    keep("garage/old/status", status).await;
    keep("garage/old/description", br#"{"text":"A man.","at":"x","confidence":0.5,"event":"x"}"#).await;
    keep("garage/old/rule/cat", br#"{"state":"ON","p":0.9,"at":"x"}"#).await;
    keep("garage/old/enabled/state", b"ON").await;
    // Larger than what we let a broker send us: it goes with the status. The other is seen.
    let jpeg = |bytes: usize| [&[0xff, 0xd8, 0xff, 0xe0][..], &vec![7; bytes]].concat();
    keep("garage/old/snapshot", &jpeg(400_000)).await;
    keep("garage/older/snapshot", &jpeg(1000)).await;
    // A rule of a camera that there is.
    keep("garage/door/rule/gone", br#"{"state":"UNSURE","p":null,"at":"x"}"#).await;
    // Not ours, by its place or by its form.
    let others = ["garage/old/enabled/set", "garage2/old/status", "garage/other/status", "garage/other/snapshot"];
    keep(others[0], b"ON").await;
    keep(others[1], br#"{"state":"online","since":"x","reason":"x"}"#).await;
    keep(others[2], br#"{"state":"online","version":"1","session":"x","since":"x"}"#).await;
    keep(others[3], b"PNG").await;
    let mut subscriber = Subscriber::start(broker.port()).await;
    subscriber.wait_for("all of it", SOON, |all| all.len() == 11).await;
    let pictures = Settings { snapshots: Some(Default::default()), ..settings(broker.port()) };
    let known = rules(&[("door", &[("parcel", State::Off, 0.1)])]);
    let mut daemon = Daemon::with_rules(pictures, known);
    daemon.connected().await;
    let own = ["status", "door/status", "door/enabled/state", "door/rule/parcel"].map(|it| format!("garage/{it}"));
    let mut wanted: Vec<_> =
        own.into_iter().chain(others.map(str::to_owned)).map(|it| format!("eyewitness/{it}")).collect();
    wanted.sort();
    let mut seen = kept(&broker).await;
    for _ in 0..20 {
        if seen != wanted {
            seen = kept(&broker).await;
        }
    }
    assert_eq!(seen, wanted);
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
