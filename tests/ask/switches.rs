//! A camera that is turned off stops decoding, stays off over restarts and reloads, and says so.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eyewitness::analyst::Ask;
use eyewitness::ask::{Refusal, Request};
use eyewitness::clock::Clock;
use eyewitness::config::Config;
use eyewitness::event::{Event, Kind};
use eyewitness::frame::Frame;
use eyewitness::gate::Motion;
use eyewitness::health::CameraState;
use eyewitness::ids::CameraId;
use eyewitness::outbox::Outbox;
use eyewitness::pipeline::{Audience, Pipeline};
use eyewitness::source;
use eyewitness::telemetry::Metrics;
use eyewitness::vlm::{Answer, AskError, Question};
use tokio::time::{sleep, timeout};

const BOUND: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Says something at once: what is said does not matter here.
struct Quick;

impl Ask for Quick {
    async fn ask(&self, _question: Question) -> Result<Answer, AskError> {
        Ok(Answer { text: "A ball.".into(), confidence: 0.5, tokens: 3, ..Answer::default() })
    }

    fn label(&self) -> &str {
        "quick/one@test"
    }
}

#[derive(Default)]
struct Heard {
    frames: AtomicU64,
    events: Mutex<Vec<Event>>,
}

impl Audience for Heard {
    fn event(&self, event: &Event) {
        self.events.lock().unwrap().push(event.clone());
    }

