//! What Home Assistant is told, when, and what is taken back.

use eyewitness::mqtt::{HomeAssistant, Settings};
use eyewitness::rules::State;
use rumqttc::v5::mqttbytes::QoS;
use serde_json::Value;

use crate::retained::{cameras, kept, rules, stranger};
use crate::support::mosquitto::Mosquitto;
use crate::support::subscriber::{Message, Subscriber};
use crate::{Daemon, SOON, settings};

const NODE: &str = "homeassistant/device/eyewitness_garage/config";
const DOOR: &str = "homeassistant/device/eyewitness_garage_door/config";
const YARD: &str = "homeassistant/device/eyewitness_garage_yard/config";

fn announcing(port: u16) -> Settings {
    let home_assistant = HomeAssistant { announce: true, ..HomeAssistant::default() };
    Settings { home_assistant, ..settings(port) }
}

fn last<'a>(all: &'a [Message], topic: &str) -> Option<&'a Value> {
    all.iter().rfind(|m| m.topic == topic).map(|m| &m.json)
}

async fn wait_for(subscriber: &mut Subscriber, what: &str, topic: &str, wanted: impl Fn(&Value) -> bool) {
    subscriber.wait_for(what, SOON, |all| last(all, topic).is_some_and(&wanted)).await;
}

fn has(payload: &Value, component: &str) -> bool {
    payload["components"][component]["unique_id"].is_string()
}

#[tokio::test]
async fn cameras_and_rules_come_and_go() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let one = [("cat", State::Unsure, 0.5)];
    let two = [("cat", State::Unsure, 0.5), ("dog", State::Unsure, 0.5)];
    let mut daemon = Daemon::with_rules(announcing(broker.port()), rules(&[("door", &two)]));
    daemon.connected().await;
    wait_for(&mut subscriber, "the door", DOOR, |said| has(said, "rule_cat") && has(said, "rule_dog")).await;
    wait_for(&mut subscriber, "the node", NODE, |said| said["device"]["name"] == "Eyewitness garage").await;
    // Another state is no other device.
    daemon.rules.send_replace(rules(&[("door", &[("cat", State::On, 0.9), ("dog", State::Off, 0.1)])]));
    crate::wait_for_state(&mut subscriber, "eyewitness/garage/door/rule/cat", "ON").await;
    assert_eq!(subscriber.on(DOOR).len(), 1);
    // A rule less: it is taken away by name.
    daemon.rules.send_replace(rules(&[("door", &one)]));
    wait_for(&mut subscriber, "one rule less", DOOR, |said| has(said, "rule_cat") && !has(said, "rule_dog")).await;
    assert_eq!(last(&subscriber.messages(), DOOR).unwrap()["components"]["rule_dog"]["platform"], "binary_sensor");
    // A camera more, and one less.
    let (_senders, list) = cameras(&["door", "yard"]);
    daemon.cameras.send_replace(list);
    wait_for(&mut subscriber, "the yard", YARD, |said| has(said, "event")).await;
    let (_senders, list) = cameras(&["yard"]);
    daemon.cameras.send_replace(list);
    wait_for(&mut subscriber, "no door", DOOR, Value::is_null).await;
    let all = kept(&broker).await;
    assert!(all.contains(&YARD.to_owned()) && all.contains(&NODE.to_owned()) && !all.contains(&DOOR.to_owned()));
    daemon.stop().await;
    assert!(kept(&broker).await.contains(&YARD.to_owned()), "a stop takes nothing back");
}

