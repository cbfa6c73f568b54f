//! The sender as a process of its own, which can be killed at any instant: this test program, started again for one test
//! that does nothing unless it is told to. It says on stdout what the outbox has kept.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::event::{Event, Kind, Source};
use eyewitness::ids::{CameraId, EventId};
use eyewitness::mqtt;
use eyewitness::outbox::{self, Outbox, Receipt};
use fastrand::Rng;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::judge::ledger::Key;
use super::judge::stream::{event, inputs, settings};

/// The name of the test that is the sender, and where it finds what to do.
const TEST: &str = "the_sender";
const PLAN: &str = "EYEWITNESS_TORTURE_SENDER";
pub const CAMERAS: [&str; 4] = ["door", "yard", "shop", "lane"];
/// Receipts that are waited for at a time.
const RECEIPTS: usize = 256;

/// What a sender is to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub port: u16,
    /// Events a second, of all cameras together; 0: send what is there, and end.
    pub rate: u32,
}

/// The life of a sender, if this process is to be one.
pub fn be_the_sender() {
    let Ok(plan) = std::env::var(PLAN) else { return };
    let mut words = plan.splitn(3, ' ');
    let mut number = || words.next().unwrap().parse::<u32>().unwrap();
    let plan = Plan { port: number() as u16, rate: number() };
    let folder = PathBuf::from(words.next().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(send(plan, &folder));
}

/// One line, in one piece.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

async fn send(plan: Plan, folder: &Path) {
    let clock = Clock::system();
    let settings_of_outbox = outbox::Settings { path: folder.join("outbox"), ..outbox::Settings::default() };
    let outbox = Arc::new(Outbox::open(&settings_of_outbox, clock).expect("nobody else has it"));
    say("opened");
    let cancel = CancellationToken::new();
    let delivery = tokio::spawn(mqtt::run(settings(plan.port), inputs(&outbox, clock), cancel.clone()));
    let (kept, receipts) = mpsc::channel(RECEIPTS);
    let saying = tokio::spawn(say_what_is_kept(receipts));
    let unfinished = outbox.unfinished();
    for event in &unfinished {
        let end = end_of(event, outbox.last_seq(&event.camera) + 1, clock);
        append(&outbox, end, &kept).await;
    }
    if plan.rate == 0 {
        drop(kept);
        saying.await.unwrap();
        while outbox.stats().rows > 0 {
            sleep(Duration::from_millis(10)).await;
        }
        cancel.cancel();
        delivery.await.unwrap();
        outbox.close().await;
        say("empty");
        return;
    }
    let pause = Duration::from_secs_f64(CAMERAS.len() as f64 / f64::from(plan.rate));
    let cameras = CAMERAS.map(|camera| tokio::spawn(tell(camera, pause, Arc::clone(&outbox), kept.clone(), clock)));
    for camera in cameras {
        camera.await.unwrap();
    }
}

type Kept = (Key, EventId, Receipt);

async fn append(outbox: &Outbox, event: Event, kept: &mpsc::Sender<Kept>) {
    let (key, id) = ((event.camera.to_string(), event.seq), event.id);
    let receipt = outbox.append(event).await;
    kept.send((key, id, receipt)).await.unwrap();
}

async fn say_what_is_kept(mut receipts: mpsc::Receiver<Kept>) {
    while let Some(((camera, seq), id, receipt)) = receipts.recv().await {
        receipt.kept().await;
        say(&format!("kept {camera} {seq} {id}"));
    }
}

/// One camera's stories, for ever, from where its numbers are.
async fn tell(camera: &str, pause: Duration, outbox: Arc<Outbox>, kept: mpsc::Sender<Kept>, clock: Clock) {
    let camera = CameraId::new(camera).unwrap();
    let mut seq = outbox.last_seq(&camera);
    let mut rng = Rng::new();
    let mut tick = interval(pause);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut running: Option<Event> = None;
    loop {
        tick.tick().await;
        seq += 1;
        let event = match &running {
            None => event(&camera, seq, Kind::Start, EventId::new(clock.now().wall, rng.u128(..)), &mut rng, clock),
            Some(last) if rng.u32(0..5) == 0 => end_of(last, seq, clock),
            Some(last) => event(&camera, seq, Kind::Update, last.id, &mut rng, clock),
        };
        running = (event.kind != Kind::End).then(|| event.clone());
        append(&outbox, event, &kept).await;
    }
}

fn end_of(event: &Event, seq: u64, clock: Clock) -> Event {
    let now = clock.now().wall;
    Event { seq, kind: Kind::End, ended_at: Some(now), source: Source::Cache, timing_ms: None, ..event.clone() }
}

/// What senders have said so far.
#[derive(Debug, Default)]
pub struct Heard {
    pub kept: BTreeMap<Key, String>,
    pub opened: u64,
    /// Said again with another id.
    pub faults: Vec<String>,
}

impl Heard {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["opened"] => self.opened += 1,
            ["kept", camera, seq, id] => {
                let key = (camera.to_owned(), seq.parse().unwrap());
                if let Some(before) = self.kept.insert(key, id.to_owned()) {
                    self.faults.push(format!("{camera} {seq} was kept twice, as {before} and as {id}"));
                }
            }
            _ => {}
        }
    }
}

/// A running sender.
#[derive(Debug)]
pub struct Sender {
    child: Child,
    reader: Option<JoinHandle<()>>,
}

impl Sender {
    pub fn start(folder: &Path, plan: Plan, heard: &Arc<Mutex<Heard>>) -> Self {
        let Plan { port, rate } = plan;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(PLAN, format!("{port} {rate} {}", folder.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let heard = Arc::clone(heard);
        let reader = thread::spawn(move || {
            // The last line may have been cut off only between two lines: each is written in one piece.
            stdout.lines().map_while(Result::ok).for_each(|line| heard.lock().unwrap().note(&line));
        });
        Self { child, reader: Some(reader) }
    }

    /// Ends it at this instant, whatever it does, and takes what it had said.
    pub fn kill(&mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None, "the sender ended by itself");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
    }

    /// Its end by itself, if it came within the bound.
    pub fn ended_within(&mut self, bound: Duration, clock: Clock) -> Option<ExitStatus> {
        let begun = clock.now();
        while clock.now().since(begun) < bound {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.reader.take().unwrap().join().unwrap();
                return Some(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
