//! Turns what the gates pass on into events: asks the model, keeps each camera's story, hands over to the outbox.
//! Nothing about motion, tensors or MQTT belongs here.
//!
//! A gate's signal waits in the `inbox` (its `lanes`, within the `budget`), `look` asks the model about it or finds an
//! answer in the `memory`, and the `story` makes an event of what was said.

mod budget;
mod inbox;
mod lanes;
mod letter;
mod look;
mod memory;
mod story;
mod view;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

pub use self::budget::Allowance;
use self::inbox::Errand;
pub use self::inbox::Inbox;
pub use self::letter::Displaced;
use self::letter::{Delivery, Letter};
use self::memory::Memory;
use self::story::{Said, Sight, Story};
pub use self::view::View;
use crate::clock::Clock;
use crate::event::{Event, Kind};
use crate::gate::Settled;
use crate::ids::{CameraId, NodeId};
use crate::rules::Rule;
use crate::units::Polygon;
use crate::vlm::{Answer, AskError, Model, Question};

/// Whoever answers questions about pictures.
pub trait Ask: Send + Sync {
    /// # Errors
    /// [`AskError`]
    fn ask(&self, question: Question) -> impl Future<Output = Result<Answer, AskError>> + Send;

    /// `set/precision@provider`
    fn label(&self) -> &str;
}

impl Ask for Model {
    fn ask(&self, question: Question) -> impl Future<Output = Result<Answer, AskError>> + Send {
        Model::ask(self, question)
    }

    fn label(&self) -> &str {
        Model::label(self)
    }
}

impl<A: Ask> Ask for Arc<A> {
    fn ask(&self, question: Question) -> impl Future<Output = Result<Answer, AskError>> + Send {
        A::ask(self, question)
    }

    fn label(&self) -> &str {
        A::label(self)
    }
}

/// One camera as the analyst knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    pub id: CameraId,
    pub prompt: Arc<str>,
    pub rules: Vec<Rule>,
    pub masks: Arc<[Polygon]>,
    pub view: View,
    /// How old an answer may be that is used again; zero: none is.
    pub reuse_for: Duration,
    pub allowance: Allowance,
    /// A clip that plays as fast as it is understood: its time is what [`Inbox::advance`] says.
    pub own_time: bool,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub node: NodeId,
    /// In the order of the inbox's lanes; more may enter later ([`Inbox::enter`]).
    pub cameras: Vec<Camera>,
    pub general: General,
    /// Where the ids of events come from; with one, a clip gives the same events each time, and none of them says how long
    /// it took.
    pub seed: Option<u64>,
}

/// What holds for all cameras together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct General {
    pub allowance: Allowance,
    /// Most tokens of a description.
    pub max_tokens: usize,
    /// The longest that a frame waits for a budget, and that its words may take from when it was chosen; but half of it is
    /// there for the model alone.
    pub deadline: Duration,
}

/// What the analyst tells whoever made it: an event to deliver, or how a frame ended.
pub trait Listener: Send {
    /// Takes the event over; it may still be on its way to the disk when this returns, behind those before it.
    fn event(&mut self, event: Event) -> impl Future<Output = ()> + Send;

    /// The number of this camera's last message so far, of an earlier run too; 0: there was none.
    fn last_seq(&self, _camera: &CameraId) -> u64 {
        0
    }

    fn frame(&mut self, camera: &CameraId, settled: Settled);

    fn answer(&mut self, camera: &CameraId, answer: &Answer);

    /// Called at least whenever a letter was worked off: the analyst is alive.
    fn beat(&mut self);
}

/// Works until the inbox is closed and empty.
pub async fn run<A: Ask, L: Listener>(
    settings: Settings,
    inbox: Arc<Inbox>,
    model: A,
    mut listener: L,
    clock: Clock,
    stopping: CancellationToken,
) {
    let Settings { node, cameras, general, seed } = settings;
    let mut random = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    let tellers = cameras.into_iter().map(|camera| Teller::new(&node, camera.into(), &mut random, &listener)).collect();
    let mut analyst = Analyst { node, general, seed, inbox, tellers, random, model, clock, stopping };
    while let Some(Errand { delivery, camera, general }) = analyst.next(&mut listener).await {
        let span = info_span!("analyst", camera = %camera.id);
        analyst.general = general;
        analyst.meet(delivery.lane, camera, &listener);
        let event = analyst.work(delivery, &mut listener).instrument(span).await;
        if let Some(event) = event {
            listener.event(event).await;
        }
        listener.beat();
    }
}

