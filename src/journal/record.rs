//! What one line of the journal holds. What is said of events is their id and type: words stay out of it.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{self, Moment};
use crate::event::Event;
use crate::gate::{Outcome, Settled};

/// One line. Fields that a later version adds are passed over; a line that cannot be read is as if it were not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase")]
pub enum Record {
    Frames(Frames),
    Event(Told),
}

/// Consecutive frames of a camera that ended alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frames {
    pub camera: String,
    #[serde(with = "time")]
    pub from: Timestamp,
    #[serde(with = "time")]
    pub to: Timestamp,
    pub count: u64,
    /// Numbers of the first and the last frame; `None` for those that never got a number.
    pub frames: Option<(u64, u64)>,
    #[serde(serialize_with = "name", deserialize_with = "outcome")]
    pub outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<Why>,
}

/// The value that decided, over all frames of the line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    pub what: String,
    pub value: Spread,
    pub threshold: Spread,
}

/// The least and the most of a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread(pub f32, pub f32);

/// A message about an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub camera: String,
    /// Time of the frame that it is about.
    #[serde(with = "time")]
    pub at: Timestamp,
    pub id: String,
    /// `start`, `update` or `end`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where its words come from.
    pub source: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

impl Record {
    #[must_use]
    pub fn camera(&self) -> &str {
        match self {
            Self::Frames(frames) => &frames.camera,
            Self::Event(told) => &told.camera,
        }
    }

    #[must_use]
    pub fn from(&self) -> Timestamp {
        match self {
            Self::Frames(frames) => frames.from,
            Self::Event(told) => told.at,
        }
    }

    #[must_use]
    pub fn to(&self) -> Timestamp {
        match self {
            Self::Frames(frames) => frames.to,
            Self::Event(told) => told.at,
        }
    }

    pub(super) fn line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("a record holds only strings and numbers");
        line.push('\n');
        line
    }
}

impl Frames {
    pub(super) fn of_one(camera: &str, settled: &Settled) -> Self {
        let at = settled.at.wall;
        let why = settled.because.map(|measure| Why {
            what: measure.what.to_owned(),
            value: Spread(measure.value, measure.value),
            threshold: Spread(measure.threshold, measure.threshold),
        });
        let frames = Some((settled.frame, settled.frame));
        Self { camera: camera.to_owned(), from: at, to: at, count: 1, frames, outcome: settled.outcome, why }
    }

    /// Frames that have no number: they never came so far.
    pub(super) fn unnumbered(camera: &str, outcome: Outcome, count: u64, at: Moment) -> Self {
        Self { camera: camera.to_owned(), from: at.wall, to: at.wall, count, frames: None, outcome, why: None }
    }

    /// Whether both ended in the same way, for the same kind of reason.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let what = |why: &Option<Why>| why.as_ref().map(|why| why.what.clone());
        self.outcome == other.outcome
            && what(&self.why) == what(&other.why)
            && self.frames.is_some() == other.frames.is_some()
    }

    /// Takes the other's frames in; they must be alike.
    pub(super) fn join(&mut self, other: &Self) {
        self.from = self.from.min(other.from);
        self.to = self.to.max(other.to);
        self.count += other.count;
        self.frames = self.frames.zip(other.frames).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1)));
        if let (Some(mine), Some(its)) = (&mut self.why, &other.why) {
            mine.value = mine.value.with(its.value);
            mine.threshold = mine.threshold.with(its.threshold);
        }
    }
}

impl Spread {
    fn with(self, other: Self) -> Self {
        Self(self.0.min(other.0), self.1.max(other.1))
    }
}

impl Told {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            camera: event.camera.to_string(),
            at: event.at,
            id: event.id.to_string(),
            kind: event.kind.name().to_owned(),
            source: event.source.name().to_owned(),
            reason: event.reason.clone(),
        }
    }
}

fn name<S: Serializer>(outcome: &Outcome, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(outcome.name())
}

fn outcome<'a, D: Deserializer<'a>>(d: D) -> Result<Outcome, D::Error> {
    let name = String::deserialize(d)?;
    let known = Outcome::ALL.into_iter().find(|outcome| outcome.name() == name);
    known.ok_or_else(|| serde::de::Error::custom("no outcome of this version"))
}

/// Times as everywhere outside: RFC 3339 with three digits.
mod time {
    use super::{Deserialize, Deserializer, Serializer, Timestamp, clock};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&clock::rfc3339(*at))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(d: D) -> Result<Timestamp, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_it_was_written() {
        let record = Record::Frames(Frames {
            camera: "door".into(),
            from: "2026-11-23T09:14:03.2Z".parse().unwrap(),
            to: "2026-11-23T09:14:07.8Z".parse().unwrap(),
            count: 24,
            frames: Some((120, 143)),
            outcome: Outcome::NoMotion,
            why: Some(Why {
                what: "share of the view that moves".into(),
                value: Spread(0.0, 0.0004),
                threshold: Spread(0.0025, 0.0025),
            }),
        });
        assert_eq!(
            record.line(),
            concat!(
                r#"{"record":"frames","camera":"door","from":"2026-11-23T09:14:03.200Z","to":"2026-11-23T09:14:07.800Z","#,
                r#""count":24,"frames":[120,143],"outcome":"no_motion","why":{"what":"share of the view that moves","#,
                r#""value":[0.0,0.0004],"threshold":[0.0025,0.0025]}}"#,
                "\n"
            )
        );
        assert_eq!(serde_json::from_str::<Record>(&record.line()).unwrap(), record);
        let later = record.line().replace("\"count\"", "\"new\":1,\"count\"");
        assert_eq!(serde_json::from_str::<Record>(&later).unwrap(), record);
        assert!(serde_json::from_str::<Record>(&record.line().replace("no_motion", "dreamt")).is_err());
    }
}
