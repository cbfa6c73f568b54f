//! Which boxes and cameras there are at a broker, by what it keeps about them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::ids::{CameraId, NodeId};

/// More boxes, or cameras of one, are not remembered: it is a broker's word.
const MOST: usize = 1024;
/// So many are named when there is a choice.
const NAMED: usize = 20;

/// All that was heard of.
#[derive(Debug)]
pub(super) struct Boxes {
    prefix: String,
    known: BTreeMap<NodeId, Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// As its status has it.
    state: Option<String>,
    cameras: BTreeSet<CameraId>,
}

/// Why no box can be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    #[error("no box says anything below `{prefix}/`: is this the right broker, and `--prefix` right?")]
    Nobody { prefix: String },
    #[error("there is no box `{node}`; there are {known}")]
    NoBox { node: NodeId, known: String },
    #[error("there is no camera `{camera}`; there are {known}")]
    NoCamera { camera: CameraId, known: String },
    #[error("several boxes have a camera `{camera}`: say which one with `--node`: {nodes}")]
    Several { camera: CameraId, nodes: String },
    #[error("the box `{node}` is {state}")]
    Away { node: NodeId, state: String },
}

impl Boxes {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), known: BTreeMap::new() }
    }

    /// A status of a box or of a camera; whatever else it is, it is passed over.
    pub(super) fn heard(&mut self, topic: &str, payload: &[u8]) {
        let Some(rest) = topic.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix('/')) else { return };
        let mut levels = rest.split('/');
        let Some(node) = levels.next().and_then(|level| NodeId::new(level).ok()) else { return };
        if self.known.len() >= MOST && !self.known.contains_key(&node) {
            return;
        }
        match (levels.next(), levels.next(), levels.next()) {
            (Some("status"), None, None) => {
                let said: Option<Value> = serde_json::from_slice(payload).ok();
                let state = said.as_ref().and_then(|said| said.get("state")?.as_str());
                // A word of ours is short; what is not is no word of ours.
                let word = |state: &str| state.len() <= 20 && state.chars().all(|c| c.is_ascii_alphanumeric());
                self.known.entry(node).or_default().state = state.filter(|state| word(state)).map(str::to_owned);
            }
            (Some(camera), Some("status"), None) => {
                let Ok(camera) = CameraId::new(camera) else { return };
                let known = self.known.entry(node).or_default();
                if payload.is_empty() {
                    known.cameras.remove(&camera);
                } else if known.cameras.len() < MOST {
                    known.cameras.insert(camera);
                }
            }
            _ => {}
        }
    }

    /// The box to ask: the one that was named, or the only one with such a camera, offline ones aside if there is another.
    pub(super) fn find(&self, camera: &CameraId, node: Option<&NodeId>) -> Result<NodeId, NotFound> {
        if self.known.is_empty() {
            return Err(NotFound::Nobody { prefix: self.prefix.clone() });
        }
        if let Some(node) = node.filter(|node| !self.known.contains_key(*node)) {
            return Err(NotFound::NoBox { node: node.clone(), known: list(self.known.keys()) });
        }
        let asked = || self.known.iter().filter(|(known, _)| node.is_none_or(|node| node == *known));
        let having: Vec<_> = asked().filter(|(_, known)| known.cameras.contains(camera)).collect();
        let online: Vec<_> = having.iter().filter(|(_, known)| known.is_online()).collect();
        match (having.as_slice(), online.as_slice()) {
            ([], _) => {
                let cameras =
                    asked().flat_map(|(node, known)| known.cameras.iter().map(move |c| format!("{node}/{c}")));
                Err(NotFound::NoCamera { camera: camera.clone(), known: list(cameras) })
            }
            (_, [(node, _)]) => Ok((*node).clone()),
            ([(node, known)], []) => {
                let state = known.state.clone().unwrap_or_else(|| "not heard of".to_owned());
                Err(NotFound::Away { node: (*node).clone(), state })
            }
            (several, _) => {
                let nodes = list(several.iter().map(|(node, _)| node));
                Err(NotFound::Several { camera: camera.clone(), nodes })
            }
        }
    }
}

