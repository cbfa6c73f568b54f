//! The queue against a model: random actions, and what has to hold after each. Test code only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use crate::clock::{Clock, Moment};
use crate::event::{Cause, Event, Kind, Schema, Source};
use crate::ids::{CameraId, EventId, NodeId};

use super::Settings;
use super::index::RowId;
use super::queue::{Contents, Place, Queue, Refusal, goes_last};
use super::row::Listed;

/// An event with nothing in it.
pub(super) fn event(camera: &str, seq: u64) -> Event {
    let at = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    Event {
        schema: Schema,
        id: EventId::new(at, u128::from(seq)),
        seq,
        kind: Kind::Update,
        node: NodeId::new("n").unwrap(),
        camera: CameraId::new(camera).unwrap(),
        started_at: at,
        at,
        ended_at: None,
        description: None,
        confidence: None,
        cause: Cause::Motion,
        source: Source::None,
        reason: None,
        model: None,
        region: None,
        rules: [].into(),
        alert: Vec::new(),
        checked: [].into(),
        snapshot: None,
        timing_ms: None,
        replayed: false,
    }
}

#[derive(Debug, Clone)]
enum Action {
    /// Of which camera, and whether it is an end.
    Append(usize, bool),
    Take,
    /// Which of those that are out, as a fraction.
    Ack(usize),
    Refuse(usize),
    Connect,
    Disconnect,
    Pass(u64),
    /// Writes what is to be written.
    Write,
    /// As that, but the disk says no, having written it or not.
    Fail(bool),
    /// The disk works again.
    Recover,
    /// Reads what is wanted.
    Read,
    /// The disk loses a row, if it has one.
    Lose(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0..3_usize, prop::bool::weighted(0.3)).prop_map(|(camera, end)| Action::Append(camera, end)),
        8 => Just(Action::Take),
        6 => (0..8_usize).prop_map(Action::Ack),
        2 => (0..8_usize).prop_map(Action::Refuse),
        2 => Just(Action::Connect),
        2 => Just(Action::Disconnect),
        2 => (0..4_u64).prop_map(Action::Pass),
        4 => Just(Action::Write),
        1 => any::<bool>().prop_map(Action::Fail),
        2 => Just(Action::Recover),
        4 => Just(Action::Read),
        1 => (0..8_usize).prop_map(Action::Lose),
    ]
}

/// A disk that holds what it was given.
#[derive(Debug, Default)]
struct Disk {
    rows: BTreeMap<RowId, (Listed, Option<Event>)>,
}

impl Disk {
    fn write(&mut self, batch: &super::queue::Batch) {
        for (listed, event) in &batch.inserts {
            self.rows.insert(listed.id, (listed.clone(), Some(Event::clone(event))));
        }
        for id in &batch.removals {
            self.rows.remove(id);
        }
    }

    fn contents(&self) -> Contents {
        let rows = self.rows.values().map(|(listed, _)| listed.clone()).collect();
        Contents { rows, ..Contents::default() }
    }
}

/// Reads for the queue until it wants nothing.
fn feed(queue: &mut Queue, disk: &Disk, now: Moment) {
    for id in queue.wanted() {
        let event = disk.rows.get(&id).and_then(|(_, event)| event.clone());
        queue.read(id, event, now);
    }
}

