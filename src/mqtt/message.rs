//! What is said on which topic, as facts → messages. Pure; knows no client.

use jiff::Timestamp;
use serde::Serialize;

use crate::clock::rfc3339;
use crate::event::{Event, Kind, RuleAnswer, Source, YesNo};
use crate::health::{CameraHealth, CameraState};
use crate::ids::{CameraId, RuleId};

use super::topics::Topics;

/// One publication. All but stats are acknowledged (QoS 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub topic: String,
    pub payload: String,
    pub retain: bool,
}

impl Message {
    fn new(topic: String, payload: &impl Serialize, retain: bool) -> Self {
        let payload =
            serde_json::to_string(payload).expect("payloads hold only strings, numbers and maps with string keys");
        Self { topic, payload, retain }
    }

    /// At most so many bytes on the wire: fixed header (5), topic length (2), packet id (2), no properties (1).
    pub(super) fn wire_size(&self) -> usize {
        self.topic.len() + self.payload.len() + 10
    }
}

/// State of the node as it stands in its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NodeState {
    Online,
    Offline,
    Stopped,
}

/// Who speaks in the node's status.
#[derive(Debug, Clone)]
pub(super) struct Speaker {
    pub version: &'static str,
    /// New for each connection: a will that arrives late is told from the status of the connection after it.
    pub session: ulid::Ulid,
    /// When this connection was begun.
    pub since: Timestamp,
}

/// The node's retained status; with `Offline` the last will.
pub(super) fn node_status(topics: &Topics, state: NodeState, speaker: &Speaker) -> Message {
    status(topics, state, speaker, (state == NodeState::Offline).then_some("connection lost"))
}

/// The node goes on at another broker.
pub(super) fn node_elsewhere(topics: &Topics, speaker: &Speaker) -> Message {
    status(topics, NodeState::Offline, speaker, Some("it is at its first broker again"))
}

fn status(topics: &Topics, state: NodeState, speaker: &Speaker, reason: Option<&'static str>) -> Message {
    #[derive(Serialize)]
    struct Payload {
        state: NodeState,
        version: &'static str,
        session: String,
        /// Of an online status: when the connection was begun. The will cannot know its time.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    }
    let payload = Payload {
        state,
        version: speaker.version,
        session: speaker.session.to_string(),
        since: (state == NodeState::Online).then(|| rfc3339(speaker.since)),
        reason,
    };
    Message::new(topics.status(), &payload, true)
}

/// One camera's retained status.
pub(super) fn camera_status(topics: &Topics, camera: &CameraId, health: &CameraHealth) -> Message {
    #[derive(Serialize)]
    struct Payload<'a> {
        state: CameraState,
        since: String,
        reason: &'a str,
    }
    let payload = Payload { state: health.state, since: rfc3339(health.since), reason: &health.reason };
    Message::new(topics.camera_status(camera), &payload, true)
}

/// One event.
pub(super) fn event(topics: &Topics, event: &Event) -> Message {
    Message { topic: topics.event(&event.camera), payload: event.to_json(), retain: false }
}

/// Whether an event has new words: an `end` repeats its event's, and without the model there are none.
pub(super) fn has_new_words(event: &Event) -> bool {
    event.description.is_some() && event.kind != Kind::End && event.source != Source::None
}

/// What is retained of an event with new words: they are the camera's last description, and its rules' states.
pub(super) fn words(topics: &Topics, event: &Event) -> Vec<Message> {
    let mut messages: Vec<_> = description(topics, event).into_iter().collect();
    messages.extend(event.rules.iter().map(|(rule, answer)| rule_state(topics, event, rule, answer)));
    messages
}

fn description(topics: &Topics, event: &Event) -> Option<Message> {
    #[derive(Serialize)]
    struct Payload<'a> {
        text: &'a str,
        at: String,
        confidence: Option<f64>,
        event: String,
    }
    let payload = Payload {
        text: event.description.as_deref()?,
        at: rfc3339(event.at),
        confidence: event.confidence.map(four_digits),
        event: event.id.to_string(),
    };
    Some(Message::new(topics.description(&event.camera), &payload, true))
}

/// The state of a rule by its newest answer.
fn rule_state(topics: &Topics, event: &Event, rule: &RuleId, answer: &RuleAnswer) -> Message {
    #[derive(Serialize)]
    struct Payload {
        state: &'static str,
        p: f64,
        at: String,
    }
    let payload = Payload { state: state_of(answer.answer), p: four_digits(answer.p), at: rfc3339(event.at) };
    Message::new(topics.rule(&event.camera, rule), &payload, true)
}

