//! When Home Assistant is told of the cameras, and of what is gone: `discovery` knows the words. No I/O.
//!
//! On a new connection we first look at what lies on the broker, since nothing of somebody else is written over, and what an
//! earlier run announced is taken away piece by piece. Then everything is said: again when cameras or rules are others, and when
//! Home Assistant says that it has started.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Filter;
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::clock::Moment;
use crate::health::{CameraHealth, CameraState};
use crate::ids::{CameraId, NodeId, RuleId};
use crate::rules::RuleStates;

use super::discovery::{self, CameraFacts, Facts, Verdict};
use super::message::Message;
use super::run::{Cameras, Inputs};
use super::settings::Settings;
use super::topics::Topics;

/// For what is retained to come in behind the answer to the subscription.
const LOOK: Duration = Duration::from_millis(250);
/// A broker that does not answer the subscription is not waited for longer.
const NO_LOOK: Duration = Duration::from_secs(2);
/// Home Assistant asks for some spread when it has started, so that not everybody speaks at once.
const SPREAD: Duration = Duration::from_secs(1);

/// Every camera with its rules and their questions.
type Devices = Vec<(CameraId, Vec<(RuleId, Arc<str>)>)>;

/// What is known of one broker from earlier connections.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Topics of ours that somebody else uses, of which it was said.
    foreign: BTreeSet<String>,
}

/// A message that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard<'a> {
    pub topic: &'a str,
    pub payload: &'a Bytes,
    /// It was there before we came.
    pub retained: bool,
    pub now: Moment,
}

/// One connection's announcements.
#[derive(Debug)]
pub(super) struct Announcer {
    node: NodeId,
    prefix: String,
    topics: Topics,
    version: &'static str,
    snapshots: bool,
    shown: bool,
    /// `None`: it was not looked around yet.
    said: Option<Devices>,
    /// What lies on topics of devices that there are: heard, or said by us.
    lies: BTreeMap<String, Bytes>,
    foreign: BTreeSet<String>,
    /// When to say everything.
    due: Option<Moment>,
}

impl Announcer {
    pub(super) fn new(settings: &Settings, topics: &Topics, inputs: &Inputs, now: Moment) -> Self {
        Self {
            node: settings.node.clone(),
            prefix: settings.home_assistant.prefix.clone(),
            topics: topics.clone(),
            version: inputs.version,
            snapshots: settings.snapshots.is_some(),
            shown: settings.home_assistant.announce,
            said: None,
            lies: BTreeMap::new(),
            foreign: BTreeSet::new(),
            due: Some(now.plus(NO_LOOK)),
        }
    }

    /// What to listen to. All devices of the house come with it; most are none of ours.
    pub(super) fn filters(&self) -> Vec<Filter> {
        let mut devices = Filter::new(discovery::filter(&self.prefix), QoS::AtMostOnce);
        devices.nolocal = true;
        let birth = self.shown.then(|| Filter::new(discovery::birth(&self.prefix), QoS::AtMostOnce));
        std::iter::once(devices).chain(birth).collect()
    }

    /// The subscription is answered.
    pub(super) fn looks_around(&mut self, now: Moment) {
        if self.said.is_none() {
            self.due = Some(now.plus(LOOK));
        }
    }

    pub(super) fn due(&self) -> Option<Moment> {
        self.due
    }

    /// Whether this is a topic of discovery. If it is, what there is to say about it at once.
    pub(super) fn heard(&mut self, heard: Heard<'_>, list: &Cameras, rules: &RuleStates) -> Option<Option<Message>> {
        let Heard { topic, payload, retained, now } = heard;
        if topic == discovery::birth(&self.prefix) {
            // Retained, it was said before we came; what we say then Home Assistant hears anyway.
            if &payload[..] == b"online" && !retained && self.shown && self.due.is_none() {
                debug!("Home Assistant has started: it is told of the cameras again");
                self.due = Some(now.plus(SPREAD.mul_f64(fastrand::f64())));
            }
            return Some(None);
        }
        if !topic.strip_prefix(&self.prefix)?.strip_prefix("/device/")?.ends_with("/config") {
            return None;
        }
        if payload.is_empty() && self.foreign.remove(topic) {
            // Somebody else's message has gone.
            self.due = Some(now);
        }
        if !retained {
            return Some(None);
        }
        let devices = self.devices(list, rules);
        let verdict = self.with(&devices, |facts| discovery::stray(topic, payload, facts));
        match verdict {
            Verdict::Remove(message) => return Some(Some(message)),
            // Judged again when everything is said. What comes later than that was written over.
            Verdict::Replace(_) | Verdict::Foreign { .. } if self.said.is_none() => {
                self.lies.insert(topic.to_owned(), payload.clone());
            }
            _ => {}
        }
        Some(None)
    }

    /// Cameras or rules may be others.
    pub(super) fn changed(&mut self, list: &Cameras, rules: &RuleStates, now: Moment) {
        if self.said.as_ref().is_some_and(|said| *said != self.devices(list, rules)) {
            self.due = Some(now);
        }
    }

    /// All that is to be said now.
    pub(super) fn announce(&mut self, list: &Cameras, rules: &RuleStates, memory: &mut Memory) -> Vec<Message> {
        self.due = None;
        let devices = self.devices(list, rules);
        let (mut say, mut instead) = (Vec::new(), BTreeMap::new());
        for (topic, payload) in std::mem::take(&mut self.lies) {
            match self.with(&devices, |facts| discovery::stray(&topic, &payload, facts)) {
                Verdict::Nothing => {}
                Verdict::Remove(message) => say.push(message),
                Verdict::Replace(message) => _ = instead.insert(topic, message),
                Verdict::Foreign { words } => {
                    if memory.foreign.insert(topic.clone()) {
                        warn!("{words}");
                    }
                    self.foreign.insert(topic);
                }
            }
        }
        for message in self.with(&devices, discovery::publish) {
            if self.foreign.contains(&message.topic) {
                continue;
            }
            let message = instead.remove(&message.topic).unwrap_or(message);
            self.lies.insert(message.topic.clone(), message.payload.clone());
            say.push(message);
        }
        self.said = Some(devices);
        say
    }

    /// Whoever says how rules stand may be silent about a camera that is not watched: it keeps those that it had.
    fn devices(&self, list: &Cameras, rules: &RuleStates) -> Devices {
        let before = |id: &CameraId| self.said.iter().flatten().find(|(known, _)| known == id);
        let rules_of = |id: &CameraId, off: bool| match rules.get(id) {
            Some(rules) => rules.iter().map(|rule| (rule.id.clone(), rule.ask.clone())).collect(),
            None => before(id).filter(|_| off).map(|(_, rules)| rules.clone()).unwrap_or_default(),
        };
        let off = |health: &watch::Receiver<CameraHealth>| health.borrow().state == CameraState::Disabled;
        list.iter().map(|(id, health)| (id.clone(), rules_of(id, off(health)))).collect()
    }

    fn with<T>(&self, devices: &Devices, work: impl FnOnce(&Facts<'_>) -> T) -> T {
        let cameras: Vec<_> = devices.iter().map(|(id, rules)| CameraFacts { id, rules }).collect();
        work(&Facts {
            node: &self.node,
            prefix: &self.prefix,
            topics: &self.topics,
            version: self.version,
            cameras: &cameras,
            snapshots: self.snapshots,
            http: None,
            shown: self.shown,
        })
    }
}
