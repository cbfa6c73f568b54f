//! Somebody who answers questions, as the pipeline would.

use std::fmt;
use std::sync::Mutex;

use eyewitness::ask::{Answering, Desk, Refusal, Reply, Request};
use eyewitness::clock::Clock;
use eyewitness::event::TimingMs;
use eyewitness::ids::CameraId;

type Answers = Box<dyn Fn(Request) -> Answering + Send + Sync>;

/// Answers as it is told, and writes down what it was asked and ordered.
pub(crate) struct Clerk {
    answers: Answers,
    pub(crate) asked: Mutex<Vec<Request>>,
    pub(crate) ordered: Mutex<Vec<(String, bool)>>,
}

impl Clerk {
    pub(crate) fn new(answers: impl Fn(Request) -> Answering + Send + Sync + 'static) -> Self {
        Self { answers: Box::new(answers), asked: Mutex::default(), ordered: Mutex::default() }
    }

    /// Knows the camera `door`, and says what it was asked.
    pub(crate) fn echo() -> Self {
        Self::new(|request| Box::pin(async move { reply(&request) }))
    }
}

pub(crate) fn reply(request: &Request) -> Result<Reply, Refusal> {
    match request.camera.as_str() {
        "door" => Ok(Reply {
            camera: request.camera.clone(),
            ask: request.ask.clone(),
            text: format!("You asked: {}", request.ask),
            confidence: 0.5,
            answer: None,
            p: None,
            frame_at: Clock::system().now().wall,
            model: "tiny/int8@cpu".into(),
            timing_ms: TimingMs::default(),
        }),
        "yard" => Err(Refusal::NotWatching { state: "offline", reason: "nothing listens".into() }),
        other => Err(Refusal::NoCamera(other.to_owned())),
    }
}

impl Desk for Clerk {
    fn ask(&self, request: Request) -> Answering {
        self.asked.lock().unwrap().push(request.clone());
        (self.answers)(request)
    }

    fn enable(&self, camera: &CameraId, on: bool) -> Result<(), Refusal> {
        self.ordered.lock().unwrap().push((camera.to_string(), on));
        if camera.as_str() == "door" { Ok(()) } else { Err(Refusal::NoCamera(camera.to_string())) }
    }
}

impl fmt::Debug for Clerk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clerk").finish_non_exhaustive()
    }
}