    fn observed(&self, camera: &CameraId, _frame: &Frame, _motion: &Motion) {
        if camera.as_str() == "door" {
            self.frames.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn id(name: &str) -> CameraId {
    CameraId::new(name).unwrap()
}

/// With the state in this folder, if there is one.
fn config(state: Option<&Path>, cameras: &str) -> Config {
    let state = state.map(|folder| folder.display().to_string());
    let environment = |name: &str| state.clone().filter(|_| name == "STATE_DIRECTORY");
    let text = format!("node = \"box\"\n[outbox]\npath = \"off\"\n{cameras}");
    Config::parse("test", &text, &environment).unwrap().config
}

fn camera(id: &str, more: &str) -> String {
    format!("[[camera]]\nid = \"{id}\"\nurl = \"test://ball\"\n{more}\n")
}

fn start(config: &Config) -> (Pipeline, Arc<Heard>) {
    source::init().unwrap();
    let (clock, heard) = (Clock::system(), Arc::new(Heard::default()));
    let outbox = Outbox::new(&config.outbox, clock);
    let pipeline = Pipeline::start(config, Quick, outbox, Arc::new(Metrics::new()), clock, heard.clone());
    (pipeline, heard)
}

/// Waits until the camera is so; why it is.
async fn is(pipeline: &Pipeline, camera: &str, state: CameraState) -> String {
    let becomes = async {
        loop {
            let cameras = pipeline.cameras();
            let health = cameras.iter().find(|(found, _)| *found == id(camera)).unwrap().1.borrow().clone();
            if health.state == state {
                return health.reason;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(BOUND, becomes).await.unwrap_or_else(|_| panic!("`{camera}` does not become {state:?}"))
}

async fn until(what: &str, mut wanted: impl FnMut() -> bool) {
    let becomes = async {
        while !wanted() {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(BOUND, becomes).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

async fn asked(pipeline: &Pipeline) -> Result<String, Refusal> {
    let request = Request { camera: id("door"), ask: "What is there?".into(), max_tokens: None };
    timeout(BOUND, pipeline.desk().ask(request)).await.unwrap().map(|reply| reply.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_is_turned_off_stays_off_until_it_is_turned_on() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let file = state.join("switches.json");
    let both = config(Some(&state), &(camera("door", "") + &camera("yard", "")));
    let (mut pipeline, heard) = start(&both);
    is(&pipeline, "door", CameraState::Online).await;
    is(&pipeline, "yard", CameraState::Online).await;
    until("a start", || heard.events.lock().unwrap().iter().any(|event| event.camera == id("door"))).await;
    until("a frame to ask about", || heard.frames.load(Ordering::Relaxed) > 5).await;
    assert_eq!(asked(&pipeline).await, Ok("A ball.".into()));
    let yard = pipeline.cameras()[1].1.borrow().since;

    pipeline.desk().enable(&id("door"), false).unwrap();
    assert_eq!(is(&pipeline, "door", CameraState::Disabled).await, "turned off");
    let frames = heard.frames.load(Ordering::Relaxed);
    let refusal = asked(&pipeline).await.unwrap_err();
    assert_eq!(refusal.to_string(), "the camera is disabled: turned off");
    let last = || heard.events.lock().unwrap().iter().rfind(|event| event.camera == id("door")).cloned();
    until("the end of what went on", || last().is_some_and(|event| event.kind == Kind::End)).await;
    // On a busy machine it may have ended by itself just before; it was not lost, in any case.
    let reason = last().unwrap().reason;
    assert!([None, Some("the camera was turned off")].contains(&reason.as_deref()), "{reason:?}");
    until("the switch on the disk", || file.exists()).await;
    // Neither the other camera nor a reload notices; nothing is decoded meanwhile.
    let applied = pipeline.apply(&both).await;
    assert_eq!((applied.changed.len(), applied.needs_restart.len()), (0, 0));
    assert_eq!(is(&pipeline, "door", CameraState::Disabled).await, "turned off");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(heard.frames.load(Ordering::Relaxed), frames);
    assert_eq!(pipeline.cameras()[1].1.borrow().since, yard);
    assert!(pipeline.stop().await);

    // At the next start it is as it was left, whatever the config says.
    let (pipeline, heard) = start(&both);
    assert_eq!(is(&pipeline, "door", CameraState::Disabled).await, "turned off");
    is(&pipeline, "yard", CameraState::Online).await;
    assert_eq!(heard.frames.load(Ordering::Relaxed), 0);
    // What is said in a hurry is done in order.
    for on in [true, false, true] {
        pipeline.desk().enable(&id("door"), on).unwrap();
    }
    // The other camera's order comes after them: once it is carried out, so are all of these.
    for (on, state) in [(false, CameraState::Disabled), (true, CameraState::Online)] {
        pipeline.desk().enable(&id("yard"), on).unwrap();
        is(&pipeline, "yard", state).await;
    }
    is(&pipeline, "door", CameraState::Online).await;
    until("on, on the disk", || std::fs::read_to_string(&file).unwrap().contains("\"door\": \"on\"")).await;
    assert!(pipeline.stop().await);

    // The switch wins over the config until it is set again, and leaves with its camera.
    let disabled = config(Some(&state), &(camera("door", "enabled = false") + &camera("yard", "")));
    let (mut pipeline, _) = start(&disabled);
    is(&pipeline, "door", CameraState::Online).await;
    pipeline.apply(&config(Some(&state), &camera("yard", ""))).await;
    assert_eq!(pipeline.desk().enable(&id("door"), true), Err(Refusal::NoCamera("door".into())));
    pipeline.apply(&disabled).await;
    assert_eq!(is(&pipeline, "door", CameraState::Disabled).await, "disabled in the config");
    assert!(pipeline.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_and_no_folder_are_no_reason_not_to_watch() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("switches.json"), "{\"door\":").unwrap();
    let (pipeline, _) = start(&config(Some(folder.path()), &camera("door", "")));
    is(&pipeline, "door", CameraState::Online).await;
    assert!(folder.path().join("switches.json.damaged").exists());
    assert!(pipeline.stop().await);

    let (pipeline, _) = start(&config(None, &camera("door", "")));
    is(&pipeline, "door", CameraState::Online).await;
    pipeline.desk().enable(&id("door"), false).unwrap();
    // With every camera off there is nothing to watch, and no end either.
    assert_eq!(is(&pipeline, "door", CameraState::Disabled).await, "turned off");
    pipeline.desk().enable(&id("door"), true).unwrap();
    is(&pipeline, "door", CameraState::Online).await;
    assert!(pipeline.stop().await);
}
