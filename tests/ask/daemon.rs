//! The program, asked over the broker and over HTTP.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::mosquitto::{Mosquitto, free_port};
use crate::support::program::{Ended, Running, command, run};
use crate::support::subscriber::Subscriber;

const STOP: Duration = Duration::from_secs(5);
const BOUND: Duration = Duration::from_secs(20);

struct Box {
    folder: TempDir,
    broker: Mosquitto,
    page: u16,
}

impl Box {
    fn new() -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap(), broker: Mosquitto::open(), page: free_port() };
        let config = format!(
            "node = \"box\"\n[mqtt]\nurl = \"{}\"\n[http]\nlisten = \"127.0.0.1:{}\"\n\
             [[camera]]\nid = \"ball\"\nurl = \"test://ball\"\n[[camera]]\nid = \"bars\"\nurl = \"test://smpte\"\n",
            this.url(),
            this.page
        );
        std::fs::write(this.path().join("run.toml"), config).unwrap();
        this
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.broker.port())
    }

    fn page(&self) -> String {
        format!("http://127.0.0.1:{}", self.page)
    }

    /// Runs and delivers.
    fn start(&self) -> Running {
        let mut running = Running::start(command(self.path(), &["run", "-c", "run.toml"]));
        running.says("connected to the broker");
        running
    }

    #[track_caller]
    fn ask(&self, url: &str, args: &[&str]) -> Ended {
        run(self.path(), &[&["ask", "--url", url, "--timeout", "20s"], args].concat())
    }

    fn post(&self, body: &str) -> (u16, Value) {
        let request = format!(
            "POST /ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.page)) else { return (0, Value::Null) };
        let mut answer = String::new();
        // One that is turned away may hear nothing.
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
        let status = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or_default())
    }
}

