//! `POST /ask`: a desk that says what the test wants stands behind the page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eyewitness::ask::{Answering, Desk, Refusal, Reply, Request};
use eyewitness::event::{TimingMs, YesNo};
use eyewitness::ids::CameraId;
use eyewitness::service::http::Limits;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::page::{Answer, Page, rest};

/// Answers, or refuses as the question says.
#[derive(Default)]
struct Parrot {
    /// How long it takes.
    takes: Duration,
    asked: AtomicUsize,
}

impl Desk for Parrot {
    fn ask(&self, request: Request) -> Answering {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let takes = self.takes;
        Box::pin(async move {
            sleep(takes).await;
            request.check()?;
            Err(match &*request.ask {
                "camera" => Refusal::NoCamera("shed".into()),
                "off" => Refusal::NotWatching { state: "disabled", reason: "turned off".into() },
                "early" => Refusal::NoFrame,
                "busy" => Refusal::Busy,
                "late" => Refusal::Late(10),
                "model" => Refusal::Model("it is broken".into()),
                "unfit" => Refusal::Unfit("a control token".into()),
                "stop" => Refusal::Stopping,
                _ => return Ok(reply(request)),
            })
        })
    }

    fn enable(&self, _camera: &CameraId, _on: bool) -> Result<(), Refusal> {
        Err(Refusal::Stopping)
    }
}

fn reply(request: Request) -> Reply {
    Reply {
        camera: request.camera,
        ask: request.ask,
        text: format!("{:?} tokens", request.max_tokens),
        confidence: 0.5,
        answer: Some(YesNo::Yes),
        p: Some(0.75),
        frame_at: "2026-11-23T09:14:03.9Z".parse().unwrap(),
        model: "tiny/int8@cpu".into(),
        timing_ms: TimingMs { wait: 0.0, preprocess: 1.0, encode: 2.0, prefill: 3.0, decode: 4.0, total: 10.0 },
    }
}

async fn page(limits: Limits, parrot: Parrot) -> (Page, Arc<Parrot>) {
    let (page, parrot) = (Page::open(limits).await, Arc::new(parrot));
    *page.shown.desk.lock().unwrap() = Some(parrot.clone());
    (page, parrot)
}

fn post(more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST /ask HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}");
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

const JSON: &str = "Content-Type: application/json\r\n";

async fn ask(page: &Page, body: &Value) -> Answer {
    page.send(&post(JSON, &body.to_string())).await
}

fn error(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    answer.json()["error"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[tokio::test]
async fn a_question_is_answered() {
    let (page, _) = page(Limits::default(), Parrot::default()).await;
    let answer = ask(&page, &json!({"camera": "door", "ask": "Is there a dog?", "max_tokens": 7})).await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("application/json")));
    let expected = json!({"camera": "door", "ask": "Is there a dog?", "text": "Some(7) tokens", "confidence": 0.5,
        "answer": "yes", "p": 0.75, "frame_at": "2026-11-23T09:14:03.900Z", "model": "tiny/int8@cpu",
        "timing_ms": {"wait": 0.0, "preprocess": 1.0, "encode": 2.0, "prefill": 3.0, "decode": 4.0, "total": 10.0}});
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let with_charset = "Content-Type: Application/JSON; charset=utf-8\r\n";
    let body = "{\"camera\":\"door\",\"ask\":\"What?\"}";
    assert_eq!(page.send(&post(with_charset, body)).await.status(), 200);
    assert!(page.get("/").await.body().contains("/ask"));
}

#[tokio::test]
async fn each_refusal_has_its_status_and_words() {
    let (page, _) = page(Limits::default(), Parrot::default()).await;
    for (ask_for, status, words) in [
        ("camera", 404, "there is no camera `shed`"),
        ("off", 409, "the camera is disabled: turned off"),
        ("early", 409, "not delivered a frame yet"),
        ("busy", 429, "too many questions"),
        ("late", 504, "not free within 10 s"),
        ("model", 503, "it is broken"),
        ("unfit", 400, "a control token"),
        ("stop", 503, "is stopping"),
        (" ", 400, "the question is empty"),
        (&"x".repeat(501), 400, "has 501 characters"),
    ] {
        let answer = ask(&page, &json!({"camera": "door", "ask": ask_for})).await;
        assert_eq!(answer.status(), status, "{answer:?}");
        assert!(error(&answer).contains(words), "{answer:?}");
    }
    let answer = ask(&page, &json!({"camera": "No \u{7}Camera", "ask": "What?"})).await;
    assert_eq!((answer.status(), error(&answer).as_str()), (404, "there is no camera `No \u{7}Camera`"));
    for tokens in [json!(0), json!(129)] {
        let answer = ask(&page, &json!({"camera": "door", "ask": "What?", "max_tokens": tokens})).await;
        assert_eq!((answer.status(), error(&answer).as_str()), (400, "`max_tokens` is from 1 to 128"));
    }
    page.assert_alive().await;
}

