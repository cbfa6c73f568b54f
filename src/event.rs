//! What happened, as facts: the event that leaves the box. Pure; nothing here knows who asks or who delivers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::clock;
use crate::ids::{CameraId, EventId, NodeId, RuleId};
use crate::units::Region;

/// Name and version of the JSON form; goes up when a field changes its meaning.
pub const SCHEMA: &str = "eyewitness.event.v1";

/// Where in its life an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    Motion,
    Novelty,
    Refresh,
    Command,
    Startup,
    /// The camera was covered, turned away or is out of focus.
    Tamper,
}

/// Where the words come from. An `end` repeats its event's last words with `cache`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RuleAnswer {
    pub answer: YesNo,
    /// Probability of yes, 0 to 1.
    #[serde(serialize_with = "digits")]
    pub p: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum YesNo {
    Yes,
    No,
    Unsure,
}

impl YesNo {
    /// Between these probabilities of yes the answer is `unsure`.
    pub const UNSURE: std::ops::Range<f32> = 0.35..0.65;

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
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct TimingMs {
    /// From the choice of the frame until the model began.
    #[serde(serialize_with = "tenths")]
    pub wait: f32,
    #[serde(serialize_with = "tenths")]
    pub preprocess: f32,
    #[serde(serialize_with = "tenths")]
    pub encode: f32,
    #[serde(serialize_with = "tenths")]
    pub prefill: f32,
    #[serde(serialize_with = "tenths")]
    pub decode: f32,
    #[serde(serialize_with = "tenths")]
    pub total: f32,
}

/// One message about one event. Serialises to the JSON of `eyewitness.event.v1`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    pub schema: Schema,
    /// The same in all messages of one event.
    pub id: EventId,
    /// Counts this camera's messages without gaps, from 1.
    pub seq: u64,
    #[serde(rename = "type")]
    pub kind: Kind,
    pub node: NodeId,
    pub camera: CameraId,
    #[serde(serialize_with = "time")]
    pub started_at: Timestamp,
    /// Capture time of the frame that this message is about; of an `end`, when the view was empty again.
    #[serde(serialize_with = "time")]
    pub at: Timestamp,
    #[serde(serialize_with = "maybe_time")]
    pub ended_at: Option<Timestamp>,
    pub description: Option<String>,
    /// Mean probability of the sentence's tokens, 0 to 1.
    #[serde(serialize_with = "maybe_digits")]
    pub confidence: Option<f32>,
    pub cause: Cause,
    pub source: Source,
    /// Why there are no words, why the event ended, or what is wrong with the camera; in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `set/precision@provider`
    pub model: Option<String>,
    pub region: Option<Region>,
    pub rules: BTreeMap<RuleId, RuleAnswer>,
    /// What the sentence names and was asked back, with the probability of yes.
    #[serde(serialize_with = "digits_map")]
    pub checked: BTreeMap<String, f32>,
    pub timing_ms: Option<TimingMs>,
    /// It waited for a broker.
    pub replayed: bool,
}

impl Event {
    /// The event as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an event holds only strings, numbers and maps with string keys")
    }
}

/// Serialises to [`SCHEMA`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schema;

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(SCHEMA)
    }
}

fn time<S: Serializer>(at: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
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

#[cfg(test)]
mod tests {
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
            checked: [("person".to_owned(), 0.98)].into(),
            timing_ms: Some(TimingMs {
                wait: 3.1,
                preprocess: 0.9,
                encode: 21.0,
                prefill: 9.8,
                decode: 40.2,
                total: 75.0,
            }),
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

    #[test]
    fn what_cannot_be_told_is_unsure() {
        assert_eq!(YesNo::from_probability(0.9), YesNo::Yes);
        assert_eq!(YesNo::from_probability(0.1), YesNo::No);
        assert_eq!(YesNo::from_probability(0.5), YesNo::Unsure);
        assert_eq!(YesNo::from_probability(f32::NAN), YesNo::Unsure);
    }
}
