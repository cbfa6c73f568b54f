//! What stands in each kind of message. Forms that types of ours have come from them; the others are written here, and
//! `tests/schema.rs` holds them against real traffic.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::ask::{MAX_CHARACTERS, MAX_TOKENS, Reply};
use crate::event::Event;
use crate::gate::Outcome;
use crate::shapes::{Id, Share, Time, Ulid};

/// One kind of message.
#[derive(Debug)]
pub(super) struct Message {
    pub name: &'static str,
    pub title: &'static str,
    pub content_type: &'static str,
    pub payload: Value,
    /// User properties of MQTT.
    pub headers: Option<Value>,
    /// Whether it may name a topic for its answer.
    pub answered: bool,
}

impl Message {
    fn json(name: &'static str, title: &'static str, payload: Value) -> Self {
        Self { name, title, content_type: "application/json", payload, headers: None, answered: false }
    }

    fn text(name: &'static str, title: &'static str, payload: Value) -> Self {
        Self { content_type: "text/plain", ..Self::json(name, title, payload) }
    }
}

/// All of them. Schemas that several share, or that are long, go to `generator`.
pub(super) fn messages(generator: &mut SchemaGenerator) -> Vec<Message> {
    let switch = json!({"type": "string", "enum": ["ON", "OFF"]});
    vec![
        Message::json("nodeStatus", "How the box is", node_status(generator)),
        Message::json("stats", "Counters", stats(generator)),
        Message::json("cameraStatus", "How a camera is", camera_status(generator)),
        Message::json("event", "An event", generator.subschema_for::<Event>().into()),
        Message::json("description", "The newest words", description(generator)),
        Message::json("ruleState", "What a rule says", rule_state(generator)),
        snapshot(generator),
        Message::text("enabledState", "Whether a camera is watched", switch.clone()),
        Message::text("enabledSet", "On or off", switch),
        question(Message::text("questionText", "A question", question_text())),
        question(Message::json("questionJson", "A question with its bounds", question_json())),
        Message::json("answer", "An answer", generator.subschema_for::<Reply>().into()),
        Message::json("refusal", "Why there is no answer", refusal()),
        Message::json("discovery", "A device for Home Assistant", discovery()),
        Message::text("homeAssistantStatus", "Whether Home Assistant is there", json!({"type": "string"})),
    ]
}

