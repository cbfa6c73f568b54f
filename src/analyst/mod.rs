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
pub use self::inbox::Inbox;
pub use self::letter::Displaced;
use self::letter::{Delivery, Letter};
use self::memory::Memory;
use self::story::{Said, Sight, Story};
pub use self::view::View;
use crate::clock::Clock;
use crate::event::{Event, Kind};
use crate::gate::Settled;
use crate::ids::{CameraId, NodeId, RuleId};
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
#[derive(Debug, Clone)]
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

/// A yes/no question about each described frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub id: RuleId,
    pub ask: Arc<str>,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub node: NodeId,
    /// In the order of the inbox's lanes.
    pub cameras: Vec<Camera>,
    /// Of all cameras together.
    pub allowance: Allowance,
    /// Most tokens of a description.
    pub max_tokens: usize,
    /// The longest that a frame waits for a budget, and that its words may take from when it was chosen; but half of it is
    /// there for the model alone.
    pub deadline: Duration,
    /// Where the ids of events come from; with one, a clip gives the same events each time, and none of them says how long
    /// it took.
    pub seed: Option<u64>,
}

/// What the analyst tells whoever made it: an event to deliver, or how a frame ended.
pub trait Listener: Send {
    /// Returns when the event is safe.
    fn event(&mut self, event: Event) -> impl Future<Output = ()> + Send;

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
    let stories = settings.cameras.iter().map(|camera| Story::new(settings.node.clone(), camera.id.clone())).collect();
    let memories = settings.cameras.iter().map(|camera| Memory::new(camera.reuse_for)).collect();
    // One source per camera: in which order they are served does not change their ids.
    let mut random = settings.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    let random = settings.cameras.iter().map(|_| random.fork()).collect();
    let mut analyst = Analyst { settings, inbox, stories, memories, random, model, clock, stopping };
    while let Some(delivery) = analyst.next(&mut listener).await {
        let camera = &analyst.settings.cameras[delivery.lane].id;
        let span = info_span!("analyst", %camera);
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
    settings: Settings,
    inbox: Arc<Inbox>,
    stories: Vec<Story>,
    memories: Vec<Memory>,
    random: Vec<fastrand::Rng>,
    model: A,
    clock: Clock,
    stopping: CancellationToken,
}

impl<A: Ask> Analyst<A> {
    async fn next<L: Listener>(&self, listener: &mut L) -> Option<Delivery> {
        loop {
            match tokio::time::timeout(BEAT, self.inbox.take()).await {
                Ok(delivery) => return delivery,
                Err(_) => listener.beat(),
            }
        }
    }

    /// `None`: there is nothing to tell.
    async fn work<L: Listener>(&mut self, delivery: Delivery, listener: &mut L) -> Option<Event> {
        let Delivery { lane, letter, waited } = delivery;
        let random = self.random[lane].u128(..);
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
                Some(self.stories[lane].tell(sight, said, random))
            }
            Letter::Unseen { started_at, at, cause, region, wrong, reason, settled } => {
                if let Some(settled) = settled {
                    listener.frame(&self.settings.cameras[lane].id, settled);
                }
                let sight = Sight { kind: Kind::Start, cause, started_at, at, region, wrong };
                Some(self.stories[lane].tell(sight, Said::Nothing(reason), random))
            }
            Letter::Skipped(settled) => {
                listener.frame(&self.settings.cameras[lane].id, settled);
                None
            }
            Letter::End { started_at, ended_at, reason } => {
                Some(self.stories[lane].end(started_at, ended_at, reason, random))
            }
        }
    }
}
