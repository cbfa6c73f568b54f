//! Real traffic against what `eyewitness schema` prints: the program with the default model on a film, a real broker that dies and
//! comes back, a question, a switch. Every message must be in the document, and everything in the document must have been said.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "schema/document.rs"]
mod document;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rumqttc::v5::{AsyncClient, MqttOptions};
use serde_json::Value;

use document::Document;
use support::daemon::Daemon;
use support::mosquitto::Mosquitto;
use support::subscriber::{Message, Subscriber};

/// More than the film needs on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Width of the pictures that are asked for.
const WIDTH: u32 = 320;

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_said_is_in_the_document_and_all_of_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    support::scene::film(&film);
    let mut broker = Mosquitto::open();
    let mut ear = Subscriber::start(broker.port()).await;
    let config = config(folder.path(), broker.port(), &film);
    let mut daemon = Daemon::run(&config);

    // A visit, with all that follows from it.
    ear.wait_for("words", LONG, |seen| has(seen, "door/description")).await;
    ear.wait_for("a picture", LONG, |seen| has(seen, "door/snapshot")).await;
    ear.wait_for("a rule's state", LONG, |seen| any(seen, "door/rule/cat", |json| json["p"].is_number())).await;
    let speaker = speak(&broker).await;
    speaker.say("eyewitness/box/door/ask", "Is there a cat?", None).await;
    speaker.say("eyewitness/box/door/ask", r#"{"ask":"What is this?","max_tokens":8}"#, Some("door/answer/me")).await;
    for to in [None, Some("door/answer/me")] {
        speaker.say("eyewitness/box/door/ask", r#"{"ask":" "}"#, to).await;
    }
    speaker.say("eyewitness/box/yard/enabled/set", "OFF", None).await;
    speaker.say("homeassistant/status", "online", None).await;
    for topic in ["door/answer", "door/answer/me"] {
        ear.wait_for("an answer", LONG, |seen| any(seen, topic, |json| json["text"].is_string())).await;
        ear.wait_for("a refusal", LONG, |seen| any(seen, topic, |json| json["error"].is_string())).await;
    }
    ear.wait_for("the switch", LONG, |seen| {
        seen.iter().any(|m| m.topic.ends_with("yard/enabled/state") && m.payload == b"OFF")
    })
    .await;

    // The broker dies and comes back, all is said again; then the visit ends, and the program.
    broker.stop();
    broker.restart();
    ear.wait_for("another session", LONG, |seen| sessions(seen) > 1).await;
    ear.wait_for("the end", LONG, |seen| any(seen, "door/event", |json| json["type"] == "end")).await;
    let kept = retained(&broker).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended(Duration::from_secs(5)).await.code(), Some(0));
    ear.wait_for("a good-bye", LONG, |seen| any(seen, "box/status", |json| json["state"] == "stopped")).await;

    let document = Document::new(
        &printed("mqtt"),
        &[("prefix", "eyewitness"), ("node", "box"), ("home_assistant_prefix", "homeassistant")],
    );
    let said = ear.messages();
    let mut missing = document.kinds();
    for message in &said {
        missing.remove(&document.check(message).unwrap_or_else(|wrong| panic!("{}: {wrong}", shown(message))));
    }
    // Once a minute: `pipeline::delivery` holds it against the document.
    missing.remove(&("stats".to_owned(), "stats".to_owned()));
    assert!(missing.is_empty(), "never said: {missing:?}");
    check_kept(&document, &kept);
    check_events(&said);
    check_pictures(&said);
}

/// What the document says is retained, and nothing else, is what somebody finds who comes late.
fn check_kept(document: &Document, kept: &[Message]) {
    let found: BTreeSet<String> = kept.iter().map(|message| document.check(message).unwrap().0).collect();
    assert_eq!(found, document.retained());
}

/// The event's own schema takes them, too; and none that lacks something.
fn check_events(said: &[Message]) {
    let schema = document::closed(printed("event"));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let events: Vec<&Value> = on(said, "door/event").collect();
    assert!(events.len() > 1, "{events:?}");
    for event in events {
        let wrong: Vec<_> = validator.iter_errors(event).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{event}: {wrong:?}");
        for field in ["id", "seq", "type", "rules", "replayed"] {
            let mut less = event.clone();
            less.as_object_mut().unwrap().remove(field);
            assert!(!validator.is_valid(&less), "without {field}");
        }
    }
}

