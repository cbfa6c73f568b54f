//! Rules on a film with a known story, by the real model: a cat walks in before a still life, and out again.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eyewitness::analyst::Ruling;
use eyewitness::clock::Clock;
use eyewitness::config::Config;
use eyewitness::event::{Cause, Event, Kind, Source, YesNo};
use eyewitness::frame::Frame;
use eyewitness::ids::CameraId;
use eyewitness::pipeline::{Audience, Pipeline};
use eyewitness::rules::State;
use eyewitness::telemetry::Metrics;
use eyewitness::vlm::{Model, Provider, Settings};
use support::scene::{AFTER, BEFORE, VISIT};

#[derive(Default)]
struct Heard {
    events: Mutex<Vec<Event>>,
    /// Seconds into the film, rule, answer.
    rulings: Mutex<Vec<(f64, Ruling)>>,
}

impl Audience for Heard {
    fn event(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }

    fn ruled(&self, _: &CameraId, frame: &Frame, ruling: &Ruling) {
        let at = frame.at.wall.duration_since(START.parse().unwrap()).as_secs_f64();
        self.rulings.lock().unwrap().push((at, ruling.clone()));
    }
}

impl Heard {
    fn of(&self, rule: &str) -> Vec<(f64, Ruling)> {
        let all = self.rulings.lock().unwrap();
        all.iter().filter(|(_, ruling)| ruling.rule.as_str() == rule).cloned().collect()
    }

    /// When the rule went over to this state, in seconds.
    fn turns(&self, rule: &str, state: State) -> Vec<f64> {
        let all = self.of(rule);
        let before = std::iter::once(State::Unsure).chain(all.iter().map(|(_, ruling)| ruling.state));
        all.iter()
            .zip(before)
            .filter(|((_, is), was)| is.state == state && *was != state)
            .map(|((at, _), _)| *at)
            .collect()
    }
}

const START: &str = "2026-11-23T09:00:00Z";

/// The visit, in seconds into the film.
const CAME: f64 = BEFORE as f64;
const GONE: f64 = (BEFORE + VISIT) as f64;
const END: f64 = (BEFORE + VISIT + AFTER) as f64;

fn model(clock: Clock) -> Arc<Model> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    Arc::new(Model::start(Settings { provider: Provider::Cpu, threads: 1, ..Settings::new(folder) }, clock).unwrap())
}

/// The film before one camera with these rules. `state` is where calibrations lie.
async fn watch(film: &Path, state: &Path, model: &Arc<Model>, rules: &str) -> Arc<Heard> {
    let film = serde_json::Value::from(film.to_str().unwrap());
    let text = format!("node = \"test\"\n[[camera]]\nid = \"table\"\nurl = {film}\npace = \"fast\"\n{rules}");
    let config = Config::parse("test", &text, &|name| (name == "STATE_DIRECTORY").then(|| state.display().to_string()));
    let config = config.unwrap().config;
    let heard = Arc::new(Heard::default());
    let clock = Clock::system().with_clips_from(START.parse().unwrap());
    let mut pipeline = Pipeline::replay(&config, model.clone(), 1, Arc::new(Metrics::new()), clock, heard.clone());
    tokio::time::timeout(Duration::from_secs(120), pipeline.ended()).await.expect("the film is over");
    heard
}

