//! What the broker keeps about the cameras: what to say on a connection, and what to take back. No I/O.
//!
//! Only the newest words of a camera are ever retained, from the outbox's memory of them and not from the event that
//! happens to be delivered: an old event that waited must not overwrite newer words. Rules come past the outbox: each as it
//! stands, never as it stood.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use futures_util::future::select_all;
use tokio::sync::watch;

use crate::event::Event;
use crate::health::{CameraHealth, CameraState};
use crate::ids::{CameraId, RuleId};
use crate::rules::{RuleNow, RuleStates};

use super::announcer;
use super::message::{self, Message};
use super::pictures;
use super::run::{Cameras, Snapshots};
use super::topics::{About, Topics};
use super::window::Purpose;

/// A message and what it is for.
pub(super) type Say = (Message, Purpose);

/// What one broker was told on earlier connections of this run.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Every camera that something is retained about, with the rules whose states are.
    said: BTreeMap<CameraId, BTreeSet<RuleId>>,
    /// Words (by their number) that the broker does not stand: they are left out until there are newer ones.
    left_out: BTreeMap<CameraId, u64>,
    /// Connections in a row that the broker ended while it owed the answer to our subscription.
    pub unheard: u32,
    /// It was said that it does not let us hear commands.
    pub deaf_said: bool,
    /// Cameras whose picture of an earlier run was taken back.
    without_picture: BTreeSet<CameraId>,
    pub pictures: pictures::Memory,
    pub announced: announcer::Memory,
}

#[derive(Debug)]
struct Camera {
    id: CameraId,
    /// `None` once nobody can change it any more.
    health: Option<watch::Receiver<CameraHealth>>,
    announced: bool,
    /// What was said on this connection: the number of the words, whether it is watched, and its rules.
    said: Option<u64>,
    enabled: Option<bool>,
    rules: BTreeMap<RuleId, RuleNow>,
}

/// What is waited for.
pub(super) struct Changing<'a> {
    pub list: &'a watch::Receiver<Cameras>,
    pub rules: &'a watch::Receiver<RuleStates>,
    pub snapshots: &'a watch::Receiver<Snapshots>,
}

/// One connection's view of the cameras.
#[derive(Debug)]
pub(super) struct Retained {
    topics: Topics,
    cameras: Vec<Camera>,
    /// Whether pictures are published.
    pictures: bool,
}

/// What changed while it was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Place of the camera, and whether its health can change again.
    Health(usize, bool),
    /// The list of cameras.
    List,
    /// A rule, or several.
    Rules,
    /// The newest picture of a camera, or of several.
    Snapshots,
}

/// Waits for the next change. It is kept over many rounds of a loop, so that these cost nothing.
pub(super) type Waiting = Pin<Box<dyn Future<Output = Change> + Send>>;

impl Retained {
    pub(super) fn new(topics: Topics, list: &Cameras, pictures: bool) -> Self {
        let cameras = list.iter().map(|(id, health)| Camera::new(id, health)).collect();
        Self { topics, cameras, pictures }
    }

    /// What a new connection has to say: everything about the cameras, and nothing about those that are gone.
    pub(super) fn everything(&mut self, latest: impl Fn(&CameraId) -> Option<Event>, memory: &mut Memory) -> Vec<Say> {
        let mut say = self.take_back_gone(memory);
        for index in 0..self.cameras.len() {
            say.extend(self.announce(index, &latest, memory));
        }
        say
    }

    /// The list of cameras is another one.
    pub(super) fn relist(
        &mut self,
        list: &Cameras,
        latest: impl Fn(&CameraId) -> Option<Event>,
        memory: &mut Memory,
    ) -> Vec<Say> {
        let mut before: BTreeMap<_, _> = self.cameras.drain(..).map(|camera| (camera.id.clone(), camera)).collect();
        for (id, health) in list.iter() {
            // One that stays keeps what was said of it, unless its source is a new one.
            let same = |camera: &Camera| camera.health.as_ref().is_some_and(|known| known.same_channel(health));
            let camera = match before.remove(id).filter(same) {
                Some(camera) => camera,
                None => Camera::new(id, health),
            };
            self.cameras.push(camera);
        }
        let mut say = self.take_back_gone(memory);
        for index in 0..self.cameras.len() {
            if !self.cameras[index].announced {
                say.extend(self.announce(index, &latest, memory));
            }
        }
        say
    }

