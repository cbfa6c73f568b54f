//! What one camera has told so far: the running event, its last words, the number of the next message. Pure.

use std::collections::BTreeMap;

use crate::clock::Moment;
use crate::event::{Cause, Event, Kind, RuleAnswer, Schema, Source, TimingMs};
use crate::gate::EndReason;
use crate::ids::{CameraId, EventId, NodeId, RuleId};
use crate::units::Region;

/// What came of looking.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Words(Words),
    /// Words that were said before, of a picture that looks the same.
    Again(Words),
    /// No words, and why; the event is announced all the same.
    Nothing(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Words {
    pub(crate) text: String,
    pub(crate) confidence: f32,
    pub(crate) model: String,
    pub(crate) rules: BTreeMap<RuleId, RuleAnswer>,
    /// What was asked back.
    pub(crate) checked: BTreeMap<String, f32>,
    pub(crate) timing: Option<TimingMs>,
}

/// What was looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    pub(crate) kind: Kind,
    pub(crate) cause: Cause,
    pub(crate) started_at: Moment,
    pub(crate) at: Moment,
    pub(crate) region: Option<Region>,
    /// What is wrong with the camera.
    pub(crate) wrong: Option<&'static str>,
}

#[derive(Debug)]
pub(crate) struct Story {
    node: NodeId,
    camera: CameraId,
    seq: u64,
    running: Option<Running>,
}

/// The event that goes on, and the last thing that was said about it.
#[derive(Debug)]
struct Running {
    id: EventId,
    cause: Cause,
    started_at: Moment,
    words: Option<Words>,
    region: Option<Region>,
}

impl Story {
    /// The numbers go on behind `last_seq`.
    pub(crate) fn new(node: NodeId, camera: CameraId, last_seq: u64) -> Self {
        Self { node, camera, seq: last_seq, running: None }
    }

    /// When the running event began.
    pub(crate) fn running_since(&self) -> Option<Moment> {
        self.running.as_ref().map(|running| running.started_at)
    }

    /// A start or an update. `random` makes the id of a new event.
    pub(crate) fn tell(&mut self, sight: Sight, said: Said, random: u128) -> Event {
        let Sight { kind, cause, started_at, at, region, wrong } = sight;
        let fresh =
            || Running { id: EventId::new(started_at.wall, random), cause, started_at, words: None, region: None };
        if kind == Kind::Start {
            self.running = Some(fresh());
        }
        let running = self.running.get_or_insert_with(fresh);
        running.region = region.or(running.region);
        let id = running.id;
        let (words, source, reason) = match said {
            Said::Words(words) => {
                running.words = Some(words.clone());
                (Some(words), Source::Model, None)
            }
            Said::Again(words) => {
                running.words = Some(words.clone());
                (Some(words), Source::Cache, None)
            }
            Said::Nothing(reason) => (None, Source::None, Some(reason)),
        };
        let reason = match (wrong, reason) {
            (Some(wrong), Some(reason)) => Some(format!("{wrong}; {reason}")),
            (wrong, reason) => reason.or(wrong.map(str::to_owned)),
        };
        let timing_ms = words.as_ref().and_then(|words| words.timing);
        let event = self.event(id, kind, cause, started_at, words, source);
        Event { at: at.wall, region, reason, timing_ms, ..event }
    }

    /// The end of the running event. It repeats the last words, so that whoever hears only this message knows what it
    /// was about.
    pub(crate) fn end(&mut self, started_at: Moment, ended_at: Moment, reason: EndReason, random: u128) -> Event {
        let running = self.running.take().unwrap_or_else(|| Running {
            id: EventId::new(started_at.wall, random),
            cause: Cause::Motion,
            started_at,
            words: None,
            region: None,
        });
        let source = if running.words.is_some() { Source::Cache } else { Source::None };
        let why = match reason {
            EndReason::Quiet => running.words.is_none().then(|| "nothing was said about this event".to_owned()),
            EndReason::CameraLost => Some("the camera gave no more frames".to_owned()),
            EndReason::Stopped => Some("Eyewitness was stopped".to_owned()),
            EndReason::Reconfigured => Some("the camera's settings were changed".to_owned()),
            EndReason::TurnedOff => Some("the camera was turned off".to_owned()),
        };
        let event = self.event(running.id, Kind::End, running.cause, started_at, running.words, source);
        Event { at: ended_at.wall, ended_at: Some(ended_at.wall), region: running.region, reason: why, ..event }
    }

