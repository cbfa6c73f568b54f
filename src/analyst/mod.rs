//! Turns what the gates pass on into events: asks the model, keeps each camera's story, hands over to the outbox.
//! Nothing about motion, tensors or MQTT belongs here.
//!
//! A gate's signal waits in the `inbox` (its `lanes`, within the `budget`), `look` asks the model about it or finds an
//! answer in the `memory`, and the `story` makes an event of what was said.

mod budget;
mod check;
mod inbox;
mod lanes;
mod letter;
mod look;
mod memory;
mod rulings;
mod story;
mod view;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use smallvec::{SmallVec, smallvec};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

pub use self::budget::Allowance;
use self::inbox::Errand;
pub use self::inbox::Inbox;
pub use self::lanes::Offered;
pub use self::letter::Displaced;
use self::letter::{Delivery, Letter};
use self::look::Seen;
use self::memory::Memory;
pub use self::rulings::Ruling;
use self::rulings::Rulings;
use self::story::{Said, Sight, Story};
pub use self::view::View;
use crate::clock::{Clock, Moment};
use crate::event::{Event, Kind, Source};
use crate::frame::Frame;
use crate::gate::{EndReason, Settled};
use crate::ids::{CameraId, NodeId};
use crate::rules::{Calibrations, Rule, RuleNow};
use crate::units::Polygon;
use crate::vlm::{Answer, AskError, Model, Question};

/// Whoever answers questions about pictures.
pub trait Ask: Send + Sync {
    /// # Errors
    /// [`AskError`]
    fn ask(&self, question: Question) -> impl Future<Output = Result<Answer, AskError>> + Send;

    /// `set/precision@provider`
    fn label(&self) -> &str;

    /// Yes/no questions are better answered if they are asked turned round, too.
    fn both_ways(&self) -> bool {
        false
    }
}

impl Ask for Model {
    fn ask(&self, question: Question) -> impl Future<Output = Result<Answer, AskError>> + Send {
        Model::ask(self, question)
    }

    fn label(&self) -> &str {
        Model::label(self)
    }

    fn both_ways(&self) -> bool {
        self.info().negate
    }
}

impl<A: Ask> Ask for Arc<A> {
    fn ask(&self, question: Question) -> impl Future<Output = Result<Answer, AskError>> + Send {
        A::ask(self, question)
    }

    fn label(&self) -> &str {
        A::label(self)
    }

    fn both_ways(&self) -> bool {
        A::both_ways(self)
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
    /// What the model's probabilities are worth.
    pub calibrations: Arc<Calibrations>,
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

    /// A rule was answered about a frame.
    fn ruled(&mut self, _camera: &CameraId, _frame: &Frame, _ruling: &Ruling) {}

    /// How all rules of a camera stand, whenever one was answered or has changed.
    fn rules(&mut self, _camera: &CameraId, _now: Arc<[RuleNow]>) {}

    /// A message about a frame that was described anew; it may be given the name of a picture.
    fn described(&mut self, _event: &mut Event, _frame: &Frame, _masks: &Arc<[Polygon]>) {}

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
    let Settings { node, cameras, general, calibrations, seed } = settings;
    let random = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    let tellers = Vec::new();
    let mut analyst = Analyst { node, general, calibrations, seed, inbox, tellers, random, model, clock, stopping };
    for (lane, camera) in cameras.into_iter().enumerate() {
        analyst.meet(lane, camera.into(), &listener);
    }
    while let Some(Errand { delivery, camera, general }) = analyst.next(&mut listener).await {
        let span = info_span!("analyst", camera = %camera.id);
        analyst.general = general;
        analyst.meet(delivery.lane, camera, &listener);
        let lane = delivery.lane;
        let told = analyst.work(delivery, &mut listener).instrument(span).await;
        for Told { mut event, frame } in told {
            if let Some(frame) = frame.filter(|_| event.source == Source::Model) {
                listener.described(&mut event, &frame, &analyst.tellers[lane].camera.masks);
            }
            listener.event(event).await;
        }
        listener.beat();
    }
}

/// How often an idle analyst says that it is alive.
const BEAT: Duration = Duration::from_secs(5);
/// It waits so long at least: a timer that is due is not asked for again and again.
const SOON: Duration = Duration::from_millis(10);

struct Analyst<A> {
    node: NodeId,
    general: General,
    calibrations: Arc<Calibrations>,
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
    rulings: Rulings,
    /// Why rules were not answered last, as long as that is so.
    unruled: Option<String>,
    /// One source per camera: in which order they are served does not change their ids.
    random: fastrand::Rng,
}

/// A message, and the frame that it is about, if that was looked at for it.
struct Told {
    event: Event,
    frame: Option<Frame>,
}

impl<A: Ask> Analyst<A> {
    /// The next letter. Meanwhile rules that were held on turn off when their time is over.
    async fn next<L: Listener>(&mut self, listener: &mut L) -> Option<Errand> {
        loop {
            let now = self.clock.now();
            self.tick(now, listener);
            let due =
                self.tellers.iter().filter(|teller| !teller.camera.own_time).filter_map(|t| t.rulings.due()).min();
            let wait = due.map_or(BEAT, |due| due.since(now).clamp(SOON, BEAT));
            match tokio::time::timeout(wait, self.inbox.take()).await {
                Ok(errand) => return errand,
                Err(_) => listener.beat(),
            }
        }
    }

