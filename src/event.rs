//! What happened, as facts: the event that leaves the box. Pure; nothing here knows who asks or who delivers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock;
use crate::ids::{CameraId, EventId, NodeId, RuleId};
use crate::shapes;
use crate::units::Region;

/// Name and version of the JSON form; goes up when a field changes its meaning.
pub const SCHEMA: &str = "eyewitness.event.v1";

/// Longest JSON that is read as an event, in bytes. Real ones have some hundred.
pub const MAX_JSON: usize = 1 << 20;

/// Why a text is no event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("an event has at most {MAX_JSON} bytes, this text has {0}")]
    TooLong(usize),
    #[error("this is no event: {0}")]
    Json(#[from] serde_json::Error),
}

/// Where in its life an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Start,
    Update,
    End,
}

impl Kind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Update => "update",
            Self::End => "end",
        }
    }
}

/// Why the picture was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    Motion,
    Novelty,
    Refresh,
    Command,
    Startup,
    /// The camera was covered, turned away or is out of focus.
    Tamper,
    /// An alerting rule turned on while nothing else went on.
    Rule,
}

/// Where the words come from. An `end` repeats its event's last words with `cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Model,
    Cache,
    None,
}

impl Source {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Cache => "cache",
            Self::None => "none",
        }
    }
}

/// A rule's answer about one frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleAnswer {
    pub answer: YesNo,
    /// Probability of yes, 0 to 1.
    #[serde(serialize_with = "digits", deserialize_with = "number")]
    #[schemars(with = "shapes::Share")]
    pub p: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum YesNo {
    Yes,
    No,
    Unsure,
}

impl YesNo {
    /// Between these probabilities of yes the answer is `unsure`, where nothing is known of what they are worth.
    pub const UNSURE: std::ops::Range<f32> = 0.25..0.75;

    #[must_use]
    pub fn from_probability(p: f32) -> Self {
        match p {
            p if p >= Self::UNSURE.end => Self::Yes,
            p if p < Self::UNSURE.start => Self::No,
            // NaN too: what cannot be told is not claimed.
            _ => Self::Unsure,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unsure => "unsure",
        }
    }
}

/// Milliseconds that the words cost, stage by stage.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TimingMs {
    /// From the choice of the frame until the model began.
    #[serde(serialize_with = "tenths", deserialize_with = "number")]
    #[schemars(with = "shapes::Millis")]
    pub wait: f32,
    #[serde(serialize_with = "tenths", deserialize_with = "number")]
    #[schemars(with = "shapes::Millis")]
    pub preprocess: f32,
    #[serde(serialize_with = "tenths", deserialize_with = "number")]
    #[schemars(with = "shapes::Millis")]
    pub encode: f32,
    #[serde(serialize_with = "tenths", deserialize_with = "number")]
    #[schemars(with = "shapes::Millis")]
    pub prefill: f32,
    #[serde(serialize_with = "tenths", deserialize_with = "number")]
    #[schemars(with = "shapes::Millis")]
    pub decode: f32,
    #[serde(serialize_with = "tenths", deserialize_with = "number")]
    #[schemars(with = "shapes::Millis")]
    pub total: f32,
}

/// One message about one event. Serialises to the JSON of `eyewitness.event.v1`, and is read from it again; fields that
/// a later version adds are passed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    description = "One message about one event. A later version may add fields: pass over those you do not know."
)]
pub struct Event {
    pub schema: Schema,
    /// The same in all messages of one event.
    #[schemars(with = "shapes::Ulid")]
    pub id: EventId,
    /// Counts this camera's messages without gaps, from 1.
    pub seq: u64,
    #[serde(rename = "type")]
    pub kind: Kind,
    #[schemars(with = "shapes::Id")]
    pub node: NodeId,
    #[schemars(with = "shapes::Id")]
    pub camera: CameraId,
    #[serde(serialize_with = "time")]
    #[schemars(with = "shapes::Time")]
    pub started_at: Timestamp,
    /// Capture time of the frame that this message is about; of an `end`, when the view was empty again.
    #[serde(serialize_with = "time")]
    #[schemars(with = "shapes::Time")]
    pub at: Timestamp,
    #[serde(serialize_with = "maybe_time")]
    #[schemars(with = "Option<shapes::Time>")]
    pub ended_at: Option<Timestamp>,
    pub description: Option<String>,
    /// Mean probability of the sentence's tokens, 0 to 1.
    #[serde(serialize_with = "maybe_digits")]
    #[schemars(with = "shapes::Share")]
    pub confidence: Option<f32>,
    pub cause: Cause,
    pub source: Source,
    /// Why there are no words, why the event ended, or what is wrong with the camera; in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `set/precision@provider`
    pub model: Option<String>,
    #[schemars(with = "Option<shapes::Rectangle>")]
    pub region: Option<Region>,
    #[schemars(with = "BTreeMap<String, RuleAnswer>")]
    pub rules: BTreeMap<RuleId, RuleAnswer>,
    /// Rules that say so and have just turned on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<shapes::Id>")]
    pub alert: Vec<RuleId>,
    /// What the sentence names and was asked back, with the probability of yes.
    #[serde(serialize_with = "digits_map", deserialize_with = "number_map")]
    #[schemars(with = "BTreeMap<String, shapes::Share>")]
    pub checked: BTreeMap<String, f32>,
    pub timing_ms: Option<TimingMs>,
    /// Name of the picture that was made of the described frame; where it is, delivery says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// It waited for a broker.
    pub replayed: bool,
}