proptest! {
    /// Whatever happens: rows come in order, cameras in turn, the bounds hold, ends go last, `replayed` is told rightly,
    /// only what is on the disk is offered while it works, and each row that was appended waits, was acknowledged, was
    /// evicted, was refused or was lost by the disk, and is counted there once.
    #[test]
    fn nothing_is_lost_uncounted(
        actions in proptest::collection::vec(action(), 0..200),
        fits in 1..12_u64,
        in_memory: bool,
    ) {
        let size = event("a", 100).to_json().len() as u64;
        let (max_size, max_age) = (fits * size, Duration::from_secs(6));
        let settings = Settings { max_size, max_age, ..Settings::default() };
        let mut queue = Queue::new(if in_memory { Place::Memory } else { Place::Disk }, &settings);
        let mut disk = Disk::default();
        let mut now = Clock::system().now();
        queue.contact(Contents::default(), now);
        let (mut appended, mut connection, mut connections) = (0_u64, None, 0);
        // Sequence number → connection at the time it was appended, and whether it goes last.
        let mut born = BTreeMap::new();
        let mut out: Vec<(RowId, u64)> = vec![];
        let mut last_offered = BTreeMap::new();
        let mut refused_back = BTreeSet::new();
        for action in actions {
            match action {
                Action::Append(camera, end) => {
                    appended += 1;
                    let mut event = event(["a", "b", "c"][camera], 99 + appended);
                    event.kind = if end { Kind::End } else { Kind::Update };
                    born.insert(99 + appended, connection);
                    queue.expire(now);
                    let before = queue.classes();
                    let bytes = event.to_json().len();
                    let last = goes_last(&event);
                    let (id, removed) = queue.append(event, bytes, now);
                    let after = queue.classes();
                    let gone: Vec<bool> = before.iter().filter(|row| !after.contains(row)).map(|row| row.1).collect();
                    let at_once = !after.contains(&(id, last));
                    prop_assert_eq!(removed.rows, gone.len() as u64 + u64::from(at_once));
                    if gone.contains(&true) {
                        prop_assert!(after.iter().all(|row| row.1), "an end went before another");
                    }
                }
                Action::Take => {
                    queue.expire(now);
                    if let Some(offer) = queue.take() {
                        let seq = offer.event.seq;
                        prop_assert!(out.iter().all(|(row, _)| *row != offer.row), "offered twice");
                        let last = last_offered.entry(offer.event.camera.clone()).or_insert(0);
                        prop_assert!(seq > *last || refused_back.remove(&seq), "out of order");
                        *last = seq.max(*last);
                        prop_assert_eq!(offer.event.replayed, connection.is_none() || born[&seq] != connection);
                        let safe = queue.place() != Place::Disk || disk.rows.contains_key(&offer.row);
                        prop_assert!(safe, "offered before it was on the disk");
                        out.push((offer.row, seq));
                    }
                }
                Action::Ack(which) if !out.is_empty() => {
                    let (row, _) = out.remove(which % out.len());
                    queue.ack(row, now);
                }
                Action::Refuse(which) if !out.is_empty() => {
                    let (row, seq) = out.remove(which % out.len());
                    if queue.refuse(row, now) == Refusal::Again {
                        refused_back.insert(seq);
                    }
                }
                Action::Connect | Action::Disconnect => {
                    if matches!(action, Action::Connect) {
                        connections += 1;
                        connection = Some(connections);
                        queue.connected();
                    } else {
                        connection = None;
                        queue.disconnected();
                    }
                    out.clear();
                    last_offered.clear();
                }
                Action::Pass(seconds) => now = now.plus(Duration::from_secs(seconds)),
                Action::Write if queue.place() == Place::Disk => {
                    let batch = queue.batch(now);
                    disk.write(&batch);
                    queue.written(&batch);
                }
                Action::Fail(written) if queue.place() == Place::Disk => {
                    let batch = queue.batch(now);
                    if written {
                        disk.write(&batch);
                    }
                    queue.failing(now);
                }
                Action::Recover if queue.place() == Place::Failing => {
                    queue.contact(disk.contents(), now);
                    let removals = queue.removals_only();
                    disk.write(&removals);
                    let batch = queue.batch(now);
                    disk.write(&batch);
                    queue.written(&batch);
                }
                Action::Read if queue.place() == Place::Disk => feed(&mut queue, &disk, now),
                Action::Lose(which) if !disk.rows.is_empty() => {
                    let which = which % disk.rows.len();
                    disk.rows.values_mut().nth(which).unwrap().1 = None;
                }
                _ => {}
            }
            let stats = queue.stats();
            prop_assert!(stats.bytes <= max_size);
            let gone = stats.acked_total + stats.evicted_total + stats.refused_total + stats.unreadable_total;
            prop_assert_eq!(stats.rows + gone, appended);
        }
        if !in_memory {
            queue.contact(disk.contents(), now);
            let batch = queue.batch(now);
            disk.write(&batch);
            queue.written(&batch);
            // What is known and what is on the disk is the same then.
            let known: Vec<RowId> = queue.classes().into_iter().map(|row| row.0).collect();
            prop_assert_eq!(known, disk.rows.keys().copied().collect::<Vec<_>>());
        }
        queue.disconnected();
        queue.expire(now);
        let mut rest = vec![];
        loop {
            match queue.take() {
                Some(offer) => rest.push((offer.event.camera, offer.row)),
                None if queue.is_hungry() => feed(&mut queue, &disk, now),
                None => break,
            }
        }
        prop_assert_eq!(rest.len() as u64, queue.stats().rows);
        // Cameras in turn, as far as nothing has to be read first: whoever is served again has waited for everybody who
        // still has something.
        for (at, (camera, row)) in rest.iter().enumerate() {
            prop_assert!(rest[at..].iter().all(|later| later.0 != *camera || later.1 >= *row), "out of order");
            if !in_memory {
                continue;
            }
            let Some(again) = rest[at + 1..].iter().position(|later| later.0 == *camera) else { continue };
            let between = &rest[at + 1..at + 1 + again];
            for later in &rest[at + 1 + again..] {
                let had_its_turn = later.0 == *camera || between.iter().any(|served| served.0 == later.0);
                prop_assert!(had_its_turn, "{} was passed over for {}", later.0, camera);
            }
        }
    }
}