#[track_caller]
fn refused(ended: &Ended, status: i32, words: &str) {
    assert_eq!((ended.status, ended.out.as_str()), (status, ""), "{ended:?}");
    assert!(ended.err.contains(words), "`{words}` is not in {}", ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_is_asked_from_anywhere() {
    let this = Box::new();
    let mut running = this.start();
    running.says("source{camera=ball}: online");
    running.says("source{camera=bars}: online");
    for url in [this.url(), this.page()] {
        let ended = this.ask(&url, &["ball", "Is there a ball?", "--json"]);
        assert_eq!(ended.status, 0, "{url}: {ended:?}");
        let reply: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!((&reply["camera"], &reply["ask"]), (&"ball".into(), &"Is there a ball?".into()));
        let p = reply["p"].as_f64().unwrap();
        let answer = reply["answer"].as_str().unwrap();
        assert!((0.0..=1.0).contains(&p) && ["yes", "no", "unsure"].contains(&answer), "{reply}");
        assert!(reply["model"].as_str().unwrap().starts_with("tiny/") && reply["frame_at"].is_string(), "{reply}");
        // In words, with the rest on the other stream.
        let ended = this.ask(&url, &["ball", "Describe the scene.", "--max-tokens", "3"]);
        assert!(ended.status == 0 && ended.out.trim().len() > 3, "{ended:?}");
        assert!(ended.err.contains("seen at ") && ended.err.contains(" ms, tiny/"), "{ended:?}");
        // What the prompt would be broken with.
        refused(&this.ask(&url, &["ball", "<image>Is there a ball?"]), 1, "a control token of this model");
        refused(&this.ask(&url, &["shed", "Is there a ball?"]), 1, "there is no camera `shed`");
    }
    let url = this.url();
    refused(&this.ask(&url, &["shed", "What?"]), 1, "there are `box/ball`, `box/bars`");
    assert_eq!(this.ask(&url, &["ball", "What?", "--node", "box"]).status, 0);
    refused(&this.ask(&url, &["ball", "What?", "--node", "attic"]), 1, "there is no box `attic`; there are `box`");
    refused(&this.ask(&url, &["ball", "What?", "--prefix", "other"]), 1, "no box says anything below `other/`");
    refused(&this.ask(&this.page(), &["ball", "What?", "--node", "box"]), 64, "`--node` is for a broker");
    refused(&this.ask(&url, &["No Ball", "What?"]), 64, "not allowed in an id");
    refused(&this.ask(&url, &["ball", " "]), 64, "the question is empty");
    refused(&this.ask(&url, &["ball", &"x".repeat(501)]), 64, "has 501 characters");
    refused(&this.ask(&url, &["ball", "What?", "--max-tokens", "0"]), 64, "from 1 to 128");
    refused(&run(this.path(), &["ask", "ball", "What?", "--timeout", "0s"]), 64, "more than nothing");
    let nobody = format!("127.0.0.1:{}", free_port());
    refused(&this.ask(&format!("mqtt://{nobody}"), &["ball", "What?"]), 1, "nothing listens at");
    refused(&this.ask(&format!("http://{nobody}"), &["ball", "What?"]), 1, "is Eyewitness running there");

    // Hundreds at once (tests/http.rs has a thousand): some are answered, the others told, and it goes on.
    let heard = thread::scope(|scope| {
        let asking: Vec<_> = (0..10)
            .map(|_| {
                scope.spawn(|| {
                    let one = |_| this.post("{\"camera\":\"ball\",\"ask\":\"Is there a ball?\"}").0;
                    thread::scope(|inner| {
                        let all: Vec<_> = (0..30).map(|n| inner.spawn(move || one(n))).collect();
                        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
                    })
                })
            })
            .collect();
        let mut heard = BTreeMap::<u16, usize>::new();
        for status in asking.into_iter().flat_map(|ten| ten.join().unwrap()) {
            *heard.entry(status).or_default() += 1;
        }
        heard
    });
    assert!(heard.keys().all(|status| [0, 200, 429, 503, 504].contains(status)), "{heard:?}");
    assert!(heard.get(&200).is_some_and(|answered| *answered > 0), "{heard:?}");
    assert_eq!(this.post("{\"camera\":\"ball\",\"ask\":\"Is there a ball?\"}").0, 200);
    running.signal("TERM");
    assert_eq!(running.ends_within(STOP).status, 0);
    refused(&this.ask(&url, &["ball", "What?"]), 1, "the box `box` is stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_is_turned_off_over_the_broker_and_stays_off() {
    let this = Box::new();
    let mut subscriber = Subscriber::start(this.broker.port()).await;
    let mut running = this.start();
    running.says("source{camera=ball}: online");
    let set = |payload: &'static str| this.publish("eyewitness/box/ball/enabled/set", payload);
    set("OFF").await;
    let status = "eyewitness/box/ball/status";
    subscriber
        .wait_for("the camera is off", BOUND, |seen| {
            let last = seen.iter().rfind(|message| message.topic == status);
            last.is_some_and(|last| last.json["state"] == "disabled" && last.json["reason"] == "turned off")
        })
        .await;
    refused(&this.ask(&this.url(), &["ball", "What?"]), 1, "the camera is disabled: turned off");
    let ready = this.get("/readyz");
    assert!(ready.contains("\"part\":\"camera ball\",\"state\":\"off\",\"reason\":\"turned off\""), "{ready}");
    running.signal("TERM");
    assert_eq!(running.ends_within(STOP).status, 0);
    let check = run(this.path(), &["check", "-c", "run.toml"]);
    assert!(check.err.contains("camera `ball` was turned off while Eyewitness ran"), "{check:?}");

    let mut running = this.start();
    running.says("source{camera=bars}: online");
    refused(&this.ask(&this.page(), &["ball", "What?"]), 1, "the camera is disabled: turned off");
    set("ON").await;
    running.says("source{camera=ball}: online");
    running.signal("TERM");
    assert_eq!(running.ends_within(STOP).status, 0);
}

impl Box {
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.page)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    async fn publish(&self, topic: &str, payload: &'static str) {
        use rumqttc::v5::mqttbytes::QoS;
        use rumqttc::v5::mqttbytes::v5::Packet;
        use rumqttc::v5::{AsyncClient, Event, MqttOptions};
        let id = format!("switch-{}", fastrand::u64(..));
        let (client, mut events) = AsyncClient::new(MqttOptions::new(id, "127.0.0.1", self.broker.port()), 10);
        client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
        let acknowledged =
            async { while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::PubAck(_))) {} };
        tokio::time::timeout(BOUND, acknowledged).await.unwrap();
    }
}
