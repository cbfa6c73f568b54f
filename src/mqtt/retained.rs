//! What the broker keeps about the cameras: what to say on a connection, and what to take back. No I/O.
//!
//! Only the newest words of a camera are ever retained, from the outbox's memory of them and not from the event that
//! happens to be delivered: an old event that waited must not overwrite newer words.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use futures_util::future::select_all;
use tokio::sync::watch;

use crate::event::Event;
use crate::health::CameraHealth;
use crate::ids::{CameraId, RuleId};

use super::message::{self, Message};
use super::run::Cameras;
use super::topics::Topics;
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
}

#[derive(Debug)]
struct Camera {
    id: CameraId,
    /// `None` once nobody can change it any more.
    health: Option<watch::Receiver<CameraHealth>>,
    announced: bool,
    /// Number of the words that were said on this connection.
    said: Option<u64>,
}

/// One connection's view of the cameras.
#[derive(Debug)]
pub(super) struct Retained {
    topics: Topics,
    cameras: Vec<Camera>,
}

/// What changed while it was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Place of the camera, and whether its health can change again.
    Health(usize, bool),
    /// The list of cameras.
    List,
}

/// Waits for the next change. It is kept over many rounds of a loop, so that these cost nothing.
pub(super) type Waiting = Pin<Box<dyn Future<Output = Change> + Send>>;

impl Retained {
    pub(super) fn new(topics: Topics, list: &Cameras) -> Self {
        let cameras = list.iter().map(|(id, health)| Camera::new(id, health)).collect();
        Self { topics, cameras }
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
    pub(super) fn health(&mut self, index: usize, lives: bool) -> Option<Say> {
        let camera = self.cameras.get_mut(index)?;
        let status = camera.health.as_mut().map(|health| {
            let status = message::camera_status(&self.topics, &camera.id, &health.borrow_and_update());
            (status, Purpose::State)
        });
        if !lives {
            camera.health = None;
        }
        status.filter(|_| lives)
    }

    /// A camera has an event with new words, of this number: what is to be retained now, if it is not yet.
    pub(super) fn words(
        &mut self,
        camera: &CameraId,
        seq: u64,
        latest: impl Fn(&CameraId) -> Option<Event>,
        memory: &mut Memory,
    ) -> Vec<Say> {
        let known = self.cameras.iter().position(|known| known.id == *camera);
        match known {
            Some(index) if self.cameras[index].said.is_none_or(|said| said < seq) => {
                self.say_words(index, latest, memory)
            }
            // Said already, or the camera is gone.
            _ => Vec::new(),
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

    /// Takes back what an earlier run retained about a camera or a rule that is no more. A message that does not look
    /// like ours is left alone: with prefixes inside each other, another node may speak on such a topic.
    pub(super) fn stray(&self, topic: &str, payload: &[u8], memory: &Memory) -> Option<Message> {
        let (camera, rule) = self.topics.about(topic)?;
        let wanted = match (&rule, memory.said.get(&camera)) {
            _ if !self.has(&camera) => false,
            // Only newer words tell which rules there are.
            (Some(rule), Some(rules)) => !self.has_said(&camera) || rules.contains(rule),
            _ => true,
        };
        (!wanted && is_ours(rule.is_some(), topic, payload)).then(|| message::nothing(topic.to_owned()))
    }

    /// Waits for the next change of a camera's health or of the list.
    pub(super) fn wait(&self, list: &watch::Receiver<Cameras>) -> Waiting {
        let mut waits: Vec<Waiting> = Vec::new();
        for (index, camera) in self.cameras.iter().enumerate() {
            if let Some(mut health) = camera.health.clone() {
                waits.push(Box::pin(async move { Change::Health(index, health.changed().await.is_ok()) }));
            }
        }
        let mut list = list.clone();
        waits.push(Box::pin(async move {
            if list.changed().await.is_err() {
                // Nobody can change it any more.
                std::future::pending::<()>().await;
            }
            Change::List
        }));
        Box::pin(async move { select_all(waits).await.0 })
    }

    fn has(&self, camera: &CameraId) -> bool {
        self.cameras.iter().any(|known| known.id == *camera)
    }

    fn has_said(&self, camera: &CameraId) -> bool {
        self.cameras.iter().any(|known| known.id == *camera && known.said.is_some())
    }

    /// Status and last words of one camera.
    fn announce(&mut self, index: usize, latest: impl Fn(&CameraId) -> Option<Event>, memory: &mut Memory) -> Vec<Say> {
        let camera = &mut self.cameras[index];
        camera.announced = true;
        memory.said.entry(camera.id.clone()).or_default();
        let status = camera.health.as_mut().map(|health| {
            let status = message::camera_status(&self.topics, &camera.id, &health.borrow_and_update());
            (status, Purpose::State)
        });
        status.into_iter().chain(self.say_words(index, latest, memory)).collect()
    }

    fn say_words(
        &mut self,
        index: usize,
        latest: impl Fn(&CameraId) -> Option<Event>,
        memory: &mut Memory,
    ) -> Vec<Say> {
        let camera = &mut self.cameras[index];
        let Some(event) = latest(&camera.id).filter(message::has_new_words) else { return Vec::new() };
        camera.said = Some(event.seq);
        if memory.left_out.get(&camera.id) == Some(&event.seq) {
            return Vec::new();
        }
        let rules: BTreeSet<_> = event.rules.keys().cloned().collect();
        let before = memory.said.insert(camera.id.clone(), rules.clone()).unwrap_or_default();
        let over = before.difference(&rules).map(|rule| message::nothing(self.topics.rule(&camera.id, rule)));
        let say = over.map(|message| (message, Purpose::State));
        let words = message::words(&self.topics, &event).into_iter();
        say.chain(words.map(|message| (message, Purpose::Words(camera.id.clone())))).collect()
    }

    fn take_back_gone(&self, memory: &Memory) -> Vec<Say> {
        let gone = memory.said.iter().filter(|(id, _)| !self.has(id));
        let topics = gone.flat_map(|(id, rules)| {
            let rules = rules.iter().map(|rule| self.topics.rule(id, rule));
            [self.topics.camera_status(id), self.topics.description(id)].into_iter().chain(rules)
        });
        topics.map(|topic| (message::nothing(topic), Purpose::State)).collect()
    }
}

impl Camera {
    fn new(id: &CameraId, health: &watch::Receiver<CameraHealth>) -> Self {
        Self { id: id.clone(), health: Some(health.clone()), announced: false, said: None }
    }
}

/// Whether a retained message has the fields of the one that we publish on such a topic.
fn is_ours(rule: bool, topic: &str, payload: &[u8]) -> bool {
    let Ok(fields) = serde_json::from_slice::<BTreeMap<&str, serde::de::IgnoredAny>>(payload) else { return false };
    let wanted: &[&str] = match rule {
        true => &["at", "p", "state"],
        false if topic.ends_with("/status") => &["reason", "since", "state"],
        false => &["at", "confidence", "event", "text"],
    };
    fields.keys().eq(wanted)
}