/// One answer decides; whoever wants a state that does not flicker replaces this.
fn state_of(answer: YesNo) -> &'static str {
    match answer {
        YesNo::Yes => "ON",
        YesNo::No => "OFF",
        YesNo::Unsure => "UNSURE",
    }
}

fn four_digits(p: f32) -> f64 {
    (f64::from(p) * 1e4).round() / 1e4
}

/// Removes what is retained on a topic.
pub(super) fn nothing(topic: String) -> Message {
    Message { topic, payload: String::new(), retain: true }
}

/// Counters; not retained and not acknowledged.
pub(super) fn stats(topics: &Topics, counters: &serde_json::Value) -> Message {
    Message::new(topics.stats(), counters, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Cause, Schema};
    use crate::ids::{EventId, NodeId};

    fn topics() -> Topics {
        Topics::new("p", &NodeId::new("n").unwrap())
    }

    fn at() -> Timestamp {
        "2026-11-23T09:14:03.9Z".parse().unwrap()
    }

    fn event(kind: Kind, source: Source) -> Event {
        Event {
            schema: Schema,
            id: EventId(ulid::Ulid::from_string("01JD0000000000000000000000").unwrap()),
            seq: 1,
            kind,
            node: NodeId::new("n").unwrap(),
            camera: CameraId::new("c").unwrap(),
            started_at: at(),
            at: at(),
            ended_at: None,
            description: (source != Source::None).then(|| "A man walks.".to_owned()),
            confidence: Some(0.71),
            cause: Cause::Motion,
            source,
            reason: None,
            model: None,
            region: None,
            rules: [].into(),
            alert: Vec::new(),
            checked: [].into(),
            snapshot: None,
            timing_ms: None,
            replayed: false,
        }
    }

    #[test]
    fn new_words_are_also_retained() {
        let mut event = event(Kind::Start, Source::Model);
        assert!(has_new_words(&event));
        let rules = [("cat", YesNo::Unsure, 0.5), ("dog", YesNo::Yes, 0.98), ("parcel", YesNo::No, 0.04)];
        event.rules = rules.map(|(id, answer, p)| (RuleId::new(id).unwrap(), RuleAnswer { answer, p })).into();
        let message = super::event(&topics(), &event);
        assert_eq!((message.topic.as_str(), message.retain), ("p/n/c/event", false));
        let retained =
            |topic: &str, payload: &str| Message { topic: topic.into(), payload: payload.into(), retain: true };
        assert_eq!(
            words(&topics(), &event),
            [
                retained(
                    "p/n/c/description",
                    r#"{"text":"A man walks.","at":"2026-11-23T09:14:03.900Z","confidence":0.71,"event":"01JD0000000000000000000000"}"#
                ),
                retained("p/n/c/rule/cat", r#"{"state":"UNSURE","p":0.5,"at":"2026-11-23T09:14:03.900Z"}"#),
                retained("p/n/c/rule/dog", r#"{"state":"ON","p":0.98,"at":"2026-11-23T09:14:03.900Z"}"#),
                retained("p/n/c/rule/parcel", r#"{"state":"OFF","p":0.04,"at":"2026-11-23T09:14:03.900Z"}"#),
            ]
        );
    }

    #[test]
    fn an_end_and_an_event_without_words_describe_nothing() {
        assert!(!has_new_words(&event(Kind::End, Source::Cache)));
        assert!(!has_new_words(&event(Kind::Update, Source::None)));
    }

    #[test]
    fn states_are_the_contract() {
        let speaker = Speaker { version: "1.2.3", session: ulid::Ulid::from_parts(0, 7), since: at() };
        let payload = |state| node_status(&topics(), state, &speaker).payload;
        assert_eq!(
            payload(NodeState::Online),
            r#"{"state":"online","version":"1.2.3","session":"00000000000000000000000007","since":"2026-11-23T09:14:03.900Z"}"#
        );
        assert_eq!(
            payload(NodeState::Offline),
            r#"{"state":"offline","version":"1.2.3","session":"00000000000000000000000007","reason":"connection lost"}"#
        );
        assert_eq!(
            payload(NodeState::Stopped),
            r#"{"state":"stopped","version":"1.2.3","session":"00000000000000000000000007"}"#
        );
        let camera = camera_status(&topics(), &CameraId::new("c").unwrap(), &CameraHealth::starting(at()));
        assert_eq!(camera.topic, "p/n/c/status");
        assert_eq!(camera.payload, r#"{"state":"offline","since":"2026-11-23T09:14:03.900Z","reason":"starting"}"#);
        assert!(camera.retain);
    }
}