    /// The status of a camera whose health has changed.
    pub(super) fn health(&mut self, index: usize, lives: bool) -> Vec<Say> {
        let Some(camera) = self.cameras.get_mut(index) else { return Vec::new() };
        if !lives {
            camera.health = None;
        }
        camera.say_health(&self.topics)
    }

    /// The rules that do not stand as they were last said, and those that are no more.
    pub(super) fn rules(&mut self, states: &RuleStates, memory: &mut Memory) -> Vec<Say> {
        let mut say = Vec::new();
        for camera in self.cameras.iter_mut().filter(|camera| camera.announced) {
            let Some(rules) = camera.known_rules(states) else { continue };
            let said = memory.said.entry(camera.id.clone()).or_default();
            said.retain(|id| {
                let stays = rules.iter().any(|rule| rule.id == *id);
                if !stays {
                    say.push((message::nothing(self.topics.rule(&camera.id, id)), Purpose::State));
                }
                stays
            });
            camera.rules.retain(|id, _| said.contains(id));
            for rule in rules {
                if camera.rules.get(&rule.id) != Some(rule) {
                    say.push((message::rule_state(&self.topics, &camera.id, rule), Purpose::State));
                    said.insert(rule.id.clone());
                    camera.rules.insert(rule.id.clone(), rule.clone());
                }
            }
        }
        say
    }

    /// A camera has an event with new words, of this number: what is to be retained now, if it is not yet.
    pub(super) fn words(
        &mut self,
        camera: &CameraId,
        seq: u64,
        latest: impl Fn(&CameraId) -> Option<Event>,
        memory: &mut Memory,
    ) -> Option<Say> {
        let known = self.cameras.iter().position(|known| known.id == *camera);
        match known {
            Some(index) if self.cameras[index].said.is_none_or(|said| said < seq) => {
                self.say_words(index, latest, memory)
            }
            // Said already, or the camera is gone.
            _ => None,
        }
    }

    /// The broker does not stand the words of this camera.
    pub(super) fn leave_out(&self, camera: &CameraId, memory: &mut Memory) {
        if let Some(seq) = self.cameras.iter().find(|known| known.id == *camera).and_then(|known| known.said) {
            memory.left_out.insert(camera.clone(), seq);
        }
    }

    /// The broker has answered for all that was said.
    pub(super) fn settled(&self, memory: &mut Memory) {
        memory.said.retain(|id, _| self.has(id));
        memory.left_out.retain(|id, _| self.has(id));
    }

    /// Takes back the pictures of an earlier run, if none are published any more. Once each, unseen: a broker does not show
    /// us those that are larger than what we let it send.
    pub(super) fn without_pictures(&self, memory: &mut Memory) -> Vec<Say> {
        let cameras = self.cameras.iter().filter(|_| !self.pictures).map(|camera| &camera.id);
        let new = cameras.filter(|id| memory.without_picture.insert((*id).clone()));
        new.map(|id| (message::nothing(self.topics.snapshot(id)), Purpose::State)).collect()
    }

    /// Takes back what an earlier run retained about a camera or a rule that is no more. A message that does not look
    /// like ours is left alone: with prefixes inside each other, another node may speak on such a topic.
    pub(super) fn stray(&self, topic: &str, payload: &[u8], states: &RuleStates) -> Vec<Message> {
        let Some((id, about)) = self.topics.about(topic) else { return Vec::new() };
        let wanted = match (&about, self.cameras.iter().find(|camera| camera.id == id)) {
            (_, None) => false,
            (About::Rule(rule), Some(camera)) => {
                camera.known_rules(states).is_none_or(|rules| rules.iter().any(|known| known.id == *rule))
            }
            (About::Snapshot, Some(_)) => self.pictures,
            _ => true,
        };
        if wanted || !is_ours(&about, payload) {
            return Vec::new();
        }
        match about {
            // With its status, so that a picture goes too that is larger than what we let the broker send us.
            About::Status => [topic.to_owned(), self.topics.snapshot(&id)].map(message::nothing).into(),
            _ => vec![message::nothing(topic.to_owned())],
        }
    }