impl Event {
    /// The event as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an event holds only strings, numbers and maps with string keys")
    }

    /// Reads what [`Event::to_json`] wrote. Times have three digits of a second then, probabilities four.
    ///
    /// # Errors
    /// [`EventError`]: the text is longer than [`MAX_JSON`], or it is no event of this schema.
    pub fn from_json(json: &[u8]) -> Result<Self, EventError> {
        if json.len() > MAX_JSON {
            return Err(EventError::TooLong(json.len()));
        }
        Ok(serde_json::from_slice(json)?)
    }
}

/// Serialises to [`SCHEMA`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schema;

impl JsonSchema for Schema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Schema".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "const": SCHEMA})
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(SCHEMA)
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        if name == SCHEMA { Ok(Self) } else { Err(D::Error::custom(format_args!("its schema is not `{SCHEMA}`"))) }
    }
}

/// Milliseconds and a Z, as every time that leaves the process.
pub(crate) fn time<S: Serializer>(at: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&clock::rfc3339(*at))
}

fn maybe_time<S: Serializer>(at: &Option<Timestamp>, s: S) -> Result<S::Ok, S::Error> {
    at.map(clock::rfc3339).serialize(s)
}

fn round(value: f32, scale: f64) -> f64 {
    (f64::from(value) * scale).round() / scale
}

/// Four digits; JSON has no NaN, so it becomes null.
fn digits<S: Serializer>(value: &f32, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64(round(*value, 1e4))
}

fn tenths<S: Serializer>(value: &f32, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64(round(*value, 10.0))
}

fn maybe_digits<S: Serializer>(value: &Option<f32>, s: S) -> Result<S::Ok, S::Error> {
    value.map(|v| round(v, 1e4)).serialize(s)
}

fn digits_map<S: Serializer>(map: &BTreeMap<String, f32>, s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(map.iter().map(|(k, v)| (k, round(*v, 1e4))))
}

/// What was not a number was written as null.
fn number<'de, D: Deserializer<'de>>(d: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or(f32::NAN))
}

