//! The peers of the daemon, and the trouble that they make.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use eyewitness::clock::Clock;
use fastrand::Rng;
use tempfile::TempDir;
use tokio::time::sleep;

use super::config::Wanted;
use super::page;
use super::support::mosquitto::{Mosquitto, Options, free_port};
use super::support::rtsp_server::{RtspServer, Stream};
use super::support::scene;
use super::torture::daemon::Daemon;
use super::torture::ledger::{Key, Verdict};
use super::torture::listener::Listener;
use super::torture::proxy::Proxy;

/// For the daemon to connect again after the last outage: its longest wait, and some more.
const CONNECTS_WITHIN: Duration = Duration::from_secs(75);
/// For a change of the config to be taken over.
const RELOADS_WITHIN: Duration = Duration::from_secs(10);

/// A camera's server, or the port on which it was.
#[derive(Debug)]
struct Camera {
    stream: Stream,
    server: Option<RtspServer>,
    port: u16,
}

impl Camera {
    fn start(stream: Stream) -> Self {
        let server = RtspServer::start(&stream);
        let port = server.port();
        Self { stream, server: Some(server), port }
    }

    fn url(&self) -> String {
        format!("rtsp://127.0.0.1:{}/stream", self.port)
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }

    fn restart(&mut self) {
        if self.server.is_none() {
            self.server = Some(RtspServer::start_on(self.port, &self.stream, None));
        }
    }
}

/// How often which trouble was made.
#[derive(Debug, Default)]
pub struct Made {
    pub stops: u64,
    pub kills: u64,
    pub freezes: u64,
    pub lost_sessions: u64,
    pub cameras: u64,
    pub reloads: u64,
    pub wrong_configs: u64,
    pages: u64,
    pages_failed: u64,
}

impl Made {
    fn brokers(&self) -> u64 {
        self.stops + self.kills + self.freezes + self.lost_sessions
    }

    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let Self { stops, kills, freezes, lost_sessions, cameras, reloads, wrong_configs, pages, pages_failed } = self;
        vec![
            ("broker stopped, killed, frozen, without memory", format!("{stops} {kills} {freezes} {lost_sessions}")),
            ("camera outages", cameras.to_string()),
            ("configs changed, wrong ones", format!("{reloads} {wrong_configs}")),
            ("/healthz and /metrics asked, failed", format!("{pages} {pages_failed}")),
        ]
    }
}

/// What ends the trouble that is being made.
#[derive(Debug)]
enum Repair {
    Frozen,
    Broker,
    Camera(usize),
}

#[derive(Debug)]
pub struct End {
    pub took: Duration,
    pub status: String,
}

#[derive(Debug)]
pub struct World {
    pub clock: Clock,
    pub daemon: Daemon,
    pub made: Made,
    folder: TempDir,
    rng: Rng,
    broker: Mosquitto,
    proxy: Proxy,
    listener: Listener,
    /// Lives of the broker at whose end it may have taken messages with it.
    lossy: BTreeSet<u32>,
    cameras: Vec<Camera>,
    repair: Option<Repair>,
    wanted: Wanted,
    wrong: Vec<String>,
    evicted: f64,
}

impl World {
    pub async fn start(binary: &Path, out: &Path, seed: u64) -> Self {
        let clock = Clock::system();
        let folder = tempfile::tempdir().unwrap();
        let film = folder.path().join("film.mp4");
        scene::film(&film);
        let options = Options { extra: "max_queued_messages 0\n".into(), ..Options::default() };
        let broker = Mosquitto::start(&options);
        let proxy = Proxy::start(broker.port(), clock).await;
        let listener = Listener::start(broker.port()).await;
        let ball = Stream::Test { width: 320, height: 240, fps: 5, key_every: 10 };
        let cameras = vec![Camera::start(Stream::File { path: film.clone() }), Camera::start(ball)];
        let wanted = Wanted {
            broker: proxy.port(),
            http: free_port(),
            film,
            film_url: cameras[0].url(),
            ball_url: cameras[1].url(),
            extra: false,
            enabled: true,
            prompt: 0,
            sensitivity: 0.5,
        };
        let config = folder.path().join("eyewitness.toml");
        fs::write(&config, wanted.text(folder.path())).unwrap();
        let daemon = Daemon::start(binary, 10, &config, out, clock);
        Self {
            clock,
            daemon,
            made: Made::default(),
            folder,
            rng: Rng::with_seed(seed),
            broker,
            proxy,
            listener,
            lossy: BTreeSet::new(),
            cameras,
            repair: None,
            wanted,
            wrong: Vec::new(),
            evicted: 0.0,
        }
    }

    /// Makes some trouble, or ends what is being made, and says how long to leave it at that.
    pub async fn step(&mut self) -> Duration {
        if let Some(repair) = self.repair.take() {
            self.mend(repair).await;
            return self.seconds(20, 60);
        }
        match self.rng.u32(0..10) {
            0..4 => self.broker_trouble(),
            4..6 => self.camera_trouble(),
            _ if self.daemon.reloads() => {
                self.config_trouble().await;
                self.seconds(15, 40)
            }
            // A program that does not reload: a camera instead.
            _ => self.camera_trouble(),
        }
    }

    fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_secs(self.rng.u64(from..=to))
    }

    fn broker_trouble(&mut self) -> Duration {
        let kind = self.rng.u32(0..4);
        if kind == 0 {
            self.made.freezes += 1;
            self.broker.freeze();
            self.repair = Some(Repair::Frozen);
            return self.seconds(2, 30);
        }
        self.proxy.close();
        let life = self.proxy.with(|record| record.life);
        match kind {
            1 => {
                self.made.stops += 1;
                self.broker.stop();
            }
            2 => {
                self.made.kills += 1;
                self.broker.kill();
                self.lossy.insert(life);
            }
            _ => {
                self.made.lost_sessions += 1;
                self.broker.stop();
                self.broker.forget();
                self.lossy.insert(life);
            }
        }
        self.repair = Some(Repair::Broker);
        self.seconds(2, 30)
    }

    fn camera_trouble(&mut self) -> Duration {
        self.made.cameras += 1;
        let which = self.rng.usize(0..self.cameras.len());
        self.cameras[which].stop();
        self.repair = Some(Repair::Camera(which));
        self.seconds(2, 20)
    }

    async fn mend(&mut self, repair: Repair) {
        match repair {
            Repair::Frozen => self.broker.thaw(),
            Repair::Camera(which) => self.cameras[which].restart(),
            Repair::Broker => {
                self.proxy.with(|record| record.life += 1);
                let before = self.listener.subscriptions();
                self.broker.restart();
                self.listener.subscribed_since(before).await;
                self.proxy.open();
            }
        }
    }

    async fn config_trouble(&mut self) {
        let config = self.folder.path().join("eyewitness.toml");
        match self.rng.u32(0..5) {
            0 | 1 => self.wanted.extra = !self.wanted.extra,
            2 => self.wanted.enabled = !self.wanted.enabled,
            3 => self.wanted.prompt += 1,
            _ => self.wanted.sensitivity = 0.4 + 0.2 * self.rng.f64(),
        }
        let text = self.wanted.text(self.folder.path());
        if self.rng.bool() {
            self.made.wrong_configs += 1;
            fs::write(&config, text.replace("[model]", "[mode]").replace("fps = 2", "fps = \"many\"")).unwrap();
            self.daemon.signal("HUP");
            sleep(Duration::from_secs(2)).await;
        }
        fs::write(&config, text).unwrap();
        self.made.reloads += 1;
        let before = self.daemon.told();
        self.daemon.signal("HUP");
        let begun = self.clock.now();
        while self.daemon.told().ready <= before.ready {
            if self.clock.now().since(begun) > RELOADS_WITHIN {
                self.wrong.push(format!("reload {} was not answered with READY=1", self.made.reloads));
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether it says that it is well; pages that are not there yet are not asked for.
    pub async fn ask_pages(&mut self) {
        let http = self.wanted.http;
        for path in ["/healthz", "/metrics"] {
            let answer = tokio::task::spawn_blocking(move || page::get(http, path)).await.unwrap();
            match answer {
                None if self.made.pages == 0 => return,
                Some((200, body)) => {
                    self.made.pages += 1;
                    self.evicted = page::metric(&body, "eyewitness_outbox_evicted_total").unwrap_or(self.evicted);
                }
                other => {
                    self.made.pages_failed += 1;
                    let answer = other.map_or("no answer".to_owned(), |(status, body)| format!("{status} {body}"));
                    self.wrong.push(format!("{path} said: {answer}"));
                }
            }
        }
    }

    /// Everything is there again.
    pub async fn calm(&mut self) {
        if let Some(repair) = self.repair.take() {
            self.mend(repair).await;
        }
        let begun = self.clock.now();
        while self.proxy.with(|record| record.open) == 0 && self.clock.now().since(begun) < CONNECTS_WITHIN {
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Nothing is on its way, and what the log announced has come.
    pub fn is_quiet(&self) -> bool {
        let announced = self.daemon.announced();
        let arrived = self.listener.with(|ledger| announced.keys().filter(|key| !ledger.has(key)).count());
        let excused = announced.keys().filter(|key| self.excused(key)).count();
        self.proxy.with(|record| record.unanswered()) == 0 && arrived <= excused
    }

    pub async fn stop(&mut self) -> End {
        let clock = self.clock;
        let end = match self.daemon.stop(clock) {
            Some((status, took)) => {
                End { took, status: status.code().map_or("none: a signal".into(), |code| code.to_string()) }
            }
            None => End { took: Duration::MAX, status: "none: it did not end".into() },
        };
        // What its last moments brought is on its way to the listener.
        sleep(Duration::from_secs(2)).await;
        end
    }

    pub fn verdict(&self) -> Verdict {
        self.listener.with(|ledger| ledger.verdict(&self.daemon.announced(), |key| self.excused(key)))
    }

    /// What is wrong besides.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = self.wrong.clone();
        wrong.extend(self.proxy.with(|record| record.faults.clone()));
        let refused = self.proxy.with(|record| record.refusals);
        if refused > 0 {
            wrong.push(format!("the broker refused {refused} events"));
        }
        if self.evicted > 0.0 {
            wrong.push(format!("{} events were evicted", self.evicted));
        }
        wrong.truncate(20);
        wrong
    }

    fn excused(&self, key: &Key) -> bool {
        self.proxy.with(|record| record.life_of(key)).is_some_and(|life| self.lossy.contains(&life))
    }

    fn counts(&self) -> (u64, u64, u64) {
        self.listener.with(|ledger| (ledger.events(), ledger.duplicates(), ledger.gaps()))
    }

    pub fn csv(&self) -> String {
        let (events, duplicates, gaps) = self.counts();
        let made = self.made.brokers() + self.made.cameras + self.made.reloads;
        format!("{events},{duplicates},{gaps},{made}")
    }

    pub fn line(&self) -> String {
        let (events, duplicates, gaps) = self.counts();
        format!(
            "{events} events, {duplicates} twice, {gaps} gaps; {} broker outages, {} camera outages, {} reloads; {}",
            self.made.brokers(),
            self.made.cameras,
            self.made.reloads,
            self.daemon.told().status
        )
    }
}
