//! The status page, asked by a real client over real sockets: what it answers, to whom, and what it does not put up with.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it did not expect")]

#[path = "http/page.rs"]
mod page;
#[path = "http/questions.rs"]
mod questions;

use std::sync::atomic::Ordering;
use std::time::Duration;

use eyewitness::service::http::{Condition, Limits, serve_with};
use eyewitness::telemetry::Metrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use page::{Answer, Page, SECOND, one, rest};

fn limits() -> Limits {
    Limits::default()
}

#[tokio::test]
async fn the_daemon_lives_until_a_part_is_stuck() {
    let page = Page::open(limits()).await;
    page.assert_alive().await;
    *page.shown.stuck.lock().unwrap() = vec!["camera door".into(), "analyst".into()];
    let answer = page.get("/healthz").await;
    assert_eq!((answer.status(), answer.body()), (503, "stuck: camera door, analyst\n"));
}

#[tokio::test]
async fn ready_says_what_is_missing() {
    let page = Page::open(limits()).await;
    let answer = page.get("/readyz").await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json()["ready"], true);
    let since = "2026-11-23T09:14:03Z".parse().unwrap();
    *page.shown.broker.lock().unwrap() = Condition::waiting("nothing listens at `b:1883`").since(since);
    let answer = page.get("/readyz").await;
    assert_eq!((answer.status(), answer.json()["ready"].as_bool()), (503, Some(false)));
    let broker = answer.json()["parts"][2].clone();
    assert_eq!(
        broker,
        serde_json::json!({"part": "broker", "state": "waiting", "reason": "nothing listens at `b:1883`",
                           "since": "2026-11-23T09:14:03.000Z"})
    );
}

#[tokio::test]
async fn metrics_come_in_the_form_that_is_asked_for() {
    let page = Page::open(limits()).await;
    page.shown.metrics.frame("door", "no_motion");
    let sample = "eyewitness_frames_total{camera=\"door\",outcome=\"no_motion\"} 1\n";
    let classic = page.get("/metrics").await;
    assert_eq!((classic.status(), classic.header("content-type")), (200, Some(Metrics::CLASSIC_TYPE)));
    assert!(classic.body().contains(sample) && !classic.body().contains("# EOF"), "{classic:?}");
    assert!(classic.body().contains("# TYPE eyewitness_frames_total counter\n"), "{classic:?}");
    // As Prometheus asks.
    let accept = "Accept: application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                  text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let request = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{accept}\r\nConnection: close\r\n\r\n");
    let modern = page.send(request.as_bytes()).await;
    assert_eq!((modern.status(), modern.header("content-type")), (200, Some(Metrics::CONTENT_TYPE)));
    assert!(modern.body().contains(sample) && modern.body().ends_with("# EOF\n"), "{modern:?}");
    assert!(modern.body().contains("# TYPE eyewitness_frames counter\n"), "{modern:?}");
}

