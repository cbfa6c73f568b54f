//! The JSON of an event, as the outbox reads it back.

use eyewitness::event::{Event, MAX_JSON};

pub(crate) fn run(data: &[u8]) {
    let event = match Event::from_json(data) {
        Ok(event) => event,
        Err(error) => return assert!(!error.to_string().is_empty(), "an error says something"),
    };
    let said = event.to_json();
    // Letters that JSON writes as escapes may make it longer than it may be.
    if said.len() <= MAX_JSON {
        let again = Event::from_json(said.as_bytes()).expect("what was written can be read");
        assert_eq!(again.to_json(), said, "reading and writing changes nothing more");
    }
}