#[tokio::test]
async fn it_is_said_again_when_home_assistant_starts_and_on_each_connect() {
    let mut broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let stranger = stranger(broker.port());
    // What it said before we came is nothing new.
    stranger.publish("homeassistant/status", QoS::AtLeastOnce, true, "online").await.unwrap();
    let mut daemon = Daemon::start(announcing(broker.port()));
    let times = |count: usize| move |all: &Vec<Message>| all.iter().filter(|m| m.topic == DOOR).count() == count;
    subscriber.wait_for("once", SOON, times(1)).await;
    for word in ["offline", "x", "online"] {
        stranger.publish("homeassistant/status", QoS::AtLeastOnce, true, word).await.unwrap();
    }
    subscriber.wait_for("twice", SOON, times(2)).await;
    drop(subscriber);
    broker.kill();
    daemon.failed().await;
    broker.forget();
    broker.restart();
    let mut subscriber = Subscriber::start(broker.port()).await;
    daemon.connected().await;
    subscriber.wait_for("on connect", SOON, times(1)).await;
    daemon.stop().await;
}

#[tokio::test]
async fn what_an_earlier_run_announced_is_taken_back() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    // An earlier run with two cameras and two rules.
    let start = rules(&[("door", &[("cat", State::On, 0.9), ("dog", State::On, 0.9)])]);
    let mut daemon = Daemon::with_rules(announcing(broker.port()), start);
    let (_senders, list) = cameras(&["door", "yard"]);
    daemon.cameras.send_replace(list);
    daemon.connected().await;
    wait_for(&mut subscriber, "the yard", YARD, |said| has(said, "event")).await;
    daemon.stop().await;
    // Devices of others.
    let stranger = stranger(broker.port());
    let others = ["homeassistant/device/lamp/config", "homeassistant/device/eyewitness_garage_pond/config"];
    for topic in others {
        let lamp = r#"{"device":{"identifiers":["lamp"]},"origin":{"name":"lamps"},"components":{}}"#;
        stranger.publish(topic, QoS::AtLeastOnce, true, lamp).await.unwrap();
    }
    // The next run has neither the yard nor the dog.
    let mut daemon = Daemon::with_rules(announcing(broker.port()), rules(&[("door", &[("cat", State::On, 0.9)])]));
    daemon.connected().await;
    wait_for(&mut subscriber, "no yard", YARD, Value::is_null).await;
    wait_for(&mut subscriber, "no dog", DOOR, |said| has(said, "rule_cat") && !has(said, "rule_dog")).await;
    assert_eq!(last(&subscriber.messages(), DOOR).unwrap()["components"]["rule_dog"]["platform"], "binary_sensor");
    daemon.stop().await;
    // And one that announces nothing takes back everything of its own.
    let mut daemon = Daemon::start(settings(broker.port()));
    daemon.connected().await;
    wait_for(&mut subscriber, "no door", DOOR, Value::is_null).await;
    wait_for(&mut subscriber, "no node", NODE, Value::is_null).await;
    let mut all = kept(&broker).await;
    all.retain(|topic| topic.starts_with("homeassistant/"));
    let mut wanted = others.map(str::to_owned);
    wanted.sort();
    assert_eq!(all, wanted);
    daemon.stop().await;
}

#[tokio::test]
async fn nothing_of_somebody_else_is_written_over() {
    let broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let stranger = stranger(broker.port());
    let lamp = r#"{"device":{"identifiers":["lamp"]},"origin":{"name":"lamps"},"components":{}}"#;
    stranger.publish(DOOR, QoS::AtLeastOnce, true, lamp).await.unwrap();
    wait_for(&mut subscriber, "the lamp", DOOR, |said| said["origin"]["name"] == "lamps").await;
    let mut daemon = Daemon::start(announcing(broker.port()));
    daemon.connected().await;
    wait_for(&mut subscriber, "the node", NODE, |said| said["device"]["name"] == "Eyewitness garage").await;
    assert_eq!(subscriber.on(DOOR).len(), 1, "the lamp alone");
    // It is taken away: the place is free.
    stranger.publish(DOOR, QoS::AtLeastOnce, true, "").await.unwrap();
    wait_for(&mut subscriber, "the door", DOOR, |said| has(said, "event")).await;
    daemon.stop().await;
}
