//! The life of one connection: says the retained state, then delivers the outbox, until it breaks or is told to stop.
//!
//! `sending` is what leaves and in which order, `following` what is said when something changes, `hearing` what comes in, `upkeep` what is looked
//! after each second, `ending` what an end says about the message that was on its way, `last_words` how we go.

mod ending;
mod following;
mod hearing;
mod last_words;
mod sending;
mod upkeep;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Moment};
use crate::outbox::Offer;
use crate::rules::RuleStates;

use super::announcer::Announcer;
use super::birth::Birth;
use super::client::{self, Client};
use super::home::Home;
use super::isolation::Isolation;
use super::limits::Limits;
use super::message::{self, NodeState, Speaker};
use super::pictures::Pictures;
use super::questions::Questions;
use super::reason::Reason;
use super::retained::{Changing, Memory, Retained, Say, Waiting};
use super::run::{Cameras, Inputs, Snapshots};
use super::settings::Settings;
use super::topics::Topics;
use super::window::Window;

const TICK: Duration = Duration::from_secs(1);
const STATS_EVERY: Duration = Duration::from_secs(60);

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// Told to stop, and all was said.
    Stopped,
    /// The first broker is there again, and all was said to this one.
    Home,
    Broken {
        reason: Reason,
        /// Events that the broker acknowledged on this connection.
        delivered: u64,
    },
}

/// Why the delivery pauses.
enum Leave {
    Stop,
    Home,
}

/// What outlives a connection.
pub(super) struct Past<'a> {
    pub memory: &'a mut Memory,
    pub isolation: &'a mut Isolation,
}

pub(super) struct Session<'a> {
    settings: &'a Settings,
    inputs: &'a Inputs,
    topics: Topics,
    client: Client,
    window: Window,
    /// State that waits for room in the window.
    backlog: VecDeque<Say>,
    list: watch::Receiver<Cameras>,
    rules: watch::Receiver<RuleStates>,
    snapshots: watch::Receiver<Snapshots>,
    retained: Retained,
    changes: Waiting,
    pictures: Pictures,
    announcer: Announcer,
    questions: Questions,
    birth: Birth,
    past: Past<'a>,
    /// The largest packet that the broker takes.
    max_packet: usize,
    paused_until: Option<Moment>,
    /// A refusal was logged on this connection; where one message is refused, many are.
    refusal_said: bool,
    /// So was a command that makes no sense.
    nonsense_said: bool,
    /// The broker has acknowledged something.
    answered: bool,
    /// It has answered the subscription.
    subscribed: bool,
    delivered: u64,
    /// An event under suspicion that waits for its trial, until when at least.
    held: Option<(Offer, Moment)>,
    stats_at: Moment,
    home: Option<Home>,
    speaker: Speaker,
}

impl<'a> Session<'a> {
    /// Connects, with the will set. `home`: the broker to return to.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(super) async fn open(
        settings: &'a Settings,
        inputs: &'a Inputs,
        past: Past<'a>,
        home: Option<Home>,
    ) -> Result<Self, Reason> {
        let now = inputs.clock.now();
        let speaker = Speaker { version: inputs.version, session: session_id(now), since: now.wall };
        let topics = Topics::new(&settings.prefix, &settings.node);
        let will = message::node_status(&topics, NodeState::Offline, &speaker);
        let options = client::options(settings, format!("eyewitness-{}", settings.node), Some(will))?;
        let (client, answer) = Client::connect(settings, options).await?;
        let limits = Limits::of(&answer, settings)?;
        let now = inputs.clock.now();
        let (mut list, rules, snapshots) = (inputs.cameras.clone(), inputs.rules.clone(), inputs.snapshots.clone());
        let pictures = settings.snapshots.is_some();
        let retained = Retained::new(topics.clone(), &list.borrow_and_update(), pictures);
        Ok(Self {
            settings,
            inputs,
            client,
            window: Window::new(limits.window, now),
            backlog: VecDeque::new(),
            changes: retained.wait(&Changing { list: &list, rules: &rules, snapshots: &snapshots }),
            list,
            rules,
            snapshots,
            retained,
            pictures: Pictures::new(pictures, &past.memory.pictures),
            announcer: Announcer::new(settings, &topics, inputs, now),
            questions: Questions::default(),
            topics,
            birth: Birth::new(speaker.session.to_string()),
            past,
            max_packet: limits.max_packet,
            paused_until: None,
            refusal_said: false,
            nonsense_said: false,
            answered: false,
            subscribed: false,
            delivered: 0,
            held: None,
            stats_at: now.plus(STATS_EVERY),
            home,
            speaker,
        })
    }

    /// Delivers until the connection breaks, the first broker is there again, or `cancel` says stop; then flushes the outbox
    /// within a bound and leaves `stopped` behind. Rows that were on their way are the caller's to offer again.
    pub(super) async fn serve(mut self, cancel: &CancellationToken) -> End {
        let delivered = match self.begin() {
            Ok(()) => self.deliver(cancel).await,
            Err(reason) => Err(reason),
        };
        match delivered {
            Ok(Leave::Stop) => {
                self.questions.stop();
                self.flush().await;
                let stopped = message::node_status(&self.topics, NodeState::Stopped, &self.speaker);
                self.leave(stopped).await;
                End::Stopped
            }
            Ok(Leave::Home) => {
                let elsewhere = message::node_elsewhere(&self.topics, &self.speaker);
                self.leave(elsewhere).await;
                End::Home
            }
            Err(reason) => {
                self.judge(&reason);
                End::Broken { reason, delivered: self.delivered }
            }
        }
    }

    async fn deliver(&mut self, cancel: &CancellationToken) -> Result<Leave, Reason> {
        let mut tick = time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let cancelled = cancel.cancelled();
        tokio::pin!(cancelled);
        let mut events = Vec::new();
        loop {
            self.fill()?;
            if self.home.as_ref().is_some_and(Home::leaves) && self.backlog.is_empty() && self.window.is_empty() {
                return Ok(Leave::Home);
            }
            let free = self.is_free();
            let offering = free && self.may_offer();
            let announcing = self.announcer.due();
            tokio::select! {
                happened = self.client.events(self.settings, &mut events) => {
                    happened?;
                    for event in events.drain(..) {
                        self.happened(event);
                    }
                }
                () = &mut cancelled => return Ok(Leave::Stop),
                change = &mut self.changes, if free => self.changed(change),
                () = self.questions.answered() => {}
                () = until(announcing, self.inputs.clock), if free => self.announce(),
                offer = self.inputs.outbox.next(), if offering => self.offer(offer)?,
                _ = tick.tick() => self.look_after()?,
            }
        }
    }
}

/// For ever, if there is no such moment.
async fn until(moment: Option<Moment>, clock: Clock) {
    match moment {
        Some(moment) => time::sleep_until(clock.instant(moment).into()).await,
        None => std::future::pending().await,
    }
}

fn session_id(now: Moment) -> ulid::Ulid {
    ulid::Ulid::from_parts(u64::try_from(now.wall.as_millisecond()).unwrap_or(0), fastrand::u128(..))
}
