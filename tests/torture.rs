//! Nothing announced is lost: not when the sender is killed at any instant, not when the broker goes in any of the ways in
//! which brokers go, not when both happen at once; in order, without gaps, and twice only where it says so.
//!
//! The short form runs with the other tests. `make torture` is the long one: EYEWITNESS_TORTURE_ROUNDS kills of the sender,
//! EYEWITNESS_TORTURE_OUTAGES outages alone and as many under kills, EYEWITNESS_TORTURE_DAEMONS kills of the whole program.

#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test ends at what it did not expect, and nobody is outside"
)]

#[path = "torture/child.rs"]
mod child;
#[path = "torture/mod.rs"]
mod judge;
#[path = "torture/lane.rs"]
mod lane;
#[path = "torture/stuck.rs"]
mod stuck;
mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use eyewitness::clock::Clock;
use fastrand::Rng;
use tokio::time::sleep;

use judge::daemon::{self, Daemon};
use judge::ledger::{Verdict, print};
use judge::listener::Listener;
use lane::{Lane, Outage};
use support::mosquitto::{Mosquitto, free_port};
use support::scene;

/// A sender lives up to so long: it dies while it starts, opens its outbox, connects, sends what waited, or sends news.
const LIFE: Duration = Duration::from_millis(400);
/// Events a second, of four cameras.
const RATE: u32 = 200;
/// An outage lasts up to so long; a frozen broker is given up only after the keep-alive.
const AWAY: Duration = Duration::from_secs(2);
const FROZEN: Duration = Duration::from_secs(9);
/// Long enough for several tries, each of which a full broker ends.
const FULL: Duration = Duration::from_secs(25);
/// After so long a connection counts as a good one, and the next wait is a short one again.
const GOOD: Duration = Duration::from_millis(10_500);

/// Is the sender, if it is told to; see [`child`].
#[test]
fn the_sender() {
    child::be_the_sender();
}

fn times(name: &str, short: usize) -> (usize, bool) {
    let long = std::env::var(name).ok().and_then(|text| text.parse().ok());
    (long.unwrap_or(short), long.is_some())
}

