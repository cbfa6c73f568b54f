//! Questions as anybody may send them: payload, camera, topic for the answer, and what is to come back with it.

use eyewitness::ids::NodeId;
use eyewitness::mqtt::{Settings, asked};

use super::input::Input;

const OWN: &str = "eyewitness/garage/";

pub(crate) fn run(data: &[u8]) {
    let mut input = Input(data);
    let kind = input.byte();
    let lengths = [input.byte(), input.byte(), input.byte()].map(usize::from);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // A broker lets no wildcard and no other level into the level that names the camera.
    let mut camera = text(input.bytes(lengths[0]));
    camera.retain(|c| !matches!(c, '/' | '+' | '#' | '\0'));
    let response = text(input.bytes(lengths[1]));
    let response = match kind % 4 {
        0 => None,
        1 => Some(response),
        2 => Some(format!("{OWN}{camera}/answer/{response}")),
        _ => Some(format!("flows/{response}")),
    };
    let correlation = input.bytes(lengths[2] * 8);
    let mut settings = Settings::new(NodeId::new("garage").expect("an id"), "broker.lan", 1883);
    settings.response_prefix = (kind < 128).then(|| "flows".to_owned());

    let (topic, question) = asked(input.0, &camera, response.as_deref(), correlation, &settings);
    let own = format!("{OWN}{camera}/answer");
    let is_own = topic == own || topic.starts_with(&format!("{own}/"));
    assert!(is_own || (kind < 128 && topic.starts_with("flows/")), "an answer goes to {topic:?}");
    assert!(!topic.contains(['+', '#', '\0']) && !topic.starts_with('$'));
    match question {
        Ok(ask) => {
            assert!(!ask.trim().is_empty() && ask.chars().count() <= 500);
            assert!(!ask.contains(|c: char| c.is_control()), "a question steers a terminal: {ask:?}");
            assert_eq!(topic, response.unwrap_or(own), "the answer goes where it was asked for");
        }
        Err(words) => assert!(!words.trim().is_empty() && words.len() < 2000, "{words}"),
    }
}