/// An object: name, whether it is always there, schema, meaning.
fn object(fields: &[(&str, bool, Value, &str)]) -> Value {
    let described = |schema: &Value, doc: &str| {
        let mut schema = schema.clone();
        if !doc.is_empty() {
            schema["description"] = doc.into();
        }
        schema
    };
    let properties: Map<_, _> =
        fields.iter().map(|(name, _, schema, doc)| ((*name).to_owned(), described(schema, doc))).collect();
    let required: Vec<_> = fields.iter().filter(|(_, always, ..)| *always).map(|(name, ..)| *name).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

fn node_status(generator: &mut SchemaGenerator) -> Value {
    object(&[
        ("state", true, json!({"enum": ["online", "offline", "stopped"]}), "`stopped`: after a clean stop."),
        ("version", true, json!({"type": "string"}), "Of Eyewitness."),
        ("session", true, generator.subschema_for::<Ulid>().into(), "New for each connection."),
        (
            "since",
            false,
            generator.subschema_for::<Time>().into(),
            "When the connection was begun; only with `online`.",
        ),
        ("reason", false, json!({"type": "string"}), "Why it is offline, in words."),
    ])
}

fn camera_status(generator: &mut SchemaGenerator) -> Value {
    object(&[
        ("state", true, json!({"enum": ["online", "offline", "disabled"]}), ""),
        ("since", true, generator.subschema_for::<Time>().into(), ""),
        ("reason", true, json!({"type": "string"}), "In words, without secrets."),
    ])
}

fn description(generator: &mut SchemaGenerator) -> Value {
    object(&[
        ("text", true, json!({"type": "string"}), "One sentence."),
        ("at", true, generator.subschema_for::<Time>().into(), "When the frame was taken."),
        ("confidence", true, generator.subschema_for::<Share>().into(), "As in the event."),
        ("event", true, generator.subschema_for::<Ulid>().into(), "`id` of the event."),
    ])
}

fn rule_state(generator: &mut SchemaGenerator) -> Value {
    object(&[
        ("state", true, json!({"enum": ["ON", "OFF", "UNSURE"]}), ""),
        (
            "p",
            true,
            generator.subschema_for::<Share>().into(),
            "Probability of yes of the last answer; null before any.",
        ),
        ("at", true, generator.subschema_for::<Time>().into(), "When the frame of that answer was taken."),
    ])
}

fn snapshot(generator: &mut SchemaGenerator) -> Message {
    let payload = json!({"type": "string", "format": "binary"});
    let headers = object(&[
        ("event", true, generator.subschema_for::<Ulid>().into(), "`id` of the event."),
        ("seq", true, json!({"type": "string", "pattern": "^[1-9][0-9]*$"}), "`seq` of its message."),
        ("at", true, generator.subschema_for::<Time>().into(), "When the frame was taken."),
        ("snapshot", true, json!({"type": "string"}), "The event's `snapshot`."),
    ]);
    let message = Message::json("snapshot", "The frame that was described", payload);
    Message { content_type: "image/jpeg", headers: Some(headers), ..message }
}

fn stats(generator: &mut SchemaGenerator) -> Value {
    let count = || json!({"type": "integer", "minimum": 0});
    let all = |names: &[&'static str]| object(&names.iter().map(|name| (*name, true, count(), "")).collect::<Vec<_>>());
    let camera = object(&[
        ("frames", true, all(&Outcome::ALL.map(Outcome::name)), "By what became of them."),
        ("events", true, all(&["start", "update", "end"]), "Messages by type."),
    ]);
    let outbox = object(&[
        ("rows", true, count(), "Events that wait for the broker."),
        ("bytes", true, count(), "What they take."),
        ("evicted", true, count(), "Lost because of the bounds."),
    ]);
    let id: Value = generator.subschema_for::<Id>().into();
    object(&[
        ("at", true, generator.subschema_for::<Time>().into(), ""),
        ("cameras", true, json!({"type": "object", "propertyNames": id, "additionalProperties": camera}), "By `id`."),
        ("outbox", true, outbox, ""),
        ("model_seconds", true, json!({"type": "number", "minimum": 0}), "Time that the model has spent on answers."),
    ])
}

fn question(message: Message) -> Message {
    Message { answered: true, ..message }
}

fn question_text() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS, "examples": ["What is on the table?"]})
}

fn question_json() -> Value {
    let ask = json!({"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS});
    let tokens = json!({"type": ["integer", "null"], "minimum": 1, "maximum": MAX_TOKENS});
    let mut schema = object(&[
        ("ask", true, ask, "The question."),
        ("max_tokens", false, tokens, "Longest answer; else as long as descriptions may be."),
    ]);
    schema["additionalProperties"] = false.into();
    schema
}

fn refusal() -> Value {
    object(&[
        ("error", true, json!({"type": "string"}), "In words, for whoever asked."),
        ("ask", false, json!({"type": "string"}), "The question, as far as it could be read."),
    ])
}

/// The frame of it; what each entity says is Home Assistant's.
fn discovery() -> Value {
    let text = || json!({"type": "string"});
    let device = object(&[
        ("identifiers", true, json!({"type": "array", "items": text(), "minItems": 1}), ""),
        ("name", true, text(), ""),
        ("manufacturer", true, json!({"const": "Eyewitness"}), ""),
        ("model", true, text(), ""),
        ("sw_version", true, text(), ""),
        ("via_device", false, text(), "Of a camera: the box."),
        ("configuration_url", false, text(), "The status page."),
    ]);
    let origin = object(&[("name", true, json!({"const": "Eyewitness"}), ""), ("sw_version", true, text(), "")]);
    let availability = object(&[("topic", true, text(), ""), ("value_template", true, text(), "")]);
    let entity = json!({"type": "object", "required": ["platform"], "additionalProperties": true});
    object(&[
        ("device", true, device, ""),
        ("origin", true, origin, "Who announces it: what does not say so is left alone."),
        ("availability", true, json!({"type": "array", "items": availability, "minItems": 1}), ""),
        ("availability_mode", true, json!({"const": "all"}), ""),
        (
            "components",
            true,
            json!({"type": "object", "additionalProperties": entity}),
            "Entities; one with nothing but \
            its platform is taken away.",
        ),
    ])
}