#[track_caller]
fn judge(title: &str, verdict: &Verdict, more: Vec<(&'static str, String)>) {
    let mut rows = more;
    rows.extend(verdict.rows());
    print(title, &rows);
    let wrong = verdict.wrong();
    assert_eq!(wrong, None, "{title}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_the_sender() {
    let (rounds, _) = times("EYEWITNESS_TORTURE_ROUNDS", 20);
    let clock = Clock::system();
    let begun = clock.now();
    let mut lane = Lane::start(1, RATE).await;
    for _ in 0..rounds {
        let life = lane.random(LIFE);
        sleep(life).await;
        lane.kill_sender();
    }
    let verdict = lane.finish().await;
    let opened = lane.heard.lock().unwrap().opened;
    let took = clock.now().since(begun);
    let more = vec![
        ("kills", lane.kills.to_string()),
        ("of them after opening", opened.to_string()),
        ("seconds", seconds(took)),
    ];
    judge("kill -9 of the sender:", &verdict, more);
    assert!(opened as usize > rounds / 3 && verdict.announced as usize > rounds, "too little happened");
    assert_eq!(verdict.lost_by_broker, 0, "this broker was never killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outages_of_the_broker() {
    let (outages, long) = times("EYEWITNESS_TORTURE_OUTAGES", Outage::ALL.len());
    let clock = Clock::system();
    let begun = clock.now();
    let lanes = Outage::ALL.len();
    let each = outages.div_ceil(lanes);
    let lives = (0..lanes).map(|first| {
        tokio::spawn(async move {
            let mut lane = Lane::start(10 + first as u64, RATE / 5).await;
            lane.delivers_since(begun).await;
            for n in 0..each {
                let outage = Outage::ALL[(first + n) % lanes];
                lane.begin(outage).await;
                let most = match outage {
                    Outage::Freeze => FROZEN,
                    Outage::Full if long => FULL,
                    _ => AWAY,
                };
                let away = lane.random(most);
                sleep(away).await;
                lane.end(outage).await;
                let back = clock.now();
                lane.delivers_since(back).await;
                if long {
                    sleep(GOOD).await;
                }
            }
            lane.finish().await
        })
    });
    let mut verdicts = Vec::new();
    for life in lives.collect::<Vec<_>>() {
        verdicts.push(life.await.unwrap());
    }
    let more = vec![("outages", (each * lanes).to_string()), ("seconds", seconds(clock.now().since(begun)))];
    judge("outages of the broker:", &sum(verdicts), more);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_at_once() {
    let (outages, _) = times("EYEWITNESS_TORTURE_OUTAGES", 3);
    let clock = Clock::system();
    let begun = clock.now();
    let mut lane = Lane::start(2, RATE).await;
    let mut rng = Rng::with_seed(2);
    lane.delivers_since(begun).await;
    for n in 0..outages {
        let outage = Outage::ALL[n % Outage::ALL.len()];
        lane.begin(outage).await;
        for _ in 0..rng.u32(0..4) {
            let life = lane.random(LIFE);
            sleep(life).await;
            lane.kill_sender();
        }
        lane.end(outage).await;
        // A sender that waits long for its next try would only make this longer.
        lane.kill_sender();
        let back = clock.now();
        lane.delivers_since(back).await;
        let life = lane.random(LIFE);
        sleep(life).await;
    }
    let verdict = lane.finish().await;
    let more = vec![
        ("outages", outages.to_string()),
        ("kills", lane.kills.to_string()),
        ("seconds", seconds(clock.now().since(begun))),
    ];
    judge("both at once:", &verdict, more);
}

/// The whole program, with events of the gate and the model.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_the_program() {
    let (rounds, _) = times("EYEWITNESS_TORTURE_DAEMONS", 3);
    let clock = Clock::system();
    let begun = clock.now();
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    scene::film(&film);
    let broker = Mosquitto::open();
    let listener = Listener::start(broker.port()).await;
    let config = folder.path().join("eyewitness.toml");
    fs::write(&config, lively(broker.port(), folder.path(), &film)).unwrap();
    let (binary, mut rng, mut kills) = (daemon::binary(), Rng::with_seed(3), 0);
    for _ in 0..rounds {
        let mut program = Daemon::start(&binary, 0, &config, folder.path(), clock);
        sleep(Duration::from_secs(3).mul_f64(rng.f64())).await;
        assert_eq!(program.ended(), None, "{}", program.log_end());
        program.kill();
        kills += 1;
    }
    let mut last = Daemon::start(&binary, 0, &config, folder.path(), clock);
    let (begun_last, before) = (clock.now(), listener.with(|ledger| ledger.events()));
    while listener.with(|ledger| ledger.events()) < before + 4 {
        assert!(clock.now().since(begun_last) < Duration::from_secs(30), "nothing comes:\n{}", last.log_end());
        sleep(Duration::from_millis(100)).await;
    }
    let (status, took) = last.stop(clock).expect("it stops");
    assert!(status.success() && took < Duration::from_secs(5), "{status} after {took:?}:\n{}", last.log_end());
    let mut before = 0;
    while listener.with(|ledger| ledger.events())
        > std::mem::replace(&mut before, listener.with(|ledger| ledger.events()))
    {
        sleep(Duration::from_millis(500)).await;
    }
    let announced = last.announced();
    let verdict = listener.with(|ledger| ledger.verdict(&announced, |_| false));
    let more = vec![("kills", kills.to_string()), ("seconds", seconds(clock.now().since(begun)))];
    judge("kill -9 of the program:", &verdict, more);
    assert!(verdict.events > rounds as u64, "too little happened:\n{}", last.log_end());
    assert_eq!(verdict.unmarked, 0, "what comes twice says so");
}

/// A clip that is told as fast as it is understood, over and over, and a camera beside it.
fn lively(broker: u16, folder: &Path, film: &Path) -> String {
    let (outbox, film, http) = (folder.join("outbox"), film.display(), free_port());
    format!(
        r#"node = "box"
log.filter = "info,eyewitness::pipeline::announce=debug"
http.listen = "127.0.0.1:{http}"
mqtt.url = "mqtt://127.0.0.1:{broker}"
outbox.path = "{}"
model.threads = 1

[[camera]]
id = "film"
url = "file://{film}"
loop = true
pace = "fast"

[[camera]]
id = "ball"
url = "test://ball"
"#,
        outbox.display()
    )
}

fn sum(verdicts: Vec<Verdict>) -> Verdict {
    let sum = |a: Verdict, b: Verdict| Verdict {
        announced: a.announced + b.announced,
        events: a.events + b.events,
        duplicates: a.duplicates + b.duplicates,
        unmarked: a.unmarked + b.unmarked,
        lost_by_broker: a.lost_by_broker + b.lost_by_broker,
        lost: [a.lost, b.lost].concat(),
        faults: [a.faults, b.faults].concat(),
    };
    verdicts.into_iter().reduce(sum).expect("there was a lane")
}

fn seconds(took: Duration) -> String {
    format!("{:.0}", took.as_secs_f64())
}
