//! The whole outbox against a model: whatever happens, nothing that was kept is lost.
//!
//! `EYEWITNESS_CRASH_CASES` says how many stories are told; the default is quick.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

use super::*;

#[derive(Debug, Clone)]
enum Action {
    Append(usize),
    /// Waits for all receipts.
    Kept,
    Take,
    /// Which of those that are out.
    Ack(usize),
    Refuse(usize),
    Connect,
    Disconnect,
    /// After so many writes, so many fail.
    Break(u32, u32),
    Heal,
    CutPower(u64),
    Close,
    Pause,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => (0..3_usize).prop_map(Action::Append),
        4 => Just(Action::Kept),
        8 => Just(Action::Take),
        6 => (0..8_usize).prop_map(Action::Ack),
        1 => (0..8_usize).prop_map(Action::Refuse),
        1 => Just(Action::Connect),
        1 => Just(Action::Disconnect),
        1 => (0..30_u32, 1..60_u32).prop_map(|(works, fails)| Action::Break(works, fails)),
        1 => Just(Action::Heal),
        1 => any::<u64>().prop_map(Action::CutPower),
        1 => Just(Action::Close),
        1 => Just(Action::Pause),
    ]
}

type Key = (usize, u64);

/// What has to be so.
#[derive(Debug, Default)]
struct Model {
    /// Everything that was appended, by its words, since a number may be used again after a loss.
    appended: BTreeMap<Key, u64>,
    /// Its receipt came, with the disk in order.
    safe: BTreeSet<Key>,
    /// Its receipt came, with the disk out of order.
    in_memory: BTreeSet<Key>,
    /// Acknowledged or refused for good; what went in an earlier run may come again if its removal was not committed.
    gone: BTreeSet<Key>,
    /// The disk failed in this run: what was only in memory may be lost, and leaves a gap that tells of it.
    broken: bool,
    out: Vec<(RowId, Key)>,
    seq: [u64; 3],
    last_offered: [u64; 3],
    refused_back: BTreeSet<Key>,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

struct Story {
    flash: Flash,
    outbox: Outbox,
    model: Model,
    receipts: Vec<(Key, Receipt)>,
    stamp: u64,
}

impl Story {
    fn new() -> Self {
        let flash = Flash::default();
        let outbox = start(&flash, &unbounded());
        outbox.connected();
        Self { flash, outbox, model: Model::default(), receipts: vec![], stamp: 0 }
    }

    async fn append(&mut self, which: usize) {
        self.model.seq[which] += 1;
        let key = (which, self.model.seq[which]);
        self.stamp += 1;
        self.model.appended.insert(key, self.stamp);
        self.model.gone.remove(&key);
        self.model.safe.remove(&key);
        let mut event = event(NAMES[which], key.1);
        event.description = Some(self.stamp.to_string());
        let receipt = bounded(self.outbox.append(event)).await;
        self.receipts.push((key, receipt));
    }

    async fn kept(&mut self) {
        for (key, receipt) in self.receipts.drain(..) {
            bounded(receipt.kept()).await;
            self.model.in_memory.insert(key);
        }
        if self.outbox.keeping() == Keeping::Disk {
            let mut now = std::mem::take(&mut self.model.in_memory);
            self.model.safe.append(&mut now);
        }
    }

    fn take(&mut self) -> Result<bool, TestCaseError> {
        let Some(offer) = self.outbox.take() else { return Ok(false) };
        let which = NAMES.iter().position(|name| *name == offer.event.camera.as_str()).unwrap();
        let key = (which, offer.event.seq);
        prop_assert!(self.model.out.iter().all(|(_, out)| *out != key), "{:?} is out twice", key);
        prop_assert!(!self.model.gone.contains(&key), "{:?} was acknowledged in this run", key);
        let stamp = self.model.appended.get(&key).map(u64::to_string);
        prop_assert_eq!(&offer.event.description, &stamp, "these are other words");
        let last = &mut self.model.last_offered[which];
        prop_assert!(key.1 > *last || self.model.refused_back.remove(&key), "{:?} after {}", key, last);
        *last = key.1.max(*last);
        self.model.out.push((offer.row, key));
        Ok(true)
    }

    fn all_again(&mut self) {
        self.model.out.clear();
        self.model.refused_back.clear();
        self.model.last_offered = [0; 3];
    }

