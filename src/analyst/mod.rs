//! Turns what the gates pass on into events: asks the model, keeps each camera's story, hands over to the outbox.
//! Nothing about motion, tensors or MQTT belongs here.

mod inbox;
mod story;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info_span, warn};

use self::inbox::{Delivery, Letter};
pub use self::inbox::{Displaced, Inbox};
use self::story::{Said, Sight, Story, Words};
use crate::clock::{Clock, Moment};
use crate::event::{Event, Kind, RuleAnswer, TimingMs, YesNo};
use crate::gate::{Candidate, Outcome, Settled};
use crate::ids::{CameraId, NodeId, RuleId};
use crate::units::{Polygon, Region};
use crate::vlm::{Answer, AskError, Model, Question};

/// While the daemon stops, a question has so long: stopping as a whole has five seconds.
const LAST_QUESTION: Duration = Duration::from_millis(1500);

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

/// What the model sees of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    #[default]
    Whole,
    /// What moves, with some margin.
    Region,
    /// Asks about each, and tells what the model is surer of.
    Both,
}

/// One camera as the analyst knows it.
#[derive(Debug, Clone)]
pub struct Camera {
    pub id: CameraId,
    pub prompt: Arc<str>,
    pub rules: Vec<Rule>,
    pub masks: Arc<[Polygon]>,
    pub view: View,
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
    /// Most tokens of a description.
    pub max_tokens: usize,
    /// From the choice of a frame to its words, at most.
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
    // One source per camera: in which order they are served does not change their ids.
    let mut random = settings.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    let random = settings.cameras.iter().map(|_| random.fork()).collect();
    let mut analyst = Analyst { settings, stories, random, model, clock, stopping };
    while let Some(delivery) = next(&inbox, &mut listener).await {
        let camera = &analyst.settings.cameras[delivery.lane].id;
        let span = info_span!("analyst", %camera);
        let event = analyst.work(delivery, &mut listener).instrument(span).await;
        listener.event(event).await;
        listener.beat();
    }
}

/// How often an idle analyst says that it is alive.
const BEAT: Duration = Duration::from_secs(5);

async fn next<L: Listener>(inbox: &Inbox, listener: &mut L) -> Option<Delivery> {
    loop {
        match tokio::time::timeout(BEAT, inbox.take()).await {
            Ok(delivery) => return delivery,
            Err(_) => listener.beat(),
        }
    }
}

struct Analyst<A> {
    settings: Settings,
    stories: Vec<Story>,
    random: Vec<fastrand::Rng>,
    model: A,
    clock: Clock,
    stopping: CancellationToken,
}

impl<A: Ask> Analyst<A> {
    async fn work<L: Listener>(&mut self, delivery: Delivery, listener: &mut L) -> Event {
        let Delivery { lane, letter, since } = delivery;
        let random = self.random[lane].u128(..);
        match letter {
            Letter::Look { kind, candidate } => {
                let sight = Sight {
                    kind,
                    cause: candidate.cause,
                    started_at: candidate.started_at,
                    at: candidate.frame.at,
                    region: candidate.region,
                };
                let said = self.look(lane, candidate, since, listener).await;
                self.stories[lane].tell(sight, said, random)
            }
            Letter::Unseen { started_at, at, cause, region } => {
                let sight = Sight { kind: Kind::Start, cause, started_at, at, region };
                let said = Said::Nothing("too many pictures were waiting for the model".into());
                self.stories[lane].tell(sight, said, random)
            }
            Letter::End { started_at, ended_at, reason } => {
                self.stories[lane].end(started_at, ended_at, reason, random)
            }
        }
    }

    async fn look<L: Listener>(&self, lane: usize, candidate: Candidate, since: Moment, listener: &mut L) -> Said {
        let camera = &self.settings.cameras[lane];
        let (seq, at) = (candidate.frame.seq, candidate.frame.at);
        let settled = |outcome| Settled { frame: seq, at, outcome, because: None };
        let now = self.clock.now();
        let waited = now.since(since);
        let deadline = self.deadline(since, now);
        let question = Question {
            picture: candidate.frame.picture,
            view: Region::WHOLE,
            masks: camera.masks.clone(),
            prompt: camera.prompt.clone(),
            describe: true,
            asks: camera.rules.iter().map(|rule| rule.ask.clone()).collect(),
            max_tokens: self.settings.max_tokens,
            deadline,
        };
        let answer = if deadline <= now { Err(AskError::Expired) } else { self.model.ask(question).await };
        match answer {
            Ok(answer) => {
                listener.frame(&camera.id, settled(Outcome::Described));
                listener.answer(&camera.id, &answer);
                debug!(frame = seq, text = answer.text, confidence = answer.confidence, "described");
                let timing = self.settings.seed.is_none().then(|| timing(&answer, waited));
                Said::Words(words(answer, camera, self.model.label(), timing))
            }
            Err(AskError::Expired) => {
                let (limit, took) = (self.settings.deadline, self.clock.now().since(since));
                let settled = settled(Outcome::Expired);
                listener.frame(
                    &camera.id,
                    settled.because("seconds until the model was free", took.as_secs_f32(), limit.as_secs_f32()),
                );
                debug!(frame = seq, waited_ms = waited.as_millis(), "the model was not free in time");
                Said::Nothing("the model was not free in time".into())
            }
            Err(error) => {
                listener.frame(&camera.id, settled(Outcome::Failed));
                warn!(frame = seq, %error, "no description");
                Said::Nothing(format!("the model failed: {error}"))
            }
        }
    }

    fn deadline(&self, since: Moment, now: Moment) -> Moment {
        let deadline = since.plus(self.settings.deadline);
        if self.stopping.is_cancelled() { deadline.min(now.plus(LAST_QUESTION)) } else { deadline }
    }
}

fn words(answer: Answer, camera: &Camera, model: &str, timing: Option<TimingMs>) -> Words {
    let rules: BTreeMap<_, _> = camera
        .rules
        .iter()
        .zip(&answer.p_yes)
        .map(|(rule, &p)| (rule.id.clone(), RuleAnswer { answer: YesNo::from_probability(p), p }))
        .collect();
    Words { text: answer.text, confidence: answer.confidence, model: model.to_owned(), rules, timing }
}

fn timing(answer: &Answer, waited: Duration) -> TimingMs {
    let ms = |took: Duration| took.as_secs_f32() * 1000.0;
    let t = &answer.timing;
    TimingMs {
        wait: ms(waited + t.wait),
        preprocess: ms(t.preprocess),
        encode: ms(t.encode),
        prefill: ms(t.prefill),
        decode: ms(t.decode),
        total: ms(waited + t.total),
    }
}
