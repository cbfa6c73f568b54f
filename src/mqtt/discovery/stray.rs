//! What lies on the broker already, and what to do about it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::message::{self, Message};
use super::payload::Device;
use super::{CameraFacts, Facts, NAME, camera, config_topic, identifier as identifier_of, node};
use crate::ids::CameraId;

/// Our messages are shorter; a longer one is not read.
const LONGEST: usize = 1 << 20;

/// What to do about a message on a discovery topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mqtt) enum Verdict {
    /// It is none of ours, or as good as what [`super::publish`] says on its topic.
    Nothing,
    /// It announces a camera that is no more: this takes it back.
    Remove(Message),
    /// It announces things that the device has no more: this says what there is, and takes those away. To be said instead of the
    /// plain message of its topic.
    Replace(Message),
    /// Something that is not ours lies where we would announce something: nothing may be published there. The words are for the log.
    Foreign { words: String },
}

/// Judges what is retained on `topic`.
pub(in crate::mqtt) fn stray(topic: &str, payload: &[u8], facts: &Facts<'_>) -> Verdict {
    if payload.is_empty() {
        return Verdict::Nothing;
    }
    let wanted = facts.shown.then(|| device(topic, facts)).flatten();
    match (read(payload), wanted) {
        (Some(found), Some((_, device))) if found.is(&device.device.identifiers[0]) => replaced(&found, device),
        (found, Some((what, _))) => Verdict::Foreign { words: foreign(topic, &what, found.as_ref()) },
        (Some(found), None) if found.is_ours(topic, facts) => Verdict::Remove(message::nothing(topic.to_owned())),
        (_, None) => Verdict::Nothing,
    }
}

/// The device that we announce on this topic, and what it is in words.
fn device(topic: &str, facts: &Facts<'_>) -> Option<(String, Device)> {
    if topic == config_topic(facts.prefix, facts.node, None) {
        return Some((format!("node `{}`", facts.node), node::device(facts)));
    }
    let is_its = |camera: &&CameraFacts<'_>| topic == config_topic(facts.prefix, facts.node, Some(camera.id));
    let camera = facts.cameras.iter().find(is_its)?;
    Some((format!("camera `{}`", camera.id), camera::device(facts, camera)))
}

fn replaced(found: &Found, device: Device) -> Verdict {
    let gone: Vec<_> = found
        .components
        .iter()
        .filter(|(key, old)| !old.is_gone() && !device.components.iter().any(|(known, _)| known == *key))
        .map(|(key, old)| (key.clone(), old.platform.clone()))
        .collect();
    if gone.is_empty() { Verdict::Nothing } else { Verdict::Replace(device.without(gone).message()) }
}

fn foreign(topic: &str, what: &str, found: Option<&Found>) -> String {
    let whose = match found {
        Some(Found { origin: Some(origin), device, .. }) if origin.name == NAME => match device.identifiers.first() {
            Some(other) => format!("another Eyewitness announces `{}` there", shown(other)),
            None => "another Eyewitness announces something there".to_owned(),
        },
        Some(Found { origin: Some(origin), .. }) => {
            format!("`{}` announces something there", shown(&origin.name))
        }
        _ => "something lies there that does not say whose it is".to_owned(),
    };
    format!(
        "Home Assistant will not see {what} through us: {whose} (topic `{topic}`), and it is left alone; give the node or the \
         camera another name, choose another mqtt.home_assistant_prefix, or remove that message (an empty retained one)"
    )
}

/// Somebody else's words, fit for a line of a log.
fn shown(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// As much of a discovery message as it takes to know whose it is and what it announces.
#[derive(Debug, Deserialize)]
struct Found {
    #[serde(alias = "o")]
    origin: Option<Whose>,
    #[serde(default, alias = "dev")]
    device: Identified,
    #[serde(default)]
    components: BTreeMap<String, Old>,
}

#[derive(Debug, Deserialize)]
struct Whose {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
struct Identified {
    #[serde(default)]
    identifiers: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Old {
    platform: String,
    #[serde(flatten)]
    rest: BTreeMap<String, IgnoredAny>,
}

impl Old {
    fn is_gone(&self) -> bool {
        self.rest.is_empty()
    }
}

fn read(payload: &[u8]) -> Option<Found> {
    // What is written in another way than ours still says whose it is, if it can.
    #[derive(Deserialize)]
    struct Origin {
        #[serde(alias = "o")]
        origin: Option<Whose>,
    }
    if payload.len() > LONGEST {
        return None;
    }
    serde_json::from_slice(payload).ok().or_else(|| {
        let Origin { origin } = serde_json::from_slice(payload).ok()?;
        Some(Found { origin, device: Identified::default(), components: BTreeMap::new() })
    })
}

impl Found {
    fn is(&self, identifier: &str) -> bool {
        self.origin.as_ref().is_some_and(|origin| origin.name == NAME) && self.device.identifiers == [identifier]
    }

    /// Whether this node has announced the box or one of its cameras with it, on the topic that these have.
    fn is_ours(&self, topic: &str, facts: &Facts<'_>) -> bool {
        let Facts { node, prefix, .. } = *facts;
        let Some(identifier) = self.device.identifiers.first() else { return false };
        let camera = identifier
            .strip_prefix(&identifier_of(node, None))
            .and_then(|rest| rest.strip_prefix('/'))
            .map(CameraId::new);
        match camera {
            Some(Ok(camera)) => {
                self.is(&identifier_of(node, Some(&camera))) && topic == config_topic(prefix, node, Some(&camera))
            }
            Some(Err(_)) => false,
            None => self.is(&identifier_of(node, None)) && topic == config_topic(prefix, node, None),
        }
    }
}
