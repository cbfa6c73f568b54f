//! Every topic in one place. Pure.

use crate::ids::{CameraId, NodeId, RuleId};

/// The topics of one node.
#[derive(Debug, Clone)]
pub struct Topics {
    /// `prefix/node`
    base: String,
}

impl Topics {
    #[must_use]
    pub fn new(prefix: &str, node: &NodeId) -> Self {
        Self { base: format!("{prefix}/{node}") }
    }

    /// State of the node; also the last will.
    #[must_use]
    pub fn status(&self) -> String {
        format!("{}/status", self.base)
    }

    /// Counters, each minute.
    #[must_use]
    pub fn stats(&self) -> String {
        format!("{}/stats", self.base)
    }

    #[must_use]
    pub fn camera_status(&self, camera: &CameraId) -> String {
        format!("{}/{camera}/status", self.base)
    }

    #[must_use]
    pub fn event(&self, camera: &CameraId) -> String {
        format!("{}/{camera}/event", self.base)
    }

    #[must_use]
    pub fn description(&self, camera: &CameraId) -> String {
        format!("{}/{camera}/description", self.base)
    }

    #[must_use]
    pub fn rule(&self, camera: &CameraId, rule: &RuleId) -> String {
        format!("{}/{camera}/rule/{rule}", self.base)
    }

    /// JPEG of the frame that was described last.
    #[must_use]
    pub fn snapshot(&self, camera: &CameraId) -> String {
        format!("{}/{camera}/snapshot", self.base)
    }

    /// Whether a camera is watched: `ON` or `OFF`.
    #[must_use]
    pub fn enabled_state(&self, camera: &CameraId) -> String {
        format!("{}/{camera}/enabled/state", self.base)
    }

    /// Where it is told to be.
    #[must_use]
    pub fn enabled_set(&self, camera: &CameraId) -> String {
        format!("{}/{camera}/enabled/set", self.base)
    }

    /// Where the answer to a question goes that names no topic for it. `camera` is the level of the question's topic, which
    /// may be no camera of ours.
    #[must_use]
    pub fn answer(&self, camera: &str) -> String {
        format!("{}/{camera}/answer", self.base)
    }

    /// Filters for everything that is retained about cameras.
    #[must_use]
    pub fn retained_of_cameras(&self) -> [String; 5] {
        ["status", "description", "rule/+", "enabled/state", "snapshot"].map(|what| format!("{}/+/{what}", self.base))
    }

    /// What is retained about every camera, whichever rules it has.
    #[must_use]
    pub fn of_camera(&self, camera: &CameraId) -> [String; 4] {
        [self.camera_status(camera), self.description(camera), self.enabled_state(camera), self.snapshot(camera)]
    }

    /// Filters for commands: questions, and turning on and off.
    #[must_use]
    pub fn commands(&self) -> [String; 2] {
        ["ask", "enabled/set"].map(|what| format!("{}/+/{what}", self.base))
    }

    /// The camera that a retained topic of ours is about, and what it says of it; `None`: not such a topic.
    #[must_use]
    pub fn about(&self, topic: &str) -> Option<(CameraId, About)> {
        let (camera, rest) = self.below(topic)?;
        let about = match rest {
            "status" => About::Status,
            "description" => About::Description,
            "enabled/state" => About::Enabled,
            "snapshot" => About::Snapshot,
            other => About::Rule(RuleId::new(other.strip_prefix("rule/")?).ok()?),
        };
        Some((CameraId::new(camera).ok()?, about))
    }

    /// What a topic commands, and the level that names the camera; `None`: it is no topic of commands.
    #[must_use]
    pub fn command<'t>(&self, topic: &'t str) -> Option<(&'t str, Command)> {
        let (camera, rest) = self.below(topic)?;
        match rest {
            "ask" => Some((camera, Command::Ask)),
            "enabled/set" => Some((camera, Command::Enable)),
            _ => None,
        }
    }

    /// The level below the node, and what is below that.
    fn below<'t>(&self, topic: &'t str) -> Option<(&'t str, &'t str)> {
        topic.strip_prefix(&self.base)?.strip_prefix('/')?.split_once('/')
    }
}

/// What a retained topic says of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    Status,
    Description,
    Rule(RuleId),
    Enabled,
    Snapshot,
}