    /// Waits for the next change.
    pub(super) fn wait(&self, changing: &Changing<'_>) -> Waiting {
        let mut waits: Vec<Waiting> = Vec::new();
        for (index, camera) in self.cameras.iter().enumerate() {
            if let Some(mut health) = camera.health.clone() {
                waits.push(Box::pin(async move { Change::Health(index, health.changed().await.is_ok()) }));
            }
        }
        waits.push(Box::pin(changed(changing.list.clone(), Change::List)));
        waits.push(Box::pin(changed(changing.rules.clone(), Change::Rules)));
        waits.push(Box::pin(changed(changing.snapshots.clone(), Change::Snapshots)));
        Box::pin(async move { select_all(waits).await.0 })
    }

    pub(super) fn has(&self, camera: &CameraId) -> bool {
        self.cameras.iter().any(|known| known.id == *camera)
    }

    /// Status and last words of one camera.
    fn announce(&mut self, index: usize, latest: impl Fn(&CameraId) -> Option<Event>, memory: &mut Memory) -> Vec<Say> {
        let camera = &mut self.cameras[index];
        camera.announced = true;
        memory.said.entry(camera.id.clone()).or_default();
        let mut say = camera.say_health(&self.topics);
        say.extend(self.say_words(index, latest, memory));
        say
    }

    fn say_words(
        &mut self,
        index: usize,
        latest: impl Fn(&CameraId) -> Option<Event>,
        memory: &mut Memory,
    ) -> Option<Say> {
        let camera = &mut self.cameras[index];
        let event = latest(&camera.id).filter(message::has_new_words)?;
        camera.said = Some(event.seq);
        if memory.left_out.get(&camera.id) == Some(&event.seq) {
            return None;
        }
        let words = message::description(&self.topics, &event)?;
        Some((words, Purpose::Words(camera.id.clone())))
    }

    fn take_back_gone(&self, memory: &Memory) -> Vec<Say> {
        let gone = memory.said.iter().filter(|(id, _)| !self.has(id));
        let topics = gone.flat_map(|(id, rules)| {
            let rules = rules.iter().map(|rule| self.topics.rule(id, rule));
            self.topics.of_camera(id).into_iter().chain(rules)
        });
        topics.map(|topic| (message::nothing(topic), Purpose::State)).collect()
    }
}

impl Camera {
    fn new(id: &CameraId, health: &watch::Receiver<CameraHealth>) -> Self {
        let (id, health) = (id.clone(), Some(health.clone()));
        Self { id, health, announced: false, said: None, enabled: None, rules: BTreeMap::new() }
    }

    /// Its status, and whether it is watched if that is another than before.
    fn say_health(&mut self, topics: &Topics) -> Vec<Say> {
        let Some(health) = &mut self.health else { return Vec::new() };
        let health = health.borrow_and_update().clone();
        let mut say = vec![(message::camera_status(topics, &self.id, &health), Purpose::State)];
        let enabled = Some(health.state != CameraState::Disabled);
        if self.enabled != enabled {
            self.enabled = enabled;
            say.push((message::enabled(topics, &self.id, health.state), Purpose::State));
        }
        say
    }

    /// `None`: nobody says what becomes of the rules of a camera that is not watched, so they stay as they are.
    fn known_rules<'a>(&self, states: &'a RuleStates) -> Option<&'a [RuleNow]> {
        match states.get(&self.id) {
            Some(rules) => Some(rules),
            None => {
                let disabled = |health: &watch::Receiver<CameraHealth>| health.borrow().state == CameraState::Disabled;
                (!self.health.as_ref().is_some_and(disabled)).then_some(&[])
            }
        }
    }
}

async fn changed<T>(mut watched: watch::Receiver<T>, change: Change) -> Change {
    if watched.changed().await.is_err() {
        // Nobody can change it any more.
        std::future::pending::<()>().await;
    }
    change
}

/// Whether a retained message is of the form of what we publish on such a topic.
fn is_ours(about: &About, payload: &[u8]) -> bool {
    let has_fields = |wanted: &[&str]| {
        serde_json::from_slice::<BTreeMap<&str, serde::de::IgnoredAny>>(payload)
            .is_ok_and(|fields| fields.keys().eq(wanted))
    };
    match about {
        About::Status => has_fields(&["reason", "since", "state"]),
        About::Description => has_fields(&["at", "confidence", "event", "text"]),
        About::Rule(_) => has_fields(&["at", "p", "state"]),
        About::Enabled => [message::ON, message::OFF].contains(&payload),
        // As every JPEG begins.
        About::Snapshot => payload.starts_with(&[0xff, 0xd8, 0xff]),
    }
}
