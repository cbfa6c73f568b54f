//! Records as plain sentences: what became of the frames of a stretch of time, with the values against the thresholds.
//! Pure.

use jiff::Timestamp;

use super::coalesce::GAP;
use super::record::{Frames, Record, Spread, Told, Why};
use crate::gate::Outcome;

/// A stretch of time that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What an outcome means for a frame.
#[must_use]
pub fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::DecodeSkipped => "never decoded",
        Outcome::Superseded => "a newer or better frame of the same moment stood in for it",
        Outcome::NoMotion => "nothing moved",
        Outcome::Masked => "something moved, but only under a mask",
        Outcome::Lighting => "only the light changed",
        Outcome::Duplicate => "it looked like what was described already",
        Outcome::Cached => "an earlier answer served",
        Outcome::Budget => "the event went on, and it was not yet time for the next description",
        Outcome::Expired => "the model was not free in time",
        Outcome::Described => "the model described it",
        Outcome::Failed => "the model failed at it",
    }
}

/// One sentence per stretch of frames that ended alike, in order of time; `records` in order of their begin. `show`
/// writes a time as its reader knows it.
#[must_use]
pub fn explain(records: &[Record], window: Window, show: &dyn Fn(Timestamp) -> String) -> Vec<String> {
    let told: Vec<&Told> = records.iter().filter_map(as_event).collect();
    let numbered = joined(records, |frames| frames.frames.is_some());
    let unnumbered = joined(records, |frames| frames.frames.is_none());
    let mut said: Vec<(Timestamp, String)> = Vec::new();
    for frames in &numbered {
        said.push((frames.from, sentence(frames, &told, show)));
    }
    for (from, to) in gaps(&numbered, window) {
        said.push((from, format!("{} to {}: no frame reached the gate", show(from), show(to))));
    }
    for frames in &unnumbered {
        said.push((frames.from, sentence(frames, &[], show)));
    }
    for end in told.iter().filter(|told| told.kind == "end") {
        let why = end.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
        said.push((end.at, format!("{}: the event {} ended{why}", show(end.at), end.id)));
    }
    said.sort_by_key(|(at, _)| *at);
    said.into_iter().map(|(_, sentence)| sentence).collect()
}

fn as_event(record: &Record) -> Option<&Told> {
    match record {
        Record::Event(told) => Some(told),
        Record::Frames(_) => None,
    }
}

/// Neighbours that ended alike as one; the journal cuts them now and then.
fn joined(records: &[Record], wanted: impl Fn(&Frames) -> bool) -> Vec<Frames> {
    let mut joined: Vec<Frames> = Vec::new();
    for record in records {
        let Record::Frames(next) = record else { continue };
        if !wanted(next) {
            continue;
        }
        match joined.last_mut() {
            Some(last) if last.is_like(next) && !names_an_event(next.outcome) && !is_gap(last.to, next.from) => {
                last.join(next);
            }
            _ => joined.push(next.clone()),
        }
    }
    joined
}

/// Stretches of the window without any frame.
fn gaps(frames: &[Frames], window: Window) -> Vec<(Timestamp, Timestamp)> {
    let mut gaps = Vec::new();
    let mut until = window.from;
    let bounds = frames.iter().map(|frames| (frames.from, frames.to)).chain([(window.to, window.to)]);
    for (from, to) in bounds {
        if is_gap(until, from) {
            gaps.push((until, from));
        }
        until = until.max(to);
    }
    gaps
}

fn is_gap(from: Timestamp, to: Timestamp) -> bool {
    to.duration_since(from).unsigned_abs() > GAP && to > from
}

fn sentence(frames: &Frames, told: &[&Told], show: &dyn Fn(Timestamp) -> String) -> String {
    let (from, to) = (show(frames.from), show(frames.to));
    let when = if from == to { from } else { format!("{from} to {to}") };
    let count = match frames.count {
        1 => "1 frame".to_owned(),
        count => format!("{count} frames"),
    };
    let why = frames.why.as_ref().map_or_else(String::new, |why| format!(" ({})", reason(why)));
    let event = event_of(frames, told).map_or_else(String::new, |told| match (&told.reason, told.source.as_str()) {
        (Some(reason), "none") => format!("; the event {} was told without words: {reason}", told.id),
        _ if told.kind == "update" => format!("; told as an update of event {}", told.id),
        _ => format!("; told as the {} of event {}", told.kind, told.id),
    });
    format!("{when}, {count}: {}{why}{event}", meaning(frames.outcome))
}

/// The message about the frame: both carry its time.
fn event_of<'a>(frames: &Frames, told: &[&'a Told]) -> Option<&'a Told> {
    let about = |told: &&&Told| told.kind != "end" && told.at == frames.from;
    told.iter().find(about).filter(|_| names_an_event(frames.outcome)).copied()
}

fn names_an_event(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Described | Outcome::Cached | Outcome::Expired | Outcome::Failed)
}