    /// The process ends and begins again, on what the disk holds.
    async fn reopen(&mut self, clean: bool) -> Result<(), TestCaseError> {
        self.flash.heal();
        self.outbox = start(&self.flash, &unbounded());
        self.outbox.connected();
        self.all_again();
        self.receipts.clear();
        let must: BTreeSet<Key> = self.model.safe.difference(&self.model.gone).copied().collect();
        let mut may = std::mem::take(&mut self.model.gone);
        let mut found = BTreeSet::new();
        let rows = self.outbox.stats().rows;
        let mut patience = 0;
        while (found.len() as u64) < rows {
            if !self.take()? {
                patience += 1;
                prop_assert!(patience < 5000, "{} of {} rows came", found.len(), rows);
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
            let key = self.model.out.last().unwrap().1;
            prop_assert!(found.insert(key));
            prop_assert!(!clean || !may.contains(&key), "{:?} was acknowledged before the outbox was closed", key);
        }
        let lost: Vec<_> = must.difference(&found).collect();
        prop_assert!(lost.is_empty(), "lost: {:?}, found {:?}", lost, found);
        may.retain(|key| !found.contains(key));
        for (which, name) in NAMES.iter().enumerate() {
            let last = self.outbox.last_seq(&camera(name));
            for seq in 1..=last {
                let key = (which, seq);
                let known = found.contains(&key) || may.contains(&key);
                prop_assert!(known || self.model.broken, "{:?} is a gap below {}", key, last);
                if !known {
                    may.insert(key);
                }
            }
            prop_assert!(found.iter().all(|key| key.0 != which || key.1 <= last), "numbers go back: {}", last);
            self.model.seq[which] = last;
        }
        self.model.gone = may;
        self.model.safe = found.union(&self.model.gone).copied().collect();
        self.model.in_memory.clear();
        self.model.broken = false;
        self.outbox.disconnected();
        self.outbox.connected();
        self.all_again();
        Ok(())
    }

    async fn act(&mut self, action: Action) -> Result<(), TestCaseError> {
        match action {
            Action::Append(which) => self.append(which).await,
            Action::Kept => self.kept().await,
            Action::Take => _ = self.take()?,
            Action::Ack(which) if !self.model.out.is_empty() => {
                let (row, key) = self.model.out.remove(which % self.model.out.len());
                prop_assert!(self.outbox.ack(row));
                self.model.gone.insert(key);
            }
            Action::Refuse(which) if !self.model.out.is_empty() => {
                let (row, key) = self.model.out.remove(which % self.model.out.len());
                if self.outbox.refuse(row) == Refusal::Again {
                    self.model.refused_back.insert(key);
                } else {
                    self.model.gone.insert(key);
                }
            }
            Action::Ack(_) | Action::Refuse(_) => {}
            Action::Connect | Action::Disconnect => {
                if matches!(action, Action::Connect) {
                    self.outbox.connected();
                } else {
                    self.outbox.disconnected();
                }
                self.all_again();
            }
            Action::Break(works, fails) => {
                self.flash.break_after(works, fails);
                self.model.broken = true;
            }
            Action::Heal => self.flash.heal(),
            Action::Pause => tokio::time::sleep(Duration::from_millis(2)).await,
            Action::CutPower(seed) => {
                self.flash.cut_power(&mut fastrand::Rng::with_seed(seed));
                self.reopen(false).await?;
            }
            Action::Close => {
                self.kept().await;
                self.flash.heal();
                bounded(self.outbox.close()).await;
                // A disk that worked again at the last moment has all of it.
                let mut now = std::mem::take(&mut self.model.in_memory);
                self.model.safe.append(&mut now);
                self.reopen(true).await?;
            }
        }
        Ok(())
    }
}

#[test]
fn nothing_that_was_kept_is_lost() {
    let cases = std::env::var("EYEWITNESS_CRASH_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(48);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    // The thread's timing is not in the seed: what failed once may pass the next time.
    let config =
        Config { cases, failure_persistence: Some(Box::new(FileFailurePersistence::Off)), ..Config::default() };
    proptest!(config, |(actions in prop::collection::vec(action(), 0..160), seed: u64)| {
        runtime.block_on(async {
            let mut story = Story::new();
            for action in actions {
                story.act(action).await?;
            }
            story.act(Action::CutPower(seed)).await?;
            // Power that goes is no damage: the database gets over it.
            prop_assert_eq!(story.flash.state().aside.len(), 0);
            Ok(())
        })?;
    });
}
