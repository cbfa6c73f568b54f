//! The whole walk with real peers: the program, an RTSP camera with H.264, the default model, mosquitto; and beside it
//! a camera that never answers. The camera dies and comes back, the broker dies and comes back.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod support;

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use support::daemon::Daemon;
use support::mosquitto::Mosquitto;
use support::rtsp_server::{RtspServer, Stream};
use support::subscriber::{Message, Subscriber};

const EVENTS: &str = "eyewitness/box/door/event";
const STATUS: &str = "eyewitness/box/door/status";
const SILENT: &str = "eyewitness/box/silent/status";

/// Longer than the film and the camera's longest wait between two of these tries.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn from_the_camera_to_the_broker_and_back_from_every_death() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    support::scene::film(&film);
    let stream = Stream::File { path: film };
    let camera = RtspServer::start(&stream);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut broker = Mosquitto::open();
    let mut subscriber = Subscriber::start(broker.port()).await;
    let config = config(folder.path(), broker.port(), &camera.url(), silent.local_addr().unwrap().port());
    let mut daemon = Daemon::run(&config);

    // A visit: start, then end, with the contract's fields, and the words retained.
    subscriber.wait_for("a start and an end", LONG, |seen| of_type(seen, "end") >= 1).await;
    let events = subscriber.on(EVENTS);
    check_visit(&events);
    let description = &subscriber.on("eyewitness/box/door/description")[0];
    assert_eq!(description["text"], events[0]["description"]);
    assert_eq!(description["event"], events[0]["id"]);
    assert!(subscriber.on(STATUS).iter().any(|status| status["state"] == "online"), "{:?}", subscriber.on(STATUS));

    // The camera dies: its status says why. It comes back: so do its events.
    let port = camera.stop();
    subscriber.wait_for("the camera is offline", LONG, |seen| last_state(seen, STATUS) == Some("offline")).await;
    let reason = subscriber.on(STATUS).last().unwrap()["reason"].as_str().unwrap().to_owned();
    assert!(!reason.is_empty());
    let before = of_type(&subscriber.messages(), "start");
    let camera = RtspServer::start_on(port, &stream, None);
    subscriber.wait_for("the camera is back", LONG, |seen| last_state(seen, STATUS) == Some("online")).await;
    subscriber.wait_for("a visit after that", LONG, |seen| of_type(seen, "start") > before).await;

    // The broker dies in the middle of an event: its end waits, and arrives marked.
    let ends = |log: &Vec<String>| log.iter().filter(|line| line.contains("type=\"end\"")).count();
    let told = of_type(&subscriber.messages(), "end");
    broker.stop();
    daemon.wait_for("an end while the broker is away", LONG, |log| ends(log) > told).await;
    broker.restart();
    subscriber
        .wait_for("what happened meanwhile", LONG, |seen| {
            events_in(seen).any(|event| event["type"] == "end" && event["replayed"] == true)
        })
        .await;

    // All the while: the other camera was tried, and said so; nothing was lost, doubled or out of order.
    assert_eq!(last_state(&subscriber.messages(), SILENT), Some("offline"));
    subscriber
        .wait_for("a reason for the silent camera", LONG, |seen| {
            let reasons = seen.iter().filter(|message| message.topic == SILENT);
            reasons
                .map(|message| message.json["reason"].as_str().unwrap_or_default())
                .any(|reason| reason != "starting")
        })
        .await;
    let mut numbers: Vec<_> = subscriber.on(EVENTS).iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    numbers.dedup();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());

    // It stops within five seconds, and says so.
    daemon.signal("TERM");
    assert_eq!(daemon.ended(Duration::from_secs(5)).await.code(), Some(0));
    subscriber
        .wait_for("the last word", LONG, |seen| last_state(seen, "eyewitness/box/status") == Some("stopped"))
        .await;
    drop((camera, silent));
}

fn config(folder: &Path, broker: u16, camera: &str, silent: u16) -> std::path::PathBuf {
    let text = format!(
        r#"node = "box"

[mqtt]
url = "mqtt://127.0.0.1:{broker}"

[model]
threads = 1

[[camera]]
id = "door"
url = "{camera}"

[[camera.rule]]
id = "cat"
ask = "Is there a cat?"

[[camera]]
id = "silent"
url = "rtsp://127.0.0.1:{silent}/stream"
timeout = "5s"
"#
    );
    let path = folder.join("eyewitness.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn events_in(seen: &[Message]) -> impl Iterator<Item = &Value> {
    seen.iter().filter(|message| message.topic == EVENTS).map(|message| &message.json)
}

fn of_type(seen: &[Message], kind: &str) -> usize {
    events_in(seen).filter(|event| event["type"] == kind).count()
}

fn last_state<'a>(seen: &'a [Message], topic: &str) -> Option<&'a str> {
    seen.iter().rev().find(|message| message.topic == topic)?.json["state"].as_str()
}

/// One whole visit: its types in order, and the contract's fields in each message.
fn check_visit(events: &[Value]) {
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.first(), Some(&"start"), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&"end"), "{kinds:?}");
    assert!(kinds[1..kinds.len() - 1].iter().all(|kind| *kind == "update"), "{kinds:?}");
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["schema"], "eyewitness.event.v1");
        assert_eq!(event["id"], events[0]["id"]);
        assert_eq!(event["seq"], number as u64 + 1);
        assert_eq!((&event["node"], &event["camera"]), (&Value::from("box"), &Value::from("door")));
        assert_eq!(event["cause"], "motion");
        assert_eq!(event["replayed"], false);
        assert_eq!(event["model"], "tiny/int8@cpu");
        assert!(event["description"].as_str().is_some_and(|text| text.ends_with('.')), "{event}");
        assert!(event["confidence"].as_f64().is_some_and(|c| c > 0.0 && c <= 1.0), "{event}");
        assert!(event["region"].as_array().is_some_and(|region| region.len() == 4), "{event}");
        assert!(event["rules"]["cat"]["p"].is_f64(), "{event}");
        for time in ["started_at", "at"] {
            assert!(event[time].as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()), "{event}");
        }
    }
    let (start, end) = (&events[0], &events[events.len() - 1]);
    assert_eq!((&start["source"], &start["ended_at"]), (&Value::from("model"), &Value::Null));
    assert!(start["timing_ms"]["total"].as_f64().is_some_and(|ms| ms > 0.0), "{start}");
    assert_eq!((&end["source"], &end["timing_ms"]), (&Value::from("cache"), &Value::Null));
    let time = |event: &Value, key: &str| event[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let lasted = time(end, "ended_at").duration_since(time(start, "started_at")).as_secs_f64();
    let visit = support::scene::VISIT as f64;
    assert!((visit - 1.5..=visit + 1.5).contains(&lasted), "the visit of {visit} s lasted {lasted:.1} s");
}