    fn tick<L: Listener>(&mut self, now: Moment, listener: &mut L) {
        for teller in self.tellers.iter_mut().filter(|teller| !teller.camera.own_time) {
            if teller.rulings.tick(now) {
                listener.rules(&teller.camera.id, teller.rulings.now());
            }
        }
    }

    fn teller<L: Listener>(&mut self, camera: Arc<Camera>, listener: &L) -> Teller {
        let calibrations = Arc::clone(&self.calibrations);
        let mut rulings = Rulings::new(camera.id.clone(), self.model.both_ways(), calibrations);
        rulings.set(&camera.rules, self.clock.now());
        Teller {
            story: Story::new(self.node.clone(), camera.id.clone(), listener.last_seq(&camera.id)),
            memory: Memory::new(camera.reuse_for),
            rulings,
            unruled: None,
            random: self.random.fork(),
            camera,
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
                    teller.rulings.set(&camera.rules, self.clock.now());
                }
                teller.camera = camera;
            }
            Some(_) => self.tellers[lane] = self.teller(camera, listener),
            // Lanes are entered one after the other, but they need not have their first letters in that order.
            None => {
                while self.tellers.len() <= lane {
                    let known = self.tellers.len();
                    let other = (known != lane).then(|| self.inbox.camera(known)).flatten();
                    let teller = self.teller(other.unwrap_or_else(|| camera.clone()), listener);
                    self.tellers.push(teller);
                }
            }
        }
    }

    /// Nothing, one message, or two where something begins and ends at once.
    async fn work<L: Listener>(&mut self, delivery: Delivery, listener: &mut L) -> SmallVec<[Told; 2]> {
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
                let frame = candidate.frame.clone();
                let Seen { said, rulings, report } = self.look(lane, candidate, waited, listener).await;
                self.inbox.report(lane, report);
                self.tell_rules(lane, Some(&frame), &rulings, listener);
                let mut event = self.tellers[lane].story.tell(sight, check::with_rules(said, &rulings), random);
                event.alert = rulings::alerts(&rulings);
                smallvec![Told { event, frame: Some(frame) }]
            }
            Letter::Unseen { started_at, at, cause, region, wrong, reason, settled } => {
                if let Some(settled) = settled {
                    listener.frame(&self.tellers[lane].camera.id, settled);
                }
                let sight = Sight { kind: Kind::Start, cause, started_at, at, region, wrong };
                told(self.tellers[lane].story.tell(sight, Said::Nothing(reason), random))
            }
            Letter::Skipped(settled) => {
                listener.frame(&self.tellers[lane].camera.id, settled);
                SmallVec::new()
            }
            Letter::End { started_at, ended_at, reason, frame } => {
                let rulings = match &frame {
                    Some(frame) => self.last_rulings(lane, frame, waited, listener).await,
                    None => Vec::new(),
                };
                let teller = &mut self.tellers[lane];
                if reason != EndReason::Quiet && teller.rulings.forget(ended_at) {
                    listener.rules(&teller.camera.id, teller.rulings.now());
                }
                let mut event = self.tellers[lane].story.end(started_at, ended_at, reason, random);
                if !rulings.is_empty() {
                    (event.rules, event.alert) = (rulings::answers(&rulings), rulings::alerts(&rulings));
                }
                told(event)
            }
            Letter::Check { frame, due } => self.check(lane, frame, due, waited, listener).await,
        }
    }
}

fn told(event: Event) -> SmallVec<[Told; 2]> {
    smallvec![Told { event, frame: None }]
}