/// How often an idle analyst says that it is alive.
const BEAT: Duration = Duration::from_secs(5);

struct Analyst<A> {
    node: NodeId,
    general: General,
    seed: Option<u64>,
    inbox: Arc<Inbox>,
    /// By lane.
    tellers: Vec<Teller>,
    random: fastrand::Rng,
    model: A,
    clock: Clock,
    stopping: CancellationToken,
}

/// What goes on between one camera and the analyst.
struct Teller {
    camera: Arc<Camera>,
    story: Story,
    memory: Memory,
    /// One source per camera: in which order they are served does not change their ids.
    random: fastrand::Rng,
}

impl Teller {
    fn new<L: Listener>(node: &NodeId, camera: Arc<Camera>, random: &mut fastrand::Rng, listener: &L) -> Self {
        Self {
            story: Story::new(node.clone(), camera.id.clone(), listener.last_seq(&camera.id)),
            memory: Memory::new(camera.reuse_for),
            random: random.fork(),
            camera,
        }
    }
}

impl<A: Ask> Analyst<A> {
    async fn next<L: Listener>(&self, listener: &mut L) -> Option<Errand> {
        loop {
            match tokio::time::timeout(BEAT, self.inbox.take()).await {
                Ok(errand) => return errand,
                Err(_) => listener.beat(),
            }
        }
    }

    /// Another camera may have the lane by now, or the same one other settings: then what was said before is no answer to what is
    /// asked now.
    fn meet<L: Listener>(&mut self, lane: usize, camera: Arc<Camera>, listener: &L) {
        match self.tellers.get_mut(lane) {
            Some(teller) if Arc::ptr_eq(&teller.camera, &camera) => {}
            Some(teller) if teller.camera.id == camera.id => {
                if *teller.camera != *camera {
                    teller.memory = Memory::new(camera.reuse_for);
                }
                teller.camera = camera;
            }
            Some(teller) => *teller = Teller::new(&self.node, camera, &mut self.random, listener),
            // Lanes are entered one after the other, but they need not have their first letters in that order.
            None => {
                while self.tellers.len() <= lane {
                    let camera = self.inbox.camera(self.tellers.len()).unwrap_or_else(|| camera.clone());
                    self.tellers.push(Teller::new(&self.node, camera, &mut self.random, listener));
                }
            }
        }
    }

    /// `None`: there is nothing to tell.
    async fn work<L: Listener>(&mut self, delivery: Delivery, listener: &mut L) -> Option<Event> {
        let Delivery { lane, letter, waited } = delivery;
        let random = self.tellers[lane].random.u128(..);
        match letter {
            Letter::Look { kind, candidate } => {
                let sight = Sight {
                    kind,
                    cause: candidate.cause,
                    started_at: candidate.started_at,
                    at: candidate.frame.at,
                    region: candidate.region,
                    wrong: candidate.reason,
                };
                let (said, report) = self.look(lane, candidate, waited, listener).await;
                self.inbox.report(lane, report);
                Some(self.tellers[lane].story.tell(sight, said, random))
            }
            Letter::Unseen { started_at, at, cause, region, wrong, reason, settled } => {
                if let Some(settled) = settled {
                    listener.frame(&self.tellers[lane].camera.id, settled);
                }
                let sight = Sight { kind: Kind::Start, cause, started_at, at, region, wrong };
                Some(self.tellers[lane].story.tell(sight, Said::Nothing(reason), random))
            }
            Letter::Skipped(settled) => {
                listener.frame(&self.tellers[lane].camera.id, settled);
                None
            }
            Letter::End { started_at, ended_at, reason } => {
                Some(self.tellers[lane].story.end(started_at, ended_at, reason, random))
            }
        }
    }
}