const CAT: &str = "[[camera.rule]]\nid = \"cat\"\nask = \"Is there a cat?\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_cat_comes_and_goes() {
    eyewitness::source::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    support::scene::large_film(&film);
    let model = model(Clock::system());
    let watch = async |rules: &str| watch(&film, folder.path(), &model, rules).await;

    // With the event's own messages: on at its start, off at its end, and the alert is in the start.
    let heard = watch(&format!("{CAT}alert = true\n")).await;
    let (on, off) = (heard.turns("cat", State::On), heard.turns("cat", State::Off));
    assert!(on.len() == 1 && (CAME..CAME + 2.0).contains(&on[0]), "{:?}", heard.of("cat"));
    assert!(off.len() == 1 && (GONE..END).contains(&off[0]), "{:?}", heard.of("cat"));
    let events = heard.events.lock().unwrap().clone();
    let alerts: Vec<_> = events.iter().map(|event| (event.kind, event.alert.len())).collect();
    assert_eq!((alerts[0], alerts.iter().map(|(_, alerts)| alerts).sum()), ((Kind::Start, 1), 1), "{alerts:?}");
    let end = events.last().unwrap();
    assert_eq!((end.kind, end.rules.values().next().unwrap().answer), (Kind::End, YesNo::No));
    // The words are those of the last picture with the cat; the answers are about the view without it.
    assert_eq!(end.source, Source::Cache);

    // Two of three: nothing waits for the next event, neither on nor off.
    let heard = watch(&format!("{CAT}agree = \"2 of 3\"\nalert = true\n")).await;
    let (on, off) = (heard.turns("cat", State::On), heard.turns("cat", State::Off));
    assert!(on.len() == 1 && (CAME + 1.0..CAME + 4.0).contains(&on[0]), "{:?}", heard.of("cat"));
    assert!(off.len() == 1 && (GONE..END).contains(&off[0]), "{:?}", heard.of("cat"));
    let events = heard.events.lock().unwrap().clone();
    let told: Vec<_> = events.iter().filter(|event| !event.alert.is_empty()).collect();
    assert!(told.len() == 1 && told[0].kind == Kind::Update && told[0].cause == Cause::Rule, "{told:?}");
    assert!(told[0].id == events[0].id && told[0].description.is_some() && told[0].region.is_none());
    drop(events);

    // A part of the picture in which it never is, a question of its own way round, and one that always is.
    let corner = "region = [[0.0, 0.0], [0.3, 0.0], [0.3, 0.3], [0.0, 0.3]]";
    let rules = format!(
        "{CAT}{corner}\n[[camera.rule]]\nid = \"coffee\"\nask = \"Is there a cup?\"\nask_negated = \"Is there no cup?\"\n\
         when = \"always\"\nevery = \"2s\"\n[[camera.rule]]\nid = \"held\"\nask = \"Is there a cat?\"\nhold = \"1h\"\n\
         when = \"1s\"\n"
    );
    let heard = watch(&rules).await;
    assert!(heard.turns("cat", State::On).is_empty(), "{:?}", heard.of("cat"));
    let asked: Vec<f64> = heard.of("coffee").iter().map(|(at, _)| *at).collect();
    assert!(asked[0] < 0.5 && asked.iter().filter(|at| **at < CAME).count() == 2, "{asked:?}");
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 2.2), "{asked:?}");
    assert!(heard.turns("held", State::Off).is_empty() && heard.turns("held", State::On).len() == 1);
    let while_there = heard.of("held").iter().filter(|(at, _)| (CAME..GONE).contains(at)).count();
    assert!(while_there >= 4, "{:?}", heard.of("held"));
}

/// While nothing moves, an alerting rule that turns on makes an event of its own. And what a model's "yes" is worth is measured:
/// with a calibration that turns it round, the empty table has the cat.
#[tokio::test(flavor = "multi_thread")]
async fn a_calibration_has_the_last_word() {
    eyewitness::source::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    support::scene::large_film(&film);
    let model = model(Clock::system());
    let calibration = serde_json::json!({
        "schema": "eyewitness.calibration.v1",
        "entries": [{"model": "tiny/int8", "ask": "is there a  CAT?", "isotonic": [[0.0, 0.97], [1.0, 0.97]]}],
    });
    fs::write(folder.path().join("calibration.json"), calibration.to_string()).unwrap();
    let rules = format!("{CAT}when = \"always\"\nevery = \"5s\"\nalert = true\n");
    let heard = watch(&film, folder.path(), &model, &rules).await;
    let first = &heard.of("cat")[0].1;
    assert!(first.calibrated && (first.p - 0.97).abs() < 1e-3 && first.turned_on, "{first:?}");
    let events = heard.events.lock().unwrap().clone();
    let two: Vec<_> = events[..2].iter().map(|event| (event.kind, event.cause, event.id == events[0].id)).collect();
    assert_eq!(two, [(Kind::Start, Cause::Rule, true), (Kind::End, Cause::Rule, true)]);
    assert_eq!((events[0].alert.len(), events[1].alert.len()), (1, 0));
    assert!(events[0].description.is_some() && events[1].ended_at == Some(events[0].at));
    // The visit comes after it, with numbers that go on.
    assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
    assert!(events.iter().filter(|event| event.kind == Kind::Start).count() >= 2);
}
