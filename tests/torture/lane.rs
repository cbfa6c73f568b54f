//! One broker, one listener and one sender, and all that may be done to them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eyewitness::clock::{Clock, Moment};
use fastrand::Rng;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::child::{Heard, Plan, Sender};
use super::judge::ledger::Verdict;
use super::judge::listener::Listener;
use super::judge::proxy::Proxy;
use super::stuck;
use super::support::mosquitto::{Mosquitto, Options};

/// For a sender to be connected again after its longest wait between two tries.
const AGAIN: Duration = Duration::from_secs(90);
/// For the last sender to deliver everything.
const DRAINED: Duration = Duration::from_secs(120);

/// What happens to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outage {
    /// SIGTERM, and a start: it tells its clients and keeps its sessions.
    Stop,
    /// kill -9, and a start.
    Kill,
    /// SIGSTOP, and SIGCONT.
    Freeze,
    /// It comes back without a memory.
    Forget,
    /// It takes one message at a time, and a subscriber that never reads fills what it may hold, until it throws out whoever sends.
    Full,
}

impl Outage {
    pub const ALL: [Self; 5] = [Self::Stop, Self::Kill, Self::Freeze, Self::Forget, Self::Full];
}

#[derive(Debug)]
pub struct Lane {
    pub clock: Clock,
    pub heard: Arc<Mutex<Heard>>,
    pub proxy: Proxy,
    pub listener: Listener,
    pub broker: Mosquitto,
    pub kills: u64,
    rng: Rng,
    folder: TempDir,
    rate: u32,
    sender: Sender,
    lossy: BTreeSet<u32>,
    full: Option<TcpStream>,
}

fn options(more: &str) -> Options {
    // Its queues have no bound: what the broker throws away could not be told from what we lose.
    Options { extra: format!("max_queued_messages 0\n{more}"), ..Options::default() }
}

impl Lane {
    pub async fn start(seed: u64, rate: u32) -> Self {
        let clock = Clock::system();
        let broker = Mosquitto::start(&options(""));
        let proxy = Proxy::start(broker.port(), clock).await;
        let listener = Listener::start(broker.port()).await;
        let (folder, heard) = (tempfile::tempdir().unwrap(), Arc::<Mutex<Heard>>::default());
        let sender = Sender::start(folder.path(), Plan { port: proxy.port(), rate }, &heard);
        Self {
            clock,
            heard,
            proxy,
            listener,
            broker,
            kills: 0,
            rng: Rng::with_seed(seed),
            folder,
            rate,
            sender,
            lossy: BTreeSet::new(),
            full: None,
        }
    }

    fn plan(&self) -> Plan {
        Plan { port: self.proxy.port(), rate: self.rate }
    }

    /// Up to so long.
    pub fn random(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.rng.f64())
    }

    /// Kills the sender at this instant and starts it again.
    pub fn kill_sender(&mut self) {
        self.kills += 1;
        self.sender.kill();
        self.sender = Sender::start(self.folder.path(), self.plan(), &self.heard);
    }

    /// From now on, until [`end`](Self::end).
    pub async fn begin(&mut self, outage: Outage) {
        if outage == Outage::Freeze {
            self.broker.freeze();
            return;
        }
        self.proxy.close();
        let life = self.proxy.with(|record| record.life);
        match outage {
            Outage::Stop | Outage::Freeze => self.broker.stop(),
            Outage::Kill => {
                self.broker.kill();
                self.lossy.insert(life);
            }
            Outage::Forget => {
                self.broker.stop();
                self.broker.forget();
                self.lossy.insert(life);
            }
            Outage::Full => {
                self.broker.stop();
                self.broker.reconfigure(&Options {
                    extra: "max_inflight_messages 1\nmax_queued_messages 1000\nmemory_limit 120000\n".into(),
                    ..Options::default()
                });
                self.back().await;
                self.full = Some(stuck::subscribe(self.broker.port()).await);
                self.fills().await;
            }
        }
    }

    /// The broker is as it should be again.
    pub async fn end(&mut self, outage: Outage) {
        match outage {
            Outage::Freeze => self.broker.thaw(),
            Outage::Stop | Outage::Kill | Outage::Forget => self.back().await,
            Outage::Full => {
                self.proxy.close();
                let life = self.proxy.with(|record| record.life);
                // What it acknowledged and could not put into the listener's queue.
                self.lossy.insert(life);
                self.full = None;
                self.broker.stop();
                self.broker.reconfigure(&options(""));
                self.back().await;
            }
        }
    }

    /// Waits until the broker throws somebody out for want of memory.
    async fn fills(&self) {
        let begun = self.clock.now();
        while !self.broker.log().contains("out of memory") {
            let late = self.clock.now().since(begun) > AGAIN;
            assert!(!late, "the broker did not fill within {AGAIN:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn back(&mut self) {
        self.proxy.with(|record| record.life += 1);
        let before = self.listener.subscriptions();
        self.broker.restart();
        self.listener.subscribed_since(before).await;
        self.proxy.open();
    }

    /// Waits until the broker has acknowledged something after `since`.
    pub async fn delivers_since(&self, since: Moment) {
        let begun = self.clock.now();
        while self.proxy.with(|record| record.acknowledged_at).is_none_or(|at| at <= since) {
            let late = self.clock.now().since(begun) > AGAIN;
            assert!(!late, "nothing was delivered within {AGAIN:?}; the broker:\n{}", self.broker.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills the sender once more, lets a last one deliver what is there, and judges.
    pub async fn finish(&mut self) -> Verdict {
        self.sender.kill();
        let plan = Plan { rate: 0, ..self.plan() };
        let mut last = Sender::start(self.folder.path(), plan, &self.heard);
        let clock = self.clock;
        let ended = tokio::task::spawn_blocking(move || last.ended_within(DRAINED, clock)).await.unwrap();
        assert!(ended.is_some_and(|status| status.success()), "the last sender: {ended:?}");
        self.arrived().await;
        let heard = self.heard.lock().unwrap();
        let mut verdict = self.listener.with(|ledger| {
            ledger.verdict(&heard.kept, |key| {
                self.proxy.with(|record| record.life_of(key)).is_some_and(|life| self.lossy.contains(&life))
            })
        });
        verdict.faults.extend(heard.faults.clone());
        verdict.faults.extend(self.proxy.with(|record| record.faults.clone()));
        let refused = self.proxy.with(|record| record.refusals);
        if refused > 0 {
            verdict.faults.push(format!("the broker refused {refused} events"));
        }
        verdict
    }

    /// Waits while more comes to the listener.
    async fn arrived(&self) {
        let mut before = 0;
        loop {
            sleep(Duration::from_millis(500)).await;
            let now = self.listener.with(|ledger| ledger.events() + ledger.duplicates());
            if now == before {
                return;
            }
            before = now;
        }
    }
}
