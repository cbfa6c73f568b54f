//! The page over a daemon that is as the test wants it, and a client that sends what it likes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eyewitness::ask::Desk;
use eyewitness::ids::CameraId;
use eyewitness::service::http::{Condition, Limits, Parts, Readiness, View, serve_on};
use eyewitness::telemetry::Metrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A daemon that is as the test wants it.
pub(crate) struct Shown {
    pub(crate) stuck: Mutex<Vec<String>>,
    pub(crate) broker: Mutex<Condition>,
    pub(crate) metrics: Metrics,
    pub(crate) hangs: AtomicBool,
    /// Somebody looks, and hangs.
    pub(crate) hanging: AtomicBool,
    pub(crate) turned_away: AtomicU64,
    /// Who answers questions, if anybody may ask.
    pub(crate) desk: Mutex<Option<Arc<dyn Desk>>>,
}

impl View for Shown {
    fn stuck(&self) -> Vec<String> {
        self.stuck.lock().unwrap().clone()
    }

    fn readiness(&self) -> Readiness {
        while self.hangs.load(Ordering::Relaxed) {
            self.hanging.store(true, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(5));
        }
        let camera = (CameraId::new("door").unwrap(), Condition::ok());
        let (model, outbox) = (Condition::ok(), Condition::ok());
        Parts { model, outbox, broker: self.broker.lock().unwrap().clone(), cameras: vec![camera] }.readiness()
    }

    fn metrics(&self) -> String {
        self.metrics.text()
    }

    fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    fn desk(&self) -> Option<Arc<dyn Desk>> {
        self.desk.lock().unwrap().clone()
    }
}

pub(crate) struct Page {
    pub(crate) at: SocketAddr,
    pub(crate) shown: Arc<Shown>,
    pub(crate) cancel: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Page {
    pub(crate) async fn open(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let shown = Arc::new(Shown {
            stuck: Mutex::default(),
            broker: Mutex::new(Condition::ok()),
            metrics: Metrics::new(),
            hangs: AtomicBool::new(false),
            hanging: AtomicBool::new(false),
            turned_away: AtomicU64::new(0),
            desk: Mutex::default(),
        });
        let cancel = CancellationToken::new();
        let task = tokio::spawn(serve_on(listener, shown.clone(), limits, cancel.clone()));
        Self { at, shown, cancel, task }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    /// Sends these bytes and returns all that comes until the page closes.
    pub(crate) async fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // The page may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        Answer(rest(&mut stream).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).await
    }

    /// What everybody else still gets.
    pub(crate) async fn assert_alive(&self) {
        let answer = self.get("/healthz").await;
        assert_eq!((answer.status(), answer.body()), (200, "alive\n"));
    }
}

/// All that comes until the page closes, or has reset the connection.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = timeout(10 * SECOND, stream.read_to_end(&mut all)).await.expect("the page closes");
    String::from_utf8(all).unwrap()
}

/// One answer, from a connection that stays open.
pub(crate) async fn one(stream: &mut TcpStream) -> Answer {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let count = timeout(10 * SECOND, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(count > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        let answer = Answer(text.clone());
        if text.contains("\r\n\r\n") && answer.header("content-length") == Some(&answer.body().len().to_string()) {
            return answer;
        }
    }
}

#[derive(Debug)]
pub(crate) struct Answer(pub(crate) String);

impl Answer {
    /// 0: there was no answer.
    pub(crate) fn status(&self) -> u16 {
        self.0.strip_prefix("HTTP/1.1 ").map_or(0, |rest| rest[..3].parse().unwrap())
    }

    pub(crate) fn head(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or(&self.0, |(head, _)| head)
    }

    pub(crate) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head().lines().filter_map(|line| line.split_once(": "));
        fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.body()).unwrap_or_else(|error| panic!("{error}: {}", self.0))
    }
}
