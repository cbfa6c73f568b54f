//! Every topic in one place. Pure.

use crate::ids::{CameraId, NodeId};

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
}

/// What a person who watches wants to see: events and states of all nodes under the prefix.
#[must_use]
pub fn watched(prefix: &str) -> [String; 3] {
    [format!("{prefix}/+/+/event"), format!("{prefix}/+/status"), format!("{prefix}/+/+/status")]
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
        assert_eq!(watched("p"), ["p/+/+/event", "p/+/status", "p/+/+/status"]);
    }
}