/// What is commanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Ask,
    Enable,
}

/// What a person who watches wants to see: events and states of all nodes under the prefix.
#[must_use]
pub fn watched(prefix: &str) -> [String; 3] {
    [format!("{prefix}/+/+/event"), format!("{prefix}/+/status"), format!("{prefix}/+/+/status")]
}

/// States of all boxes under the prefix and of their cameras.
#[must_use]
pub fn statuses(prefix: &str) -> [String; 2] {
    [format!("{prefix}/+/status"), format!("{prefix}/+/+/status")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topics_are_the_contract() {
        let topics = Topics::new("eyewitness", &NodeId::new("garage").unwrap());
        let door = CameraId::new("front-door").unwrap();
        assert_eq!(topics.status(), "eyewitness/garage/status");
        assert_eq!(topics.stats(), "eyewitness/garage/stats");
        assert_eq!(topics.camera_status(&door), "eyewitness/garage/front-door/status");
        assert_eq!(topics.event(&door), "eyewitness/garage/front-door/event");
        assert_eq!(topics.description(&door), "eyewitness/garage/front-door/description");
        let parcel = RuleId::new("parcel").unwrap();
        assert_eq!(topics.rule(&door, &parcel), "eyewitness/garage/front-door/rule/parcel");
        assert_eq!(topics.snapshot(&door), "eyewitness/garage/front-door/snapshot");
        assert_eq!(topics.enabled_state(&door), "eyewitness/garage/front-door/enabled/state");
        assert_eq!(topics.enabled_set(&door), "eyewitness/garage/front-door/enabled/set");
        assert_eq!(watched("p"), ["p/+/+/event", "p/+/status", "p/+/+/status"]);
    }

    #[test]
    fn a_retained_topic_names_its_camera() {
        let topics = Topics::new("house/eyes", &NodeId::new("garage").unwrap());
        let door = CameraId::new("door").unwrap();
        assert_eq!(topics.retained_of_cameras()[2], "house/eyes/garage/+/rule/+");
        let about = |what: &str| topics.about(&format!("house/eyes/garage/door/{what}"));
        assert_eq!(about("status"), Some((door.clone(), About::Status)));
        assert_eq!(about("description"), Some((door.clone(), About::Description)));
        assert_eq!(about("enabled/state"), Some((door.clone(), About::Enabled)));
        assert_eq!(about("snapshot"), Some((door.clone(), About::Snapshot)));
        assert_eq!(about("rule/parcel"), Some((door.clone(), About::Rule(RuleId::new("parcel").unwrap()))));
        for (topic, filter) in topics.of_camera(&door).iter().zip([0, 1, 3, 4]) {
            assert_eq!(topic.replace("/door/", "/+/"), topics.retained_of_cameras()[filter]);
        }
        for other in [
            "house/eyes/garage/status",
            "house/eyes/garage/door/event",
            "house/eyes/garage/door/status/more",
            "house/eyes/garage/door/rule",
            "house/eyes/garage/door/rule/a/b",
            "house/eyes/garage/door/enabled/set",
            "house/eyes/garage2/door/status",
            "house/eyes/garage/d or/status",
            "garage/door/status",
            "",
        ] {
            assert_eq!(topics.about(other), None, "{other}");
        }
    }

    #[test]
    fn commands_name_the_level_of_the_camera() {
        let topics = Topics::new("house/eyes", &NodeId::new("garage").unwrap());
        assert_eq!(topics.commands(), ["house/eyes/garage/+/ask", "house/eyes/garage/+/enabled/set"]);
        assert_eq!(topics.command("house/eyes/garage/door/ask"), Some(("door", Command::Ask)));
        assert_eq!(topics.command("house/eyes/garage/No Door/ask"), Some(("No Door", Command::Ask)));
        assert_eq!(topics.command("house/eyes/garage/door/enabled/set"), Some(("door", Command::Enable)));
        for other in ["house/eyes/garage/ask", "house/eyes/garage/door/ask/x", "house/eyes/garage2/door/ask", "ask"] {
            assert_eq!(topics.command(other), None, "{other}");
        }
        assert_eq!(topics.answer("door"), "house/eyes/garage/door/answer");
    }
}
