//! The queue against a model: random actions, and what has to hold after each. Test code only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use crate::clock::Clock;
use crate::event::{Cause, Event, Kind, Schema, Source};
use crate::ids::{CameraId, EventId, NodeId};

use super::Settings;
use super::index::RowId;
use super::queue::{Place, Queue, Refusal};

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
        checked: [].into(),
        timing_ms: None,
        replayed: false,
    }
}

#[derive(Debug, Clone)]
enum Action {
    Append(usize),
    Take,
    /// Which of those that are out, as a fraction.
    Ack(usize),
    Refuse(usize),
    Connect,
    Disconnect,
    Pass(u64),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0..3_usize).prop_map(Action::Append),
        4 => Just(Action::Take),
        3 => (0..8_usize).prop_map(Action::Ack),
        1 => (0..8_usize).prop_map(Action::Refuse),
        1 => Just(Action::Connect),
        1 => Just(Action::Disconnect),
        1 => (0..4_u64).prop_map(Action::Pass),
    ]
}

proptest! {
    /// Whatever happens: rows come in order, the bounds hold, `replayed` is told rightly, and each row that was
    /// appended waits, was acknowledged, was evicted or was refused, and is counted there once.
    #[test]
    fn nothing_is_lost_uncounted(actions in proptest::collection::vec(action(), 0..200), fits in 1..12_u64) {
        let size = event("a", 100).to_json().len() as u64;
        let (max_size, max_age) = (fits * size, Duration::from_secs(6));
        let settings = Settings { max_size, max_age, ..Settings::default() };
        let mut queue = Queue::new(Place::Memory, &settings);
        let mut now = Clock::system().now();
        let (mut appended, mut connection, mut connections) = (0_u64, None, 0);
        // Sequence number → connection at the time it was appended.
        let mut born = BTreeMap::new();
        let mut out: Vec<(RowId, u64)> = vec![];
        let mut last_offered = BTreeMap::new();
        let mut refused_back = BTreeSet::new();
        for action in actions {
            match action {
                Action::Append(camera) => {
                    appended += 1;
                    born.insert(99 + appended, connection);
                    queue.append(event(["a", "b", "c"][camera], 99 + appended), size as usize, now);
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
                Action::Ack(_) | Action::Refuse(_) => {}
            }
            let stats = queue.stats();
            prop_assert!(stats.bytes <= max_size);
            prop_assert_eq!(
                stats.rows + stats.acked_total + stats.evicted_total + stats.refused_total,
                appended
            );
        }
        queue.disconnected();
        queue.expire(now);
        let waiting = queue.stats().rows;
        let rest: Vec<u64> = std::iter::from_fn(|| queue.take()).map(|offer| offer.event.seq).collect();
        prop_assert_eq!(rest.len() as u64, waiting);
    }
}