    fn event(
        &mut self,
        id: EventId,
        kind: Kind,
        cause: Cause,
        started_at: Moment,
        words: Option<Words>,
        source: Source,
    ) -> Event {
        self.seq += 1;
        let (rules, checked) = words.as_ref().map(|w| (w.rules.clone(), w.checked.clone())).unwrap_or_default();
        Event {
            schema: Schema,
            id,
            seq: self.seq,
            kind,
            node: self.node.clone(),
            camera: self.camera.clone(),
            started_at: started_at.wall,
            at: started_at.wall,
            ended_at: None,
            confidence: words.as_ref().map(|words| words.confidence),
            model: words.as_ref().map(|words| words.model.clone()),
            description: words.map(|words| words.text),
            cause,
            source,
            reason: None,
            region: None,
            rules,
            alert: Vec::new(),
            checked,
            snapshot: None,
            timing_ms: None,
            replayed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment { mono: Duration::from_secs(seconds), wall: jiff::Timestamp::from_second(seconds as i64).unwrap() }
    }

    fn story() -> Story {
        Story::new(NodeId::new("box").unwrap(), CameraId::new("door").unwrap(), 0)
    }

    fn sight(kind: Kind, second: u64) -> Sight {
        Sight { kind, cause: Cause::Motion, started_at: at(10), at: at(second), region: None, wrong: None }
    }

    fn words(text: &str) -> Said {
        Said::Words(Words {
            text: text.into(),
            confidence: 0.5,
            model: "tiny/int8@cpu".into(),
            rules: BTreeMap::new(),
            checked: BTreeMap::new(),
            timing: Some(TimingMs::default()),
        })
    }

    #[test]
    fn one_id_per_event_and_numbers_without_gaps() {
        let mut story = story();
        let start = story.tell(sight(Kind::Start, 11), words("A man."), 1);
        let update = story.tell(sight(Kind::Update, 15), words("A man and a dog."), 2);
        let end = story.end(at(10), at(20), EndReason::Quiet, 3);
        let next = story.tell(sight(Kind::Start, 30), words("A cat."), 4);
        assert_eq!([start.seq, update.seq, end.seq, next.seq], [1, 2, 3, 4]);
        assert!(start.id == update.id && update.id == end.id && end.id != next.id);
        assert_eq!(end.description.as_deref(), Some("A man and a dog."));
        assert_eq!((end.source, end.ended_at, end.timing_ms), (Source::Cache, Some(at(20).wall), None));
    }

    #[test]
    fn without_words_it_is_announced_with_a_reason() {
        let mut story = story();
        let start = story.tell(sight(Kind::Start, 11), Said::Nothing("the model was busy".into()), 1);
        assert_eq!((start.description, start.source), (None, Source::None));
        assert_eq!(start.reason.as_deref(), Some("the model was busy"));
        let end = story.end(at(10), at(20), EndReason::CameraLost, 2);
        assert_eq!((end.id, end.source), (start.id, Source::None));
        assert_eq!(end.reason.as_deref(), Some("the camera gave no more frames"));
        let end = story.end(at(30), at(40), EndReason::TurnedOff, 3);
        assert_eq!(end.reason.as_deref(), Some("the camera was turned off"));
    }

    #[test]
    fn what_is_wrong_with_the_camera_is_the_reason() {
        let mut story = story();
        let covered = Sight { cause: Cause::Tamper, wrong: Some("the camera is covered"), ..sight(Kind::Start, 11) };
        let start = story.tell(covered, words("A dark wall."), 1);
        assert_eq!((start.cause, start.reason.as_deref()), (Cause::Tamper, Some("the camera is covered")));
        let end = story.end(at(10), at(20), EndReason::Quiet, 2);
        assert_eq!((end.cause, end.reason), (Cause::Tamper, None));
        let start = story.tell(covered, Said::Nothing("the model was busy".into()), 3);
        assert_eq!(start.reason.as_deref(), Some("the camera is covered; the model was busy"));
    }
}