/// The value against its threshold, in words where the kind of value is known.
fn reason(why: &Why) -> String {
    let (value, threshold) = (most(why.value), spread(why.threshold));
    let range = spread(why.value);
    match why.what.as_str() {
        "share of the view that moves" => format!("{value} of the view moved, {threshold} is needed"),
        "share of the view that moves under masks" => {
            format!("{value} of the view moved under masks, {threshold} would be enough elsewhere")
        }
        "share of the view that moves outside the zones" => {
            format!("{value} of the view moved outside the zones, {threshold} would be enough within")
        }
        "share of the view that moves in a lone keyframe" => {
            format!("{value} of the view moved in a lone keyframe, so everything around it was decoded and looked at")
        }
        "how good a look it gives, against the best" => format!("a look of {range}, the best {threshold}"),
        "frames in which it showed" => format!("it showed in {range} frames, {threshold} are needed"),
        "bits that differ from the picture described last" => {
            format!("{range} of 256 bits differ from the picture described last, more than {threshold} are news")
        }
        "seconds since the last description, and things are where they were" => {
            format!("{range} s since the last one and things are where they were, so not before {threshold} s")
        }
        "seconds since a picture like the described one" => {
            format!("{range} s since it looked like the one described, compared again after {threshold} s")
        }
        "share of the view in other light" => format!("{value} of the view in other light, {threshold} is enough"),
        "seconds since the last description" => format!("{range} s since the last one, {threshold} s are needed"),
        "seconds until the model was free" => format!("it would have been after {range} s, {threshold} s is the limit"),
        "likeness to an earlier picture" => format!("{range} like an earlier picture, {threshold} is enough"),
        what if what.contains(" left in ") => format!("{range} {what}, {threshold} needed"),
        what => format!("{what}: {range}, held against {threshold}"),
    }
}

fn most(value: Spread) -> String {
    let Spread(low, high) = value;
    if number(low) == number(high) { number(high) } else { format!("at most {}", number(high)) }
}

fn spread(value: Spread) -> String {
    let (low, high) = (number(value.0), number(value.1));
    if low == high { low } else { format!("{low} to {high}") }
}

/// As many digits as a reader can use.
fn number(value: f32) -> String {
    let value = f64::from(value);
    let digits = match value.abs() {
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        _ => 4,
    };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tenths: i64) -> Timestamp {
        Timestamp::from_millisecond(tenths * 100).unwrap()
    }

    fn show(at: Timestamp) -> String {
        format!("{:.1}", at.as_millisecond() as f64 / 1000.0)
    }

    fn frames(from: i64, to: i64, outcome: Outcome, why: Option<(&str, f32, f32)>) -> Record {
        Record::Frames(Frames {
            camera: "door".into(),
            from: at(from),
            to: at(to),
            count: u64::try_from(to - from).unwrap() / 2 + 1,
            frames: Some((1, 2)),
            outcome,
            why: why.map(|(what, high, threshold)| Why {
                what: what.into(),
                value: Spread(0.0, high),
                threshold: Spread(threshold, threshold),
            }),
        })
    }

    fn event(second: i64, kind: &str, source: &str, reason: Option<&str>) -> Record {
        Record::Event(Told {
            camera: "door".into(),
            at: at(second),
            id: "01JD".into(),
            kind: kind.into(),
            source: source.into(),
            reason: reason.map(str::to_owned),
        })
    }

    fn all(records: &[Record]) -> Vec<String> {
        let window = Window { from: records[0].from(), to: records[records.len() - 1].to() };
        explain(records, window, &show)
    }

    #[test]
    fn values_stand_against_thresholds() {
        let moves = Some(("share of the view that moves", 0.0004, 0.0025));
        let records = [
            frames(0, 50, Outcome::NoMotion, moves),
            frames(52, 60, Outcome::NoMotion, moves),
            frames(62, 62, Outcome::Described, None),
            event(62, "start", "model", None),
            frames(64, 100, Outcome::Budget, Some(("seconds since the last description", 3.8, 4.0))),
            frames(102, 110, Outcome::Duplicate, Some(("bits that differ from the picture described last", 3.0, 24.0))),
            event(108, "end", "cache", None),
        ];
        assert_eq!(
            all(&records),
            [
                "0.0 to 6.0, 31 frames: nothing moved (at most 0.0004 of the view moved, 0.0025 is needed)",
                "6.2, 1 frame: the model described it; told as the start of event 01JD",
                "6.4 to 10.0, 19 frames: the event went on, and it was not yet time for the next description \
                 (0 to 3.8 s since the last one, 4 s are needed)",
                "10.2 to 11.0, 5 frames: it looked like what was described already (0 to 3 of 256 bits differ \
                 from the picture described last, more than 24 are news)",
                "10.8: the event 01JD ended",
            ]
        );
    }

    #[test]
    fn without_words_it_says_why_and_gaps_are_named() {
        let records = [
            frames(0, 0, Outcome::Expired, None),
            event(0, "start", "none", Some("the model was not free in time")),
            frames(300, 302, Outcome::Lighting, Some(("share of the view in other light", 0.31, 0.02))),
        ];
        assert_eq!(
            all(&records),
            [
                "0.0, 1 frame: the model was not free in time; the event 01JD was told without words: the model was \
                 not free in time",
                "0.0 to 30.0: no frame reached the gate",
                "30.0 to 30.2, 2 frames: only the light changed (at most 0.31 of the view in other light, 0.02 is \
                 enough)",
            ]
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, 0.00251, 0.5, 4.0, 12.34].map(number), ["0", "0.0025", "0.5", "4", "12.3"]);
    }
}
