//! The life of one connection: says the retained state, then delivers the outbox, until it breaks or is told to stop.

mod last_words;

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::FutureExt;
use rumqttc::v5::Event;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubAck, PubAckReason, Publish};
use tokio::sync::watch;
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::clock::Moment;
use crate::outbox::{Offer, Refusal};

use super::birth::Birth;
use super::client::{self, Client};
use super::home::Home;
use super::isolation::{Ending, Isolation, Suspect, Verdict};
use super::limits::Limits;
use super::message::{self, Message, NodeState, Speaker};
use super::reason::{self, Reason};
use super::retained::{Change, Memory, Retained, Say, Waiting};
use super::run::{Cameras, Inputs};
use super::settings::Settings;
use super::topics::Topics;
use super::window::{Letter, Purpose, Window};

/// Nothing acknowledged for so many keep-alives, with something on its way: the connection is given up, however well
/// the broker answers pings.
const STALL_KEEP_ALIVES: u32 = 2;
/// After a refusal, nothing is offered for so long.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(1);
/// So long a connection has to last before it is tried with an event that is under suspicion.
const TRIAL_PAUSE: Duration = Duration::from_secs(1);
/// So many connections in a row that end before the subscription is answered, and none is made any more: some brokers hang
/// up over one that their access rules forbid, and it is events that matter.
const NO_EARS: u32 = 2;
/// State that may wait for room in the window; beyond it a broker talks us into it.
const BACKLOG: usize = 4096;
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
    retained: Retained,
    changes: Waiting,
    birth: Birth,
    past: Past<'a>,
    /// The largest packet that the broker takes.
    max_packet: usize,
    paused_until: Option<Moment>,
    /// A refusal was logged on this connection; where one message is refused, many are.
    refusal_said: bool,
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
        let mut list = inputs.cameras.clone();
        let retained = Retained::new(topics.clone(), &list.borrow_and_update());
        Ok(Self {
            settings,
            inputs,
            topics,
            client,
            window: Window::new(limits.window, now),
            backlog: VecDeque::new(),
            changes: retained.wait(&list),
            list,
            retained,
            birth: Birth::new(speaker.session.to_string()),
            past,
            max_packet: limits.max_packet,
            paused_until: None,
            refusal_said: false,
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

    /// The retained state, which the broker may have lost or the will have overwritten.
    fn begin(&mut self) -> Result<(), Reason> {
        // The birth comes first: whatever is heard of our status after it was said after it.
        self.say_birth();
        self.send_backlog()?;
        if self.past.memory.unheard < NO_EARS {
            self.subscribe()?;
        }
        let say = self.retained.everything(|camera| self.inputs.outbox.latest(camera), self.past.memory);
        self.changes = self.retained.wait(&self.list);
        self.say(say);
        Ok(())
    }

    /// To our own status, and to what is retained about cameras.
    fn subscribe(&self) -> Result<(), Reason> {
        let own = Filter::new(self.topics.status(), QoS::AtLeastOnce);
        let cameras = self.topics.retained_of_cameras().map(|topic| {
            let mut filter = Filter::new(topic, QoS::AtMostOnce);
            filter.nolocal = true;
            filter
        });
        self.client.subscribe(std::iter::once(own).chain(cameras))
    }

    fn say_birth(&mut self) {
        let status = message::node_status(&self.topics, NodeState::Online, &self.speaker);
        self.say([(status, Purpose::State)]);
    }

    /// State goes into the backlog, unless the broker would end the connection over it.
    fn say(&mut self, say: impl IntoIterator<Item = Say>) {
        for (message, purpose) in say {
            if message.wire_size() > self.max_packet {
                debug!(topic = message.topic, "a retained message is larger than the broker takes");
            } else if self.backlog.len() < BACKLOG {
                self.backlog.push_back((message, purpose));
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
            tokio::select! {
                happened = self.client.events(self.settings, &mut events) => {
                    happened?;
                    for event in events.drain(..) {
                        self.happened(event);
                    }
                }
                () = &mut cancelled => return Ok(Leave::Stop),
                change = &mut self.changes, if free => self.changed(change),
                offer = self.inputs.outbox.next(), if offering => self.offer(offer)?,
                _ = tick.tick() => self.look_after()?,
            }
        }
    }

    /// Whether something new may be thought of.
    fn is_free(&self) -> bool {
        self.backlog.is_empty() && self.has_room()
    }

    /// One message at a time while a broker hangs up over one of them.
    fn has_room(&self) -> bool {
        if self.past.isolation.careful() { self.window.is_empty() } else { self.window.has_room() }
    }

    fn may_offer(&self) -> bool {
        let paused = self.paused_until.is_some_and(|until| self.inputs.clock.now() < until);
        let leaves = self.home.as_ref().is_some_and(Home::leaves);
        !paused && !leaves && self.held.is_none()
    }

    /// Fills the window: with state first, then with what waits in the outbox.
    fn fill(&mut self) -> Result<(), Reason> {
        loop {
            self.send_backlog()?;
            if !self.is_free() || !self.may_offer() {
                return Ok(());
            }
            // A row that is there is taken at once, without a round through the runtime for each.
            let Some(offer) = self.inputs.outbox.next().now_or_never() else { return Ok(()) };
            self.offer(offer)?;
        }
    }

    fn send_backlog(&mut self) -> Result<(), Reason> {
        while self.has_room()
            && let Some((message, purpose)) = self.backlog.pop_front()
        {
            self.send(message, purpose)?;
        }
        Ok(())
    }

    fn send(&mut self, message: Message, purpose: Purpose) -> Result<(), Reason> {
        self.client.publish(message, QoS::AtLeastOnce)?;
        self.window.requested(purpose, self.inputs.clock.now());
        Ok(())
    }

    fn changed(&mut self, change: Change) {
        match change {
            Change::Health(index, lives) => {
                let say = self.retained.health(index, lives);
                self.say(say);
            }
            Change::List => {
                let list = self.list.borrow_and_update().clone();
                let latest = |camera: &_| self.inputs.outbox.latest(camera);
                let say = self.retained.relist(&list, latest, self.past.memory);
                self.say(say);
            }
        }
        self.changes = self.retained.wait(&self.list);
    }

    fn offer(&mut self, offer: Offer) -> Result<(), Reason> {
        if self.past.isolation.suspects(offer.row) {
            self.held = Some((offer, self.inputs.clock.now().plus(TRIAL_PAUSE)));
            return Ok(());
        }
        self.send_row(&offer)
    }

    fn send_row(&mut self, offer: &Offer) -> Result<(), Reason> {
        let event = &offer.event;
        let message = message::event(&self.topics, event);
        if message.wire_size() > self.max_packet {
            warn!(
                event = %event.id, camera = %event.camera, seq = event.seq, bytes = message.wire_size(), max = self.max_packet,
                "an event is larger than the broker takes and is set aside: raise the broker's maximum packet size"
            );
            self.inputs.outbox.set_aside(offer.row);
            return Ok(());
        }
        self.send(message, Purpose::Row(Letter::new(offer.row, event)))?;
        if message::has_new_words(event) {
            let latest = |camera: &_| self.inputs.outbox.latest(camera);
            let say = self.retained.words(&event.camera, event.seq, latest, self.past.memory);
            self.say(say);
        }
        Ok(())
    }

    /// The broker answers and stays, and nothing is on its way: now it is shown the event under suspicion.
    fn begin_trial(&mut self, now: Moment) -> Result<(), Reason> {
        let quiet = self.answered && self.backlog.is_empty() && self.window.is_empty();
        if let Some((offer, _)) = self.held.take_if(|(_, until)| quiet && now >= *until) {
            self.send_row(&offer)?;
        }
        Ok(())
    }

    fn happened(&mut self, event: Event) {
        match event {
            // Packet id 0 is QoS 0: nobody waits for it.
            Event::Outgoing(rumqttc::Outgoing::Publish(packet)) if packet != 0 => {
                self.window.sent(packet, self.inputs.clock.now());
            }
            Event::Incoming(Packet::PubAck(answer)) => self.answered(&answer),
            Event::Incoming(Packet::Publish(publish)) => self.heard(&publish),
            // Where it is not granted, nothing is heard, and events go all the same.
            Event::Incoming(Packet::SubAck(_)) => (self.subscribed, self.past.memory.unheard) = (true, 0),
            _ => {}
        }
    }

    fn answered(&mut self, answer: &PubAck) {
        let accepted = matches!(answer.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
        if !accepted {
            let text = answer.properties.as_ref().and_then(|properties| properties.reason_string.as_deref());
            let reason = reason::words(&format!("{:?}", answer.reason));
            if std::mem::replace(&mut self.refusal_said, true) {
                debug!(reason, text, "the broker refused a message");
            } else {
                warn!(reason, text, "the broker refuses messages: do its access rules let this client publish?");
            }
        }
        let Some(purpose) = self.window.answered(answer.pkid, self.inputs.clock.now()) else { return };
        self.answered = true;
        match purpose {
            Purpose::Row(letter) => {
                self.past.isolation.answered(&Suspect::Row(letter.row));
                if accepted {
                    self.delivered += 1;
                    self.inputs.outbox.ack(letter.row);
                } else {
                    self.refused(&letter);
                }
            }
            Purpose::Words(camera) => self.past.isolation.answered(&Suspect::Words(camera)),
            Purpose::State => {}
        }
    }

    fn refused(&mut self, letter: &Letter) {
        match self.inputs.outbox.refuse(letter.row) {
            Refusal::SetAside => set_aside(letter, "an event was refused again and again and is set aside"),
            Refusal::Again => self.paused_until = Some(self.inputs.clock.now().plus(PAUSE_AFTER_REFUSAL)),
            Refusal::Unknown => {}
        }
    }

    /// Whatever a broker sends on other topics is none of ours.
    fn heard(&mut self, publish: &Publish) {
        let Ok(topic) = std::str::from_utf8(&publish.topic) else { return };
        if topic == self.topics.status() {
            self.birth.heard(&publish.payload);
        } else if publish.retain
            && let Some(nothing) = self.retained.stray(topic, &publish.payload, self.past.memory)
        {
            debug!(topic, "nobody speaks on this topic any more: what is retained there is taken back");
            self.say([(nothing, Purpose::State)]);
        }
    }

    /// What an end says about the message that was on its way.
    fn judge(&mut self, reason: &Reason) {
        let unheard = &mut self.past.memory.unheard;
        if reason.hung_up() && !self.subscribed && *unheard < NO_EARS {
            *unheard += 1;
            if *unheard == NO_EARS {
                info!(
                    "the broker hangs up over the subscription to our own topics, or so it seems: it is left out now"
                );
            }
        }
        if let Some(Purpose::Row(letter)) = self.window.first_unanswered().map(|sent| &sent.purpose)
            && reason.blames_message()
        {
            if self.inputs.outbox.refuse(letter.row) == Refusal::SetAside {
                set_aside(letter, "the broker ended the connection over an event again and again: it is set aside");
            }
            return;
        }
        let now = self.inputs.clock.now();
        let suspect = self.window.first_suspect();
        let first = suspect.and_then(|sent| match &sent.purpose {
            Purpose::Row(letter) => Some((Suspect::Row(letter.row), now.since(sent.at))),
            Purpose::Words(camera) => Some((Suspect::Words(camera.clone()), now.since(sent.at))),
            Purpose::State => None,
        });
        let ending = Ending { hung_up: reason.hung_up(), first, answered: self.answered };
        match self.past.isolation.ended(ending) {
            Verdict::Nothing => {}
            Verdict::Careful => {
                info!("the broker hangs up over a message, or so it seems: they leave one at a time now");
            }
            Verdict::SetAside(Suspect::Row(row)) => {
                self.inputs.outbox.set_aside(row);
                if let Some(Purpose::Row(letter)) = suspect.map(|sent| &sent.purpose) {
                    set_aside(letter, "the broker hangs up over this event each time, without a word: it is set aside");
                }
            }
            Verdict::SetAside(Suspect::Words(camera)) => {
                self.retained.leave_out(&camera, self.past.memory);
                warn!(%camera, "the broker hangs up over this camera's description each time: it is left out until there is a newer one");
            }
        }
    }

    /// Once a second: gives up a stalled connection, repeats what was overwritten, publishes the counters when they are due.
    fn look_after(&mut self) -> Result<(), Reason> {
        let now = self.inputs.clock.now();
        let patience = client::keep_alive(self.settings) * STALL_KEEP_ALIVES;
        if self.window.stalled(now, patience) {
            return Err(Reason::Stalled { address: reason::address(self.settings), seconds: patience.as_secs() });
        }
        self.begin_trial(now)?;
        if self.birth.contradict(now) {
            debug!("the node's status said that it is gone: it is said again that it is not");
            if self.birth.fights() {
                let node = &self.settings.node;
                warn!("something else says again and again that `{node}` is gone: is `node` the same on two machines?");
            }
            self.say_birth();
        }
        if self.backlog.is_empty() && self.window.only_rows() {
            self.retained.settled(self.past.memory);
        }
        if let Some(home) = &mut self.home {
            home.look_after(now);
        }
        // While requests do not even reach the network, more of them would only fill the channel.
        if now >= self.stats_at && self.window.all_sent() {
            self.stats_at = now.plus(STATS_EVERY);
            self.client.publish(message::stats(&self.topics, &(self.inputs.stats)()), QoS::AtMostOnce)?;
        }
        Ok(())
    }
}

fn set_aside(letter: &Letter, what: &str) {
    warn!(camera = %letter.camera, event = %letter.id, seq = letter.seq, "{what}");
}

fn session_id(now: Moment) -> ulid::Ulid {
    ulid::Ulid::from_parts(u64::try_from(now.wall.as_millisecond()).unwrap_or(0), fastrand::u128(..))
}
