//! What is said on which topic, as facts → messages. Pure; knows no client.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use crate::clock::rfc3339;
use crate::event::{Event, Kind, Source};
use crate::health::{CameraHealth, CameraState};
use crate::ids::CameraId;
use crate::rules::RuleNow;

use super::run::Snapshot;
use super::topics::Topics;

/// One publication. All but stats and pictures are acknowledged (QoS 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub topic: String,
    pub payload: Bytes,
    pub retain: bool,
    pub properties: Properties,
}

/// What a publication says beside its payload. Most say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Properties {
    /// What the question had, for whoever asked.
    pub correlation: Option<Bytes>,
    pub content_type: Option<&'static str>,
    pub user: Vec<(&'static str, String)>,
}

impl Properties {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each with its kind (1) and the lengths of its parts (2).
    fn wire_size(&self) -> usize {
        let correlation = self.correlation.as_ref().map_or(0, |data| 3 + data.len());
        let content_type = self.content_type.map_or(0, |kind| 3 + kind.len());
        correlation + content_type + self.user.iter().map(|(name, value)| 5 + name.len() + value.len()).sum::<usize>()
    }
}

impl Message {
    pub(super) fn new(topic: String, payload: &impl Serialize, retain: bool) -> Self {
        let payload =
            serde_json::to_string(payload).expect("payloads hold only strings, numbers and maps with string keys");
        Self { topic, payload: payload.into(), retain, properties: Properties::default() }
    }

    /// At most so many bytes on the wire: fixed header (5), topic length (2), packet id (2), length of the properties (1 to 4).
    pub(super) fn wire_size(&self) -> usize {
        let length = if self.properties.is_empty() { 1 } else { 4 };
        self.topic.len() + self.payload.len() + self.properties.wire_size() + 9 + length
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
    let payload = event.to_json().into();
    Message { topic: topics.event(&event.camera), payload, retain: false, properties: Properties::default() }
}

/// Whether an event has new words: an `end` repeats its event's, and without the model there are none.
pub(super) fn has_new_words(event: &Event) -> bool {
    event.description.is_some() && event.kind != Kind::End && event.source != Source::None
}

/// What is retained of an event with new words: they are the camera's last description.
pub(super) fn description(topics: &Topics, event: &Event) -> Option<Message> {
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

/// A rule as it stands.
pub(super) fn rule_state(topics: &Topics, camera: &CameraId, rule: &RuleNow) -> Message {
    #[derive(Serialize)]
    struct Payload {
        state: &'static str,
        p: Option<f64>,
        at: String,
    }
    let payload = Payload { state: rule.state.name(), p: rule.p.map(four_digits), at: rfc3339(rule.at) };
    Message::new(topics.rule(camera, &rule.id), &payload, true)
}

/// Whether a camera is watched, in the two words of a switch.
pub(super) fn enabled(topics: &Topics, camera: &CameraId, state: CameraState) -> Message {
    let payload = Bytes::from_static(if state == CameraState::Disabled { OFF } else { ON });
    Message { topic: topics.enabled_state(camera), payload, retain: true, properties: Properties::default() }
}

/// The words of a switch.
pub(super) const ON: &[u8] = b"ON";
pub(super) const OFF: &[u8] = b"OFF";

/// A picture. Whoever sees only it knows from its properties which event it belongs to.
pub(super) fn snapshot(topics: &Topics, camera: &CameraId, snapshot: &Snapshot) -> Message {
    let user = vec![
        ("event", snapshot.event.to_string()),
        ("seq", snapshot.seq.to_string()),
        ("at", rfc3339(snapshot.at)),
        ("snapshot", snapshot.name.clone()),
    ];
    let properties = Properties { content_type: Some("image/jpeg"), user, ..Properties::default() };
    Message { topic: topics.snapshot(camera), payload: snapshot.jpeg.clone(), retain: true, properties }
}

fn four_digits(p: f32) -> f64 {
    (f64::from(p) * 1e4).round() / 1e4
}

/// Removes what is retained on a topic.
pub(super) fn nothing(topic: String) -> Message {
    Message { topic, payload: Bytes::new(), retain: true, properties: Properties::default() }
}

/// Counters; not retained and not acknowledged.
pub(super) fn stats(topics: &Topics, counters: &serde_json::Value) -> Message {
    Message::new(topics.stats(), counters, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Cause, Schema};
    use crate::ids::{EventId, NodeId, RuleId};
    use crate::rules::State;

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
        let event = event(Kind::Start, Source::Model);
        assert!(has_new_words(&event));
        let message = super::event(&topics(), &event);
        assert_eq!((message.topic.as_str(), message.retain), ("p/n/c/event", false));
        let words = description(&topics(), &event).unwrap();
        assert_eq!((words.topic.as_str(), words.retain), ("p/n/c/description", true));
        assert_eq!(
            words.payload,
            r#"{"text":"A man walks.","at":"2026-11-23T09:14:03.900Z","confidence":0.71,"event":"01JD0000000000000000000000"}"#
        );
    }

    #[test]
    fn rules_are_said_as_they_stand() {
        let said = |state, p| {
            let (id, ask) = (RuleId::new("dog").unwrap(), "Is there a dog?".into());
            rule_state(&topics(), &CameraId::new("c").unwrap(), &RuleNow { id, ask, alert: false, state, p, at: at() })
        };
        let on = said(State::On, Some(0.98));
        assert_eq!((on.topic.as_str(), on.retain), ("p/n/c/rule/dog", true));
        assert_eq!(on.payload, r#"{"state":"ON","p":0.98,"at":"2026-11-23T09:14:03.900Z"}"#);
        let fresh = said(State::Unsure, None);
        assert_eq!(fresh.payload, r#"{"state":"UNSURE","p":null,"at":"2026-11-23T09:14:03.900Z"}"#);
    }

    #[test]
    fn a_picture_says_where_it_belongs() {
        let event = EventId(ulid::Ulid::from_string("01JD0000000000000000000000").unwrap());
        let picture =
            Snapshot { jpeg: Bytes::from_static(b"jpeg"), name: format!("{event}-7"), event, seq: 7, at: at() };
        let said = snapshot(&topics(), &CameraId::new("c").unwrap(), &picture);
        assert_eq!((said.topic.as_str(), said.retain, &*said.payload), ("p/n/c/snapshot", true, &b"jpeg"[..]));
        let user = [
            ("event", "01JD0000000000000000000000"),
            ("seq", "7"),
            ("at", "2026-11-23T09:14:03.900Z"),
            ("snapshot", "01JD0000000000000000000000-7"),
        ];
        assert!(said.properties.user.iter().map(|(name, value)| (*name, value.as_str())).eq(user));
        // As the client writes it: at most so large, and not much less.
        let written = super::super::client::written(said.clone());
        assert!((written..written + 8).contains(&said.wire_size()), "{written} {}", said.wire_size());
    }

    #[test]
    fn a_switch_has_two_words() {
        let camera = CameraId::new("c").unwrap();
        let said = |state| enabled(&topics(), &camera, state).payload;
        assert_eq!((said(CameraState::Online), said(CameraState::Offline)), ("ON".into(), "ON".into()));
        assert_eq!(said(CameraState::Disabled), "OFF");
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