/// They are what was asked for, and belong to events.
fn check_pictures(said: &[Message]) {
    let names: BTreeSet<&str> = on(said, "door/event").filter_map(|event| event["snapshot"].as_str()).collect();
    for message in said.iter().filter(|message| message.topic.ends_with("/snapshot")) {
        let picture = image::load_from_memory(&message.payload).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (WIDTH, 180));
        let [r, g, b] = picture.get_pixel(4, 4).0;
        assert!([r, g, b].iter().all(|v| v.abs_diff(128) < 12), "the mask is not there: {r} {g} {b}");
        let name =
            message.properties.user_properties.iter().find(|(key, _)| key == "snapshot").map(|(_, name)| name.as_str());
        assert!(name.is_some_and(|name| names.contains(name)), "{name:?} is not among {names:?}");
    }
}

fn on<'a>(said: &'a [Message], topic: &'a str) -> impl Iterator<Item = &'a Value> {
    said.iter().filter(move |message| message.topic.ends_with(topic)).map(|message| &message.json)
}

fn any(said: &[Message], topic: &str, wanted: impl Fn(&Value) -> bool) -> bool {
    on(said, topic).any(wanted)
}

fn has(said: &[Message], topic: &str) -> bool {
    said.iter().any(|message| message.topic.ends_with(topic))
}

/// Connections of the program that were announced.
fn sessions(said: &[Message]) -> usize {
    let online = on(said, "box/status").filter(|status| status["state"] == "online");
    online.map(|status| status["session"].to_string()).collect::<BTreeSet<_>>().len()
}

fn shown(message: &Message) -> String {
    let text: String = String::from_utf8_lossy(&message.payload).chars().take(400).collect();
    format!("{} {text}", message.topic)
}

/// What somebody finds who subscribes now.
async fn retained(broker: &Mosquitto) -> Vec<Message> {
    let mut late = Subscriber::start(broker.port()).await;
    late.wait_for("what is kept", LONG, |seen| has(seen, "door/snapshot") && has(seen, "box_yard/config")).await;
    late.messages().into_iter().filter(|message| message.retained).collect()
}

/// Somebody who asks and orders.
struct Speaker {
    client: AsyncClient,
}

async fn speak(broker: &Mosquitto) -> Speaker {
    let (client, mut events) = AsyncClient::new(MqttOptions::new("speaker", "127.0.0.1", broker.port()), 10);
    tokio::spawn(async move { while events.poll().await.is_ok() {} });
    Speaker { client }
}

impl Speaker {
    async fn say(&self, topic: &str, payload: &str, answer_to: Option<&str>) {
        let properties = PublishProperties {
            response_topic: answer_to.map(|topic| format!("eyewitness/box/{topic}")),
            ..PublishProperties::default()
        };
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, false, payload.to_owned(), properties)
            .await
            .unwrap();
    }
}

/// What the program prints.
fn printed(of: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_eyewitness")).args(["schema", of]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn config(folder: &Path, broker: u16, film: &Path) -> PathBuf {
    let text = format!(
        r#"node = "box"

[mqtt]
url = "mqtt://127.0.0.1:{broker}"
home_assistant = true
snapshots = "event"
snapshot_width = {WIDTH}

[http]
listen = "off"

[model]
threads = 1

[[camera]]
id = "door"
url = "{}"
loop = true
masks = [[[0.0, 0.0], [0.2, 0.0], [0.2, 0.2], [0.0, 0.2]]]

[[camera.rule]]
id = "cat"
ask = "Is there a cat?"
alert = true

[[camera]]
id = "yard"
url = "test://"
"#,
        film.display()
    );
    let file: toml::Table = toml::from_str(&text).unwrap();
    let schema = jsonschema::draft202012::new(&printed("config")).unwrap();
    assert!(schema.is_valid(&serde_json::to_value(file).unwrap()));
    let path = folder.join("eyewitness.toml");
    std::fs::write(&path, text).unwrap();
    path
}
