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

    /// Filters for everything that is retained about cameras.
    #[must_use]
    pub fn retained_of_cameras(&self) -> [String; 3] {
        ["status", "description", "rule/+"].map(|what| format!("{}/+/{what}", self.base))
    }

    /// The camera that a retained topic of ours is about, and the rule if it is one's state; `None`: not such a topic.
    #[must_use]
    pub fn about(&self, topic: &str) -> Option<(CameraId, Option<RuleId>)> {
        let mut levels = topic.strip_prefix(&self.base)?.strip_prefix('/')?.split('/');
        let camera = CameraId::new(levels.next()?).ok()?;
        let rule = match levels.next()? {
            "status" | "description" => None,
            "rule" => Some(RuleId::new(levels.next()?).ok()?),
            _ => return None,
        };
        levels.next().is_none().then_some((camera, rule))
    }
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
        assert_eq!(watched("p"), ["p/+/+/event", "p/+/status", "p/+/+/status"]);
    }

    #[test]
    fn a_retained_topic_names_its_camera() {
        let topics = Topics::new("house/eyes", &NodeId::new("garage").unwrap());
        let door = CameraId::new("door").unwrap();
        assert_eq!(topics.retained_of_cameras()[2], "house/eyes/garage/+/rule/+");
        assert_eq!(topics.about("house/eyes/garage/door/status"), Some((door.clone(), None)));
        assert_eq!(topics.about("house/eyes/garage/door/description"), Some((door.clone(), None)));
        let rule = topics.about("house/eyes/garage/door/rule/parcel");
        assert_eq!(rule, Some((door, Some(RuleId::new("parcel").unwrap()))));
        for other in [
            "house/eyes/garage/status",
            "house/eyes/garage/door/event",
            "house/eyes/garage/door/status/more",
            "house/eyes/garage/door/rule",
            "house/eyes/garage2/door/status",
            "house/eyes/garage/d or/status",
            "garage/door/status",
            "",
        ] {
            assert_eq!(topics.about(other), None, "{other}");
        }
    }
}
