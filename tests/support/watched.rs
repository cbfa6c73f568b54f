//! A camera's source with a gate behind it that tells it what it wants, as the daemon's camera loop does.

use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::frame::Frame;
use eyewitness::gate::{self, EndReason, Gate, Observation, Outcome, Signal};
use eyewitness::health::CameraHealth;
use eyewitness::ids::CameraId;
use eyewitness::source::{self, Cause, Counters, Decode, Demand, Ended, Location, Settings, Wish, mailbox};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Nothing here may take longer between two frames.
pub const BOUND: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub struct Watched {
    frames: mailbox::Receiver<Frame>,
    gate: Gate,
    demand: Arc<Demand>,
    pub health: watch::Receiver<CameraHealth>,
    pub counters: Arc<Counters>,
    pub seen: Vec<Seen>,
    pub signals: Vec<Told>,
    /// Frames that the gate is done with, or passed on.
    pub settled: usize,
    task: JoinHandle<Ended>,
    _guard: DropGuard,
}

/// A frame that came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    pub pts: Option<Duration>,
    pub lone: bool,
    /// Since the first frame.
    pub at: Duration,
    pub width: u32,
}

/// A signal, and the frame at which it was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub what: String,
    pub pts: Duration,
    /// When what is told began or ended, since the first frame.
    pub at: Duration,
}

pub fn settings(location: Location, decode: Decode, fps: f32) -> Settings {
    Settings {
        camera: CameraId::new("cam").unwrap(),
        location,
        decode,
        decoder: None,
        fps,
        timeout: Duration::from_secs(10),
        settle: Duration::from_secs(2),
    }
}

impl Watched {
    pub fn start(settings: Settings) -> Self {
        source::init().unwrap();
        let clock = Clock::system();
        let (out, frames) = mailbox::channel();
        let (health_out, health) = watch::channel(CameraHealth::starting(clock.now().wall));
        let (counters, demand) = (Arc::new(Counters::default()), Arc::new(Demand::default()));
        let cancel = CancellationToken::new();
        let guard = cancel.clone().drop_guard();
        let gate = Gate::new(settings.camera.clone(), gate::Settings::default());
        let run = source::run(settings, clock, counters.clone(), demand.clone(), out, health_out, cancel);
        Self {
            frames,
            gate,
            demand,
            health,
            counters,
            seen: Vec::new(),
            signals: Vec::new(),
            settled: 0,
            task: tokio::spawn(run),
            _guard: guard,
        }
    }

    /// Takes one frame through the gate; `None` at the end.
    pub async fn next(&mut self) -> Option<Frame> {
        let taken = tokio::time::timeout(BOUND, self.frames.take()).await;
        let frame =
            taken.unwrap_or_else(|_| panic!("no frame: {:?} after {:?}", self.health.borrow(), self.seen.last()))?;
        let (lone, pts) = (frame.lone, frame.pts);
        self.seen.push(Seen { pts, lone, at: frame.at.mono, width: frame.picture.width() });
        let observation = if lone { self.gate.glance(frame.clone()) } else { self.gate.observe(frame.clone()) };
        self.note(observation, pts.unwrap_or_default());
        let wish = match self.gate.wish() {
            gate::Wish::Keyframes => Wish::Keyframes,
            gate::Wish::All => Wish::All,
            gate::Wish::Replay => Wish::Replay,
        };
        self.demand.tell(pts, lone, wish);
        Some(frame)
    }

    /// All of it, to its end, with times from the first frame on.
    pub async fn all(mut self) -> Self {
        let mut last = None;
        while let Some(frame) = self.next().await {
            last = Some(frame.at);
        }
        if let Some(at) = last {
            let observation = self.gate.interrupt(at, EndReason::CameraLost);
            self.note(observation, Duration::ZERO);
        }
        let zero = self.seen.first().map_or(Duration::ZERO, |seen| seen.at);
        self.seen.iter_mut().for_each(|seen| seen.at = seen.at.saturating_sub(zero));
        self.signals.iter_mut().for_each(|told| told.at = told.at.saturating_sub(zero));
        self
    }

    pub fn superseded(&self) -> u64 {
        self.frames.superseded()
    }

    pub async fn ended(self) -> Ended {
        tokio::time::timeout(BOUND, self.task).await.expect("it ends").unwrap()
    }

    pub fn lone(&self) -> usize {
        self.seen.iter().filter(|seen| seen.lone).count()
    }

    pub fn wakings(&self) -> [u64; 4] {
        [Cause::Keyframe, Cause::Sizes, Cause::Asked, Cause::Unfit].map(|cause| self.counters.wakings(cause))
    }

    pub fn starts(&self) -> Vec<&Told> {
        self.signals.iter().filter(|told| told.what == "start").collect()
    }

    fn note(&mut self, observation: Observation, pts: Duration) {
        self.settled += observation.settled.len();
        assert!(observation.settled.iter().all(|settled| settled.outcome != Outcome::DecodeSkipped));
        for signal in observation.signals {
            let (what, at) = match signal {
                Signal::Start(candidate) => ("start", candidate.started_at),
                Signal::Update(candidate) => ("update", candidate.started_at),
                Signal::End { ended_at, .. } => ("end", ended_at),
            };
            self.settled += usize::from(what != "end");
            self.signals.push(Told { what: what.to_owned(), pts, at: at.mono });
        }
    }
}