#[tokio::test]
async fn the_index_names_what_there_is() {
    let page = Page::open(limits()).await;
    let index = page.get("/").await;
    assert_eq!((index.status(), index.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert!(index.body().contains(path), "{index:?}");
        assert_eq!(page.get(&format!("{path}?verbose=1")).await.status(), 200);
    }
}

#[tokio::test]
async fn nothing_else_is_there() {
    let page = Page::open(limits()).await;
    for path in [
        "/nothing",
        "/healthz/",
        "/HEALTHZ",
        "//metrics",
        "/../../etc/passwd",
        "/metrics/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%5c..%5cetc",
        "/%00",
        "/%",
        "/%ff%fe",
        "/.",
        "/{path}",
        "/*",
    ] {
        let answer = page.get(path).await;
        assert_eq!(answer.status(), 404, "{path}: {answer:?}");
    }
    page.assert_alive().await;
}

#[tokio::test]
async fn every_answer_is_only_for_now() {
    let page = Page::open(limits()).await;
    for path in ["/", "/healthz", "/readyz", "/metrics", "/nothing"] {
        let answer = page.get(path).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert!(!answer.head().to_lowercase().contains("access-control"), "{answer:?}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let page = Page::open(limits()).await;
    for path in ["/", "/healthz", "/readyz", "/nothing"] {
        let head = page.send(format!("HEAD {path} HTTP/1.0\r\n\r\n").as_bytes()).await;
        let get = page.send(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await;
        let status = |answer: &Answer| answer.head()[9..12].to_owned();
        assert_eq!((status(&head), head.body()), (status(&get), ""), "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
    }
}

#[tokio::test]
async fn it_can_only_be_read() {
    let page = Page::open(limits()).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = page.send(request.as_bytes()).await;
        assert_eq!((answer.status(), answer.header("allow")), (405, Some("GET, HEAD")), "{method}: {answer:?}");
        assert_eq!(answer.head().to_lowercase().matches("\r\nallow:").count(), 1, "{answer:?}");
    }
    for line in ["CONNECT localhost:80", "OPTIONS *"] {
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let status = page.send(request.as_bytes()).await.status();
        assert!((400..500).contains(&status), "{line}: {status}");
    }
    page.assert_alive().await;
}

#[tokio::test]
async fn a_body_is_not_taken() {
    let page = Page::open(limits()).await;
    for (head, body, status) in [
        ("GET /healthz HTTP/1.1\r\nContent-Length: 5", "hello", 413),
        ("GET /healthz HTTP/1.1\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", 413),
        // It is refused before the body comes, so nobody waits for it.
        ("GET /healthz HTTP/1.1\r\nContent-Length: 99999999999", "", 413),
        ("GET /healthz HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue", "", 413),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 99999999999", "", 405),
        ("POST /nothing HTTP/1.1\r\nContent-Length: 9", "a", 404),
        ("GET /healthz HTTP/1.1\r\nConnection: close\r\nContent-Length: 0", "", 200),
        ("GET /healthz HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6", "hello", 400),
        ("GET /healthz HTTP/1.1\r\nContent-Length: -1", "", 400),
        // Two ways to say where the body ends: what request smuggling is made of.
        ("GET /healthz HTTP/1.1\r\nTransfer-Encoding: gzip", "", 400),
    ] {
        let asked = Instant::now();
        let answer = page.send(format!("{head}\r\nHost: localhost\r\n\r\n{body}").as_bytes()).await;
        assert_eq!(answer.status(), status, "{head}: {answer:?}");
        assert!(asked.elapsed() < 2 * SECOND, "{head}");
    }
    // The words of a body are not taken for the next request.
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 46\r\n\r\n\
                    GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n\r\n\r\n";
    let answer = page.send(smuggled.as_bytes()).await;
    assert_eq!(answer.0.matches("HTTP/1.1 ").count(), 1, "{answer:?}");
    page.assert_alive().await;
}

#[tokio::test]
async fn a_name_that_points_here_is_not_enough() {
    let page = Page::open(limits()).await;
    for host in ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:80", &page.at.to_string()] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(page.send(request.as_bytes()).await.status(), 200, "{host}");
    }
    for host in ["evil.example", "evil.example:8089", "127.0.0.1.evil.example", "0.0.0.0"] {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = page.send(request.as_bytes()).await;
        assert_eq!(answer.status(), 421, "{host}");
        assert!(answer.body().contains("localhost") && !answer.body().contains("evil"), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for fields in ["", "Host: localhost\r\nHost: localhost\r\n", "Host: a b\r\n"] {
        let request = format!("GET /metrics HTTP/1.1\r\n{fields}Connection: close\r\n\r\n");
        assert_eq!(page.send(request.as_bytes()).await.status(), 400, "{fields:?}");
    }
    let proxied = "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(page.send(proxied.as_bytes()).await.status(), 421);
}

#[tokio::test]
async fn whoever_sends_slowly_is_cut_off() {
    let page = Page::open(Limits { header_time: Duration::from_millis(300), ..limits() }).await;
    let mut stream = page.connect().await;
    let began = Instant::now();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n").await.unwrap();
    let drip = async {
        // A byte now and then does not buy time.
        while stream.write_all(b"X").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(5 * SECOND, drip).await.expect("it is cut off");
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    page.assert_alive().await;
}

#[tokio::test]
async fn whoever_says_nothing_is_not_kept() {
    let page = Page::open(Limits { header_time: Duration::from_millis(150), ..limits() }).await;
    let mut silent = page.connect().await;
    assert_eq!(rest(&mut silent).await, "");
    // After an answer too.
    let mut idle = page.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(one(&mut idle).await.status(), 200);
    assert_eq!(rest(&mut idle).await, "");
}

#[tokio::test]
async fn one_connection_may_ask_often_but_not_for_ever() {
    let page = Page::open(Limits { lifetime: Duration::from_millis(400), ..limits() }).await;
    let mut stream = page.connect().await;
    let mut answers = 0;
    let began = Instant::now();
    // Several requests at once, too.
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(&request.repeat(3)).await.unwrap();
    let busy = async {
        loop {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer).await {
                Ok(count) if count > 0 => {
                    answers += std::str::from_utf8(&buffer[..count]).unwrap().matches(" 200 ").count();
                }
                _ => break,
            }
            sleep(Duration::from_millis(10)).await;
            if stream.write_all(request).await.is_err() {
                break;
            }
        }
    };
    timeout(5 * SECOND, busy).await.expect("it ends");
    assert!(answers > 3 && began.elapsed() >= Duration::from_millis(350), "{answers} in {:?}", began.elapsed());
}

#[tokio::test]
async fn whoever_does_not_read_is_cut_off() {
    let lifetime = Duration::from_millis(200);
    let page = Page::open(Limits { lifetime, closing: Duration::from_millis(200), connections: 1, ..limits() }).await;
    // More than the sockets between us hold.
    for n in 0..20_000 {
        page.shown.metrics.frame(&format!("camera-with-a-long-name-{n}"), "no_motion");
    }
    let mut greedy = page.connect().await;
    for _ in 0..100 {
        if greedy.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.is_err() {
            break;
        }
    }
    // Its place is free again although it never read a byte.
    let free = async {
        while page.get("/healthz").await.status() != 200 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(5 * SECOND, free).await.expect("its place becomes free");
    assert!(page.shown.turned_away.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn a_large_head_is_refused() {
    let page = Page::open(Limits { header_bytes: 8 << 10, ..limits() }).await;
    let large = "a".repeat(9 << 10);
    let many = "X-A: b\r\n".repeat(200);
    for request in [
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Large: {large}\r\n\r\n"),
        format!("GET /{large} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"),
    ] {
        let status = page.send(request.as_bytes()).await.status();
        assert!([431, 414].contains(&status), "{status}");
    }
    // One that never ends, too.
    let mut stream = page.connect().await;
    let endless = async { while stream.write_all(&[b'a'; 1024]).await.is_ok() {} };
    timeout(5 * SECOND, endless).await.expect("it is cut off");
    let fits = "a".repeat(7 << 10);
    let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nCookie: {fits}\r\nConnection: close\r\n\r\n");
    assert_eq!(page.send(request.as_bytes()).await.status(), 200);
}

#[tokio::test]
async fn too_many_at_once_are_turned_away_and_counted() {
    let page = Page::open(Limits { connections: 3, ..limits() }).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = page.connect().await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(one(&mut stream).await.status(), 200);
        held.push(stream);
    }
    let refused = Answer(rest(&mut page.connect().await).await);
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.header("content-length"), Some(&*refused.body().len().to_string()));
    assert_eq!(page.shown.turned_away.load(Ordering::Relaxed), 1);
    // Who was there first goes on, and a place that becomes free is given away.
    held[2].write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(Answer(rest(&mut held[2]).await).status(), 200);
    page.assert_alive().await;
    assert_eq!(page.shown.turned_away.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn garbage_harms_nobody() {
    let page = Page::open(limits()).await;
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for bytes in [&tls[..], http2, b"\0\0\0\0\r\n\r\n", b"\xff\xfe\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
    {
        let mut stream = page.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = Answer(rest(&mut stream).await);
        assert!([0, 400, 505].contains(&answer.status()), "{bytes:?}: {answer:?}");
    }
    // A seed makes every failure one that comes again.
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..50 {
        let mut stream = page.connect().await;
        let bytes: Vec<u8> = (0..random.usize(0..600)).map(|_| random.u8(..)).collect();
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut all = Vec::new();
        let _ = timeout(5 * SECOND, stream.read_to_end(&mut all)).await.expect("the page closes");
        assert!(!all.starts_with(b"HTTP/1.1 200"));
    }
    page.assert_alive().await;
}

#[tokio::test]
async fn what_hangs_is_said_and_does_not_spread() {
    let page = Page::open(Limits { request_time: Duration::from_millis(100), looks: 1, ..limits() }).await;
    page.shown.hangs.store(true, Ordering::Relaxed);
    let asked = Instant::now();
    for path in ["/readyz", "/metrics"] {
        let answer = page.get(path).await;
        assert_eq!((answer.status(), answer.body()), (503, "the daemon does not answer within 0.1 s\n"), "{path}");
    }
    assert!(asked.elapsed() < 3 * SECOND, "{:?}", asked.elapsed());
    page.assert_alive().await;
    page.shown.hangs.store(false, Ordering::Relaxed);
    let again = async {
        while page.get("/readyz").await.status() != 200 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(5 * SECOND, again).await.expect("it answers again");
}

#[tokio::test]
async fn it_ends_when_asked_to_after_what_is_under_way() {
    let page = Page::open(Limits { closing: 5 * SECOND, ..limits() }).await;
    let mut idle = page.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(one(&mut idle).await.status(), 200);
    page.shown.hangs.store(true, Ordering::Relaxed);
    let mut waiting = page.connect().await;
    waiting.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    while !page.shown.hanging.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(2)).await;
    }
    page.cancel.cancel();
    assert_eq!(rest(&mut idle).await, "");
    page.shown.hangs.store(false, Ordering::Relaxed);
    assert_eq!(Answer(rest(&mut waiting).await).status(), 200);
    timeout(2 * SECOND, page.task).await.expect("it waits no longer than it must").unwrap();
    assert!(TcpStream::connect(page.at).await.is_err());
}

#[tokio::test]
async fn it_ends_when_asked_to_whoever_is_not_done() {
    let page = Page::open(Limits { closing: Duration::from_millis(200), ..limits() }).await;
    let mut half = page.connect().await;
    half.write_all(b"GET /healthz HTTP/1.1\r\nHo").await.unwrap();
    page.assert_alive().await;
    page.cancel.cancel();
    timeout(SECOND, page.task).await.expect("it ends in time").unwrap();
    rest(&mut half).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_tried_again() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let page = Page::open(limits()).await;
    let at = taken.local_addr().unwrap();
    let cancel = CancellationToken::new();
    let retry = Limits { retry: Duration::from_millis(30), ..limits() };
    let task = tokio::spawn(serve_with(at, page.shown.clone(), retry, cancel.clone()));
    sleep(Duration::from_millis(100)).await;
    assert!(!task.is_finished());
    drop(taken);
    let answers = async {
        while TcpStream::connect(at).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(5 * SECOND, answers).await.expect("it listens when the port is free");
    cancel.cancel();
    timeout(2 * SECOND, task).await.expect("it ends").unwrap();
    // Also while it waits for the port.
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cancel = CancellationToken::new();
    let at = taken.local_addr().unwrap();
    let task = tokio::spawn(serve_with(at, page.shown.clone(), limits(), cancel.clone()));
    sleep(Duration::from_millis(50)).await;
    cancel.cancel();
    timeout(SECOND, task).await.expect("it ends").unwrap();
}