impl Known {
    fn is_online(&self) -> bool {
        self.state.as_deref() == Some("online")
    }
}

fn list(names: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let mut names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> CameraId {
        CameraId::new(name).unwrap()
    }

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    const ONLINE: &[u8] = br#"{"state":"online","since":"2026-11-23T09:14:03.120Z"}"#;
    const OFFLINE: &[u8] = br#"{"state":"offline"}"#;

    fn heard(messages: &[(&str, &[u8])]) -> Boxes {
        let mut boxes = Boxes::new("house/eyes");
        messages.iter().for_each(|(topic, payload)| boxes.heard(&format!("house/eyes/{topic}"), payload));
        boxes
    }

    #[test]
    fn the_only_box_with_the_camera_is_asked() {
        let boxes = heard(&[
            ("garage/status", ONLINE),
            ("garage/door/status", OFFLINE),
            ("attic/status", ONLINE),
            ("attic/window/status", ONLINE),
        ]);
        // A camera that is offline says so itself.
        assert_eq!(boxes.find(&id("door"), None), Ok(node("garage")));
        assert_eq!(boxes.find(&id("door"), Some(&node("garage"))), Ok(node("garage")));
        let words = |camera: &str, node: Option<&NodeId>| boxes.find(&id(camera), node).unwrap_err().to_string();
        assert_eq!(words("dor", None), "there is no camera `dor`; there are `attic/window`, `garage/door`");
        assert_eq!(words("door", Some(&node("attic"))), "there is no camera `door`; there are `attic/window`");
        assert_eq!(words("door", Some(&node("shed"))), "there is no box `shed`; there are `attic`, `garage`");
    }

    #[test]
    fn where_there_is_a_choice_it_is_left_to_the_asker() {
        let mut boxes = heard(&[
            ("garage/status", ONLINE),
            ("garage/door/status", ONLINE),
            ("attic/status", ONLINE),
            ("attic/door/status", ONLINE),
        ]);
        let words = boxes.find(&id("door"), None).unwrap_err().to_string();
        assert_eq!(words, "several boxes have a camera `door`: say which one with `--node`: `attic`, `garage`");
        // One that is gone is no choice.
        boxes.heard("house/eyes/attic/status", OFFLINE);
        assert_eq!(boxes.find(&id("door"), None), Ok(node("garage")));
        let words = boxes.find(&id("door"), Some(&node("attic"))).unwrap_err().to_string();
        assert_eq!(words, "the box `attic` is offline");
        boxes.heard("house/eyes/garage/door/status", b"");
        assert_eq!(boxes.find(&id("door"), None).unwrap_err().to_string(), "the box `attic` is offline");
    }

    #[test]
    fn nothing_that_a_broker_keeps_does_harm() {
        let boxes = heard(&[
            ("", b""),
            ("garage", ONLINE),
            ("No Box/status", ONLINE),
            ("garage/No Camera/status", ONLINE),
            ("garage/door/status/more", ONLINE),
            ("garage/door/event", ONLINE),
        ]);
        assert_eq!(boxes.find(&id("door"), None), Err(NotFound::Nobody { prefix: "house/eyes".into() }));
        let mut boxes = heard(&[("garage/status", b"{\"state\":\"\x1b[2J\"}"), ("garage/door/status", b"\xff")]);
        assert_eq!(boxes.find(&id("door"), None).unwrap_err().to_string(), "the box `garage` is not heard of");
        (0..2 * MOST).for_each(|n| boxes.heard(&format!("house/eyes/n{n}/status"), ONLINE));
        assert_eq!(boxes.known.len(), MOST);
        let words = boxes.find(&id("door"), Some(&node("shed"))).unwrap_err().to_string();
        assert!(words.len() < 400 && words.ends_with(", 1004 more"), "{words}");
    }
}