#[tokio::test]
async fn no_web_page_asks_and_nobody_where_it_is_not_allowed() {
    let (page, parrot) = page(Limits::default(), Parrot::default()).await;
    let body = "{\"camera\":\"door\",\"ask\":\"What?\"}";
    // What a page may send anywhere without asking the browser's leave.
    for kind in ["", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n"] {
        let answer = page.send(&post(kind, body)).await;
        assert_eq!(answer.status(), 415, "{answer:?}");
        assert!(error(&answer).contains("Content-Type: application/json"));
    }
    let answer = page.send(&post(&format!("{JSON}Origin: http://localhost\r\n"), body)).await;
    assert_eq!((answer.status(), error(&answer).as_str()), (403, "web pages do not ask here"));
    let stranger = String::from_utf8(post(JSON, body)).unwrap().replace("localhost", "evil.example");
    assert_eq!(page.send(stranger.as_bytes()).await.status(), 421);
    for method in ["GET", "HEAD", "PUT", "OPTIONS", "DELETE"] {
        let request = format!("{method} /ask HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = page.send(request.as_bytes()).await;
        assert_eq!((answer.status(), answer.header("allow")), (405, Some("POST")), "{answer:?}");
        assert!(!answer.head().to_lowercase().contains("access-control"), "{answer:?}");
    }
    *page.shown.desk.lock().unwrap() = None;
    let answer = page.send(&post(JSON, body)).await;
    assert_eq!(answer.status(), 403);
    assert!(error(&answer).contains("`ask = true` in `[http]`"), "{answer:?}");
    assert_eq!(parrot.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn bodies_are_small_whole_and_in_time() {
    let limits = Limits { request_time: Duration::from_millis(300), ..Limits::default() };
    let (page, parrot) = page(limits, Parrot::default()).await;
    for (body, words) in [
        ("", "EOF"),
        ("What is there?", "expected value"),
        ("{\"camera\":\"door\"}", "missing field `ask`"),
        ("{\"camera\":1,\"ask\":\"What?\"}", "invalid type"),
        ("{\"camera\":\"door\",\"ask\":\"What?\",\"max_tokens\":-1}", "-1"),
        ("{\"camera\":\"door\",\"ask\":\"What?\",\"maxtokens\":1}", "unknown field `maxtokens`"),
    ] {
        let answer = page.send(&post(JSON, body)).await;
        assert_eq!(answer.status(), 400, "{answer:?}");
        assert!(error(&answer).contains(words) && error(&answer).contains("the body is JSON such as"), "{answer:?}");
    }
    let mut broken = post(JSON, "{\"camera\":\"door\",\"ask\":\"XX\"}");
    let at = broken.len() - 4;
    broken[at..at + 2].fill(0xff);
    assert_eq!(page.send(&broken).await.status(), 400);
    // Ten megabytes, told beforehand or not: the words arrive although nobody wanted the rest.
    let question = format!("{{\"camera\":\"door\",\"ask\":\"{}\"}}", "x".repeat(10 << 20));
    let answer = page.send(&post(JSON, &question)).await;
    assert_eq!((answer.status(), error(&answer).as_str()), (413, "a question has at most 8192 bytes"));
    let head = format!("POST /ask HTTP/1.1\r\nHost: localhost\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("{:x}\r\n{question}\r\n0\r\n\r\n", question.len());
    let answer = page.send((head + &chunk).as_bytes()).await;
    assert_eq!((answer.status(), error(&answer).as_str()), (413, "a question has at most 8192 bytes"));
    // One that stops half-way.
    let mut slow = page.connect().await;
    let whole = post(JSON, "{\"camera\":\"door\",\"ask\":\"What?\"}");
    slow.write_all(&whole[..whole.len() - 3]).await.unwrap();
    let answer = Answer(rest(&mut slow).await);
    assert_eq!((answer.status(), error(&answer).as_str()), (408, "the question did not come in time"));
    assert_eq!(parrot.asked.load(Ordering::Relaxed), 0);
    page.assert_alive().await;
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_said() {
    let limits = Limits { answer_time: Duration::from_secs(1), ..Limits::default() };
    let (page, _) = page(limits, Parrot { takes: Duration::from_secs(60), ..Parrot::default() }).await;
    let answer = ask(&page, &json!({"camera": "door", "ask": "What?"})).await;
    assert_eq!((answer.status(), error(&answer).as_str()), (504, "the model was not free within 1 s; ask again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_once_are_answered_or_told_why_not() {
    let parrot = Parrot { takes: Duration::from_millis(50), ..Parrot::default() };
    let (page, parrot) = page(Limits::default(), parrot).await;
    let page = Arc::new(page);
    let mut asking = JoinSet::new();
    for _ in 0..1000 {
        let page = page.clone();
        asking.spawn(async move { ask(&page, &json!({"camera": "door", "ask": "What?"})).await.status() });
    }
    let mut heard = BTreeMap::<u16, usize>::new();
    while let Some(status) = asking.join_next().await {
        *heard.entry(status.unwrap()).or_default() += 1;
    }
    // 0: turned away at the door, before it could say a word.
    assert!(heard.keys().all(|status| [0, 200, 429, 503].contains(status)), "{heard:?}");
    assert!(heard[&200] >= 8, "{heard:?}");
    assert_eq!(parrot.asked.load(Ordering::Relaxed), heard[&200]);
    page.assert_alive().await;
}
