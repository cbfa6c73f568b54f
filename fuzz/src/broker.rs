//! What a broker sends: packets, as they come over the wire, and messages, as `watch` shows them.

use eyewitness::cli::watched;
use eyewitness::ids::NodeId;
use eyewitness::mqtt::{Settings, incoming};

use super::input::Input;

const PASSWORD: &str = "Tr0ub4dor&3-q";

/// Topics that `watch` gets, and one that is none of ours.
const TOPICS: [&str; 4] =
    ["eyewitness/garage/door/event", "eyewitness/garage/status", "eyewitness/garage/door/status", "x"];

pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let kind = input.byte();
    if kind < 128 {
        let said = incoming(input.0, &settings(), kind % 2 == 0);
        // The broker's own words are in it.
        assert!(said.is_none_or(|said| !said.trim().is_empty() && !said.contains(PASSWORD)));
        return;
    }
    let topic = TOPICS[usize::from(kind) % TOPICS.len()];
    if let Some(line) = watched(topic, input.0) {
        assert!(!line.contains(|c: char| c.is_control()), "a message steers the terminal: {line:?}");
        assert!(line.chars().count() < 1 << 20);
    }
}

fn settings() -> Settings {
    Settings {
        username: Some("me".to_owned()),
        password: Some(PASSWORD.into()),
        ..Settings::new(NodeId::new("garage").expect("an id"), "broker.lan", 1883)
    }
}