fn number_map<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, f32>, D::Error> {
    let map = BTreeMap::<String, Option<f32>>::deserialize(d)?;
    Ok(map.into_iter().map(|(name, value)| (name, value.unwrap_or(f32::NAN))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_json_is_the_contract() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let event = Event {
            schema: Schema,
            id: EventId(ulid::Ulid::from_string("01JD0000000000000000000000").unwrap()),
            seq: 42,
            kind: Kind::Start,
            node: NodeId::new("garage").unwrap(),
            camera: CameraId::new("front-door").unwrap(),
            started_at: at("2026-11-23T09:14:03.120Z"),
            at: at("2026-11-23T09:14:03.900Z"),
            ended_at: None,
            description: Some("A man in a dark jacket walks to the table.".into()),
            confidence: Some(0.71),
            cause: Cause::Motion,
            source: Source::Model,
            reason: None,
            model: Some("tiny/int8@cpu".into()),
            region: Some(Region { x: 0.41, y: 0.1, w: 0.22, h: 0.8 }),
            rules: [(RuleId::new("parcel").unwrap(), RuleAnswer { answer: YesNo::No, p: 0.04 })].into(),
            alert: Vec::new(),
            checked: [("person".to_owned(), 0.98)].into(),
            timing_ms: Some(TimingMs {
                wait: 3.1,
                preprocess: 0.9,
                encode: 21.0,
                prefill: 9.8,
                decode: 40.2,
                total: 75.0,
            }),
            snapshot: None,
            replayed: false,
        };
        assert_eq!(
            event.to_json(),
            concat!(
                r#"{"schema":"eyewitness.event.v1","id":"01JD0000000000000000000000","seq":42,"type":"start","node":"garage","#,
                r#""camera":"front-door","started_at":"2026-11-23T09:14:03.120Z","at":"2026-11-23T09:14:03.900Z","ended_at":null,"#,
                r#""description":"A man in a dark jacket walks to the table.","confidence":0.71,"cause":"motion","source":"model","#,
                r#""model":"tiny/int8@cpu","region":[0.41,0.1,0.22,0.8],"rules":{"parcel":{"answer":"no","p":0.04}},"#,
                r#""checked":{"person":0.98},"timing_ms":{"wait":3.1,"preprocess":0.9,"encode":21.0,"prefill":9.8,"decode":40.2,"total":75.0},"#,
                r#""replayed":false}"#
            )
        );
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let time = || (0..4_000_000_000_000_i64).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap());
        let p = || prop_oneof![9 => 0.0..1.0_f32, 1 => Just(f32::NAN)];
        let kind = prop_oneof![Just(Kind::Start), Just(Kind::Update), Just(Kind::End)];
        let cause = prop::sample::select(vec![
            Cause::Motion,
            Cause::Novelty,
            Cause::Refresh,
            Cause::Command,
            Cause::Startup,
            Cause::Tamper,
            Cause::Rule,
        ]);
        let source = prop_oneof![Just(Source::Model), Just(Source::Cache), Just(Source::None)];
        let name = || "[a-z0-9_-]{1,64}";
        let words = || prop::option::of(any::<String>());
        let answer = p().prop_map(|p| RuleAnswer { answer: YesNo::from_probability(p), p });
        let region = [p(), p(), p(), p()].prop_map(|[x, y, w, h]| Region { x, y, w, h });
        let timing = [p(), p(), p(), p(), p(), p()].prop_map(|[wait, preprocess, encode, prefill, decode, total]| {
            TimingMs { wait, preprocess, encode, prefill, decode, total }
        });
        let facts = (any::<u128>(), any::<u64>(), kind, name(), name(), time(), time(), prop::option::of(time()));
        let said = (words(), prop::option::of(p()), cause, source, words(), words());
        let rest = (
            prop::option::of(region),
            prop::collection::btree_map(name().prop_map(|name| RuleId::new(&name).unwrap()), answer, 0..3),
            prop::collection::btree_map(any::<String>(), p(), 0..3),
            prop::option::of(timing),
            any::<bool>(),
        );
        (facts, said, rest).prop_map(|(facts, said, rest)| {
            let (id, seq, kind, node, camera, started_at, at, ended_at) = facts;
            let (description, confidence, cause, source, reason, model) = said;
            let (region, rules, checked, timing_ms, replayed) = rest;
            Event {
                schema: Schema,
                id: EventId(ulid::Ulid(id)),
                seq,
                kind,
                node: NodeId::new(&node).unwrap(),
                camera: CameraId::new(&camera).unwrap(),
                started_at,
                at,
                ended_at,
                description,
                confidence,
                cause,
                source,
                reason,
                model,
                region,
                rules,
                alert: Vec::new(),
                checked,
                timing_ms,
                snapshot: None,
                replayed,
            }
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(event in any_event()) {
            let json = event.to_json();
            let read = Event::from_json(json.as_bytes()).unwrap();
            prop_assert_eq!(read.to_json(), json);
            prop_assert_eq!((read.id, read.seq, read.description), (event.id, event.seq, event.description));
        }
    }

    #[test]
    fn a_later_version_may_say_more_and_nobody_less() {
        let json = proptest::strategy::ValueTree::current(
            &any_event().new_tree(&mut proptest::test_runner::TestRunner::deterministic()).unwrap(),
        )
        .to_json();
        let more = json.replacen('{', r#"{"mood":{"of":["the","day"]},"#, 1);
        assert_eq!(Event::from_json(more.as_bytes()).unwrap().to_json(), json);
        let other = json.replacen("event.v1", "event.v2", 1);
        assert!(Event::from_json(other.as_bytes()).unwrap_err().to_string().contains("its schema is not"));
        let less = json.replacen(r#""seq""#, r#""sequel""#, 1);
        assert!(Event::from_json(less.as_bytes()).unwrap_err().to_string().contains("missing field `seq`"));
        let long = format!("{}{json}", " ".repeat(MAX_JSON));
        assert!(matches!(Event::from_json(long.as_bytes()), Err(EventError::TooLong(_))));
        for wrong in ["", "null", "[]", "{}", "{\"schema\":\"eyewitness.event.v1\"}"] {
            assert!(Event::from_json(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_unsure() {
        assert_eq!(YesNo::from_probability(0.9), YesNo::Yes);
        assert_eq!(YesNo::from_probability(0.1), YesNo::No);
        assert_eq!(YesNo::from_probability(0.5), YesNo::Unsure);
        assert_eq!(YesNo::from_probability(f32::NAN), YesNo::Unsure);
    }
}
