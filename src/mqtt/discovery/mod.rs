//! How Home Assistant learns of the cameras without a line of YAML: device-based discovery, as facts → messages. Pure; no I/O.
//!
//! One device per camera and one for the box, each with one retained message on `homeassistant/device/eyewitness_N[_C]/config`.
//! `payload` is what such a message is made of, `camera` and `node` are the two devices, `template` the little programs that Home
//! Assistant runs over what we publish, `stray` judges what lies on the broker already: of an earlier run, or of somebody else.
//!
//! Whoever sends this: ask for [`filter`] first and judge what is retained there with [`stray`]; only then send [`publish`], without
//! the topics that were found foreign. What `stray` wants to be said replaces the plain message of that topic.

mod camera;
mod node;
mod payload;
mod stray;
mod template;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::ids::{CameraId, NodeId, RuleId};

use super::message::Message;
use super::topics::Topics;

pub(super) use stray::{Verdict, stray};

/// Who we are in `origin.name`: what does not say so is not ours.
const NAME: &str = "Eyewitness";

/// All there is to know for discovery.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub node: &'a NodeId,
    /// First level of discovery topics, usually `homeassistant`.
    pub prefix: &'a str,
    pub topics: &'a Topics,
    /// Of this program.
    pub version: &'a str,
    pub cameras: &'a [CameraFacts<'a>],
    /// Whether pictures are published.
    pub snapshots: bool,
    /// Address of the status page as others reach it (`http://...`).
    pub http: Option<&'a str>,
    /// Whether Home Assistant is to see us at all. If not, nothing is published, and everything of ours is a stray.
    pub shown: bool,
}

/// One camera, also one that is disabled.
#[derive(Debug, Clone, Copy)]
pub(super) struct CameraFacts<'a> {
    pub id: &'a CameraId,
    /// Its rules with their questions.
    pub rules: &'a [(RuleId, Arc<str>)],
}

/// The retained message of each device, the box first: cameras refer to it.
pub(super) fn publish(facts: &Facts<'_>) -> Vec<Message> {
    if !facts.shown {
        return Vec::new();
    }
    let cameras = facts.cameras.iter().map(|camera| camera::device(facts, camera).message());
    std::iter::once(node::device(facts).message()).chain(cameras).collect()
}

/// Where devices are announced, ours and those of others: a topic level cannot be asked for by its beginning.
pub(super) fn filter(prefix: &str) -> String {
    format!("{prefix}/device/+/config")
}

/// Where Home Assistant says `online` when it has started: whatever is not retained is then to be said again.
pub(super) fn birth(prefix: &str) -> String {
    format!("{prefix}/status")
}

/// Where the box (`None`) or a camera is announced.
pub(super) fn config_topic(prefix: &str, node: &NodeId, camera: Option<&CameraId>) -> String {
    match camera {
        None => format!("{prefix}/device/eyewitness_{node}/config"),
        Some(camera) => format!("{prefix}/device/eyewitness_{node}_{camera}/config"),
    }
}

/// What Home Assistant knows a device by. Ids have no `/`, so no two devices share one, as `a` with camera `b_c` and `a_b` with
/// camera `c` share a topic.
fn identifier(node: &NodeId, camera: Option<&CameraId>) -> String {
    match camera {
        None => format!("eyewitness/{node}"),
        Some(camera) => format!("eyewitness/{node}/{camera}"),
    }
}

/// `front-door` as people write it: `Front door`.
fn spoken(id: &str) -> String {
    let words = id.split(['-', '_']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => id.to_owned(),
    }
}
