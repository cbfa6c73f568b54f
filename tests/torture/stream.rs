//! Events as a gate and a model would make them, and what delivers them.

use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::event::{Cause, Event, Kind, RuleAnswer, Schema, Source, TimingMs, YesNo};
use eyewitness::ids::{CameraId, EventId, NodeId, RuleId};
use eyewitness::mqtt::{Connection, Inputs, Settings};
use eyewitness::outbox::Outbox;
use eyewitness::units::Region;
use fastrand::Rng;
use tokio::sync::watch;

pub fn settings(port: u16) -> Settings {
    Settings { keep_alive: Duration::from_secs(5), ..Settings::new(NodeId::new("box").unwrap(), "127.0.0.1", port) }
}

/// What the pipeline would make for [`mqtt::run`], without a camera.
pub fn inputs(outbox: &Arc<Outbox>, clock: Clock) -> Inputs {
    Inputs {
        version: "0.0.0-test",
        outbox: Arc::clone(outbox),
        cameras: watch::channel(Arc::from([])).1,
        rules: watch::channel(Arc::default()).1,
        snapshots: watch::channel(Arc::default()).1,
        desk: Arc::new(()),
        connection: watch::channel(Connection::starting(clock.now().wall)).0,
        stats: Arc::new(|| serde_json::json!({})),
        clock,
    }
}

/// About as large as events are, and no two alike.
pub fn event(camera: &CameraId, seq: u64, kind: Kind, id: EventId, rng: &mut Rng, clock: Clock) -> Event {
    let at = clock.now().wall;
    let words = ["A man", "in a dark jacket", "walks to the table", "and a dog", "with a red collar", "stands there"];
    let count = rng.usize(4..16);
    let sentence = (0..count).map(|_| words[rng.usize(..words.len())]).collect::<Vec<_>>().join(" ");
    let rule = |n: usize, p: f32| {
        (RuleId::new(&format!("rule{n}")).unwrap(), RuleAnswer { answer: YesNo::from_probability(p), p })
    };
    let rules = (0..rng.usize(0..4)).map(|n| rule(n, rng.f32())).collect();
    Event {
        schema: Schema,
        id,
        seq,
        kind,
        node: NodeId::new("box").unwrap(),
        camera: camera.clone(),
        started_at: at,
        at,
        ended_at: None,
        description: Some(format!("{sentence}, number {:08x}.", rng.u32(..))),
        confidence: Some(rng.f32()),
        cause: Cause::Motion,
        source: Source::Model,
        reason: None,
        model: Some("tiny/int8@cpu".into()),
        region: Some(Region { x: rng.f32() / 2.0, y: 0.25, w: 0.25, h: 0.5 }),
        rules,
        alert: Vec::new(),
        checked: [("person".to_owned(), rng.f32())].into(),
        snapshot: None,
        timing_ms: Some(TimingMs { total: rng.f32() * 100.0, ..TimingMs::default() }),
        replayed: false,
    }
}
