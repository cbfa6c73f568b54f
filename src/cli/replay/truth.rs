//! What the events of a clip are against what there was to see. Pure: labels and events in, a [`Verdict`] out; what is
//! printed of it stands elsewhere.
//!
//! The rule: an event belongs to the visit with which it shares most time, or, if it shares time with none, to the
//! nearest one that is at most [`TOLERANCE`] away. An event that belongs to no visit is invented. A visit without an
//! event of its own is found all the same if an event of another visit runs into it: the two became one event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::{self, Truth};
use crate::cli::spans::Spans;
use crate::ids::RuleId;

/// How far an event may be from a visit and still belong to it, in seconds.
pub(super) const TOLERANCE: f64 = 1.5;

/// The labels of some clips, as they stand in a file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Labels {
    /// By file name.
    pub(super) clips: BTreeMap<String, ClipLabels>,
}

/// What there is to see in one clip; what else stands in the file is for people.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ClipLabels {
    /// `None`: only about rules.
    #[serde(default)]
    pub(super) events: Option<Vec<Visit>>,
    /// By rule, when its answer is yes.
    #[serde(default)]
    pub(super) rules: BTreeMap<String, Spans>,
}

/// From the first moment at which somebody is clearly in view until the view is empty again, in seconds of the clip.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub(super) struct Visit {
    pub(super) from: f64,
    pub(super) to: f64,
    #[serde(default)]
    pub(super) who: String,
}

/// One event as it came, in seconds of the clip.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) started: f64,
    /// The time of the frame at which it was passed on: a live camera would have announced it then.
    pub(super) announced: f64,
    pub(super) ended: f64,
}

/// What a clip's events are worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Verdict {
    /// File name of the clip.
    pub(super) clip: String,
    /// Name of the config with which it was played.
    pub(super) config: String,
    /// In the order of the labels.
    pub(super) visits: Vec<Judged>,
    /// Events that belong to no visit.
    pub(super) invented: Vec<Seen>,
}

/// One visit and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Judged {
    #[serde(flatten)]
    pub(super) visit: Visit,
    /// Its events, by their start. None: missed. Several: it was split.
    pub(super) events: Vec<Seen>,
    /// It has no event of its own, but another visit's event goes on in it.
    pub(super) merged: bool,
}

/// Why a text is no labels.
#[derive(Debug, thiserror::Error)]
pub(super) enum LabelsError {
    #[error("it is not labels as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{clip}`: an event from {from} to {to} s is no stretch of time")]
    Times { clip: String, from: f64, to: f64 },
    #[error("`{0}` has neither `events` nor `rules`: nothing is said about it")]
    Nothing(String),
    /// All that is wrong with the labels of rules, one line each.
    #[error("{0}")]
    Rules(String),
}

impl Labels {
    /// # Errors
    /// [`LabelsError`]
    pub(super) fn read(text: &[u8]) -> Result<Self, LabelsError> {
        let labels: Self = serde_json::from_slice(text)?;
        if let Some((name, _)) = labels.clips.iter().find(|(_, clip)| clip.events.is_none() && clip.rules.is_empty()) {
            return Err(LabelsError::Nothing(name.clone()));
        }
        let visits = |(name, clip): (_, &'_ ClipLabels)| {
            clip.events.iter().flatten().map(move |visit| (name, visit.clone())).collect::<Vec<_>>()
        };
        for (clip, visit) in labels.clips.iter().flat_map(visits) {
            if !(visit.from >= 0.0 && visit.to >= visit.from) {
                return Err(LabelsError::Times { clip: clip.clone(), from: visit.from, to: visit.to });
            }
        }
        let problems: Vec<_> = labels.clips.iter().flat_map(|(name, clip)| clip.problems(name)).collect();
        if problems.is_empty() { Ok(labels) } else { Err(LabelsError::Rules(problems.join("\n  "))) }
    }
}

impl ClipLabels {
    /// What is wrong with what is said about rules.
    fn problems(&self, clip: &str) -> Vec<String> {
        let of = |(rule, spans): (&String, &Spans)| {
            let id = RuleId::new(rule).err().map(|error| error.to_string());
            let all = id.into_iter().chain(spans.problems(None));
            all.map(|problem| format!("`{clip}`, rule `{rule}`: {problem}")).collect::<Vec<_>>()
        };
        self.rules.iter().flat_map(of).collect()
    }
}

impl Verdict {
    /// Which events belong to which visits; `events` in the order of their start.
    pub(super) fn new(clip: &str, config: &str, visits: &[Visit], events: &[Seen]) -> Self {
        let mut judged: Vec<_> =
            visits.iter().map(|visit| Judged { visit: visit.clone(), events: Vec::new(), merged: false }).collect();
        let mut invented = Vec::new();
        for event in events {
            match belongs_to(visits, event) {
                Some(visit) => judged[visit].events.push(event.clone()),
                None => invented.push(event.clone()),
            }
        }
        for one in judged.iter_mut().filter(|one| one.events.is_empty()) {
            one.merged = events.iter().any(|event| shared(&one.visit, event) > 0.0);
        }
        Self { clip: clip.to_owned(), config: config.to_owned(), visits: judged, invented }
    }

    /// Visits that an event tells of.
    pub(super) fn found(&self) -> usize {
        self.visits.iter().filter(|visit| visit.is_found()).count()
    }

    /// Found visits of all visits, 0 to 1; `None` where there is nothing to see.
    pub(super) fn recall(&self) -> Option<f64> {
        (!self.visits.is_empty()).then(|| self.found() as f64 / self.visits.len() as f64)
    }

    /// Visits that became several events.
    pub(super) fn split(&self) -> usize {
        self.visits.iter().filter(|visit| visit.events.len() > 1).count()
    }

    /// Visits that share another visit's event.
    pub(super) fn merged(&self) -> usize {
        self.visits.iter().filter(|visit| visit.merged).count()
    }

    /// Every visit is one event of its own, and there is no other.
    pub(super) fn is_perfect(&self) -> bool {
        self.invented.is_empty() && self.visits.iter().all(|visit| visit.events.len() == 1)
    }
}

impl Judged {
    pub(super) fn is_found(&self) -> bool {
        self.merged || !self.events.is_empty()
    }

    /// Seconds from the visit's begin to the start of its event; negative: the event began before.
    pub(super) fn start_delay(&self) -> Option<f64> {
        self.events.first().map(|event| event.started - self.visit.from)
    }

    /// Seconds from the visit's begin to the frame at which its event was passed on.
    pub(super) fn announced_delay(&self) -> Option<f64> {
        self.events.first().map(|event| event.announced - self.visit.from)
    }
}

/// As the report shows it.
impl From<&Verdict> for Truth {
    fn from(verdict: &Verdict) -> Self {
        let visit = |judged: &Judged| record::Visit {
            from: judged.visit.from,
            to: judged.visit.to,
            who: judged.visit.who.clone(),
            delay: judged.announced_delay(),
            events: judged.events.len() as u64,
            merged: judged.merged,
        };
        Self {
            visits: verdict.visits.iter().map(visit).collect(),
            invented: verdict.invented.iter().map(|event| event.started).collect(),
        }
    }
}

/// Index of the visit that the event belongs to.
fn belongs_to(visits: &[Visit], event: &Seen) -> Option<usize> {
    let near = visits.iter().map(|visit| shared(visit, event)).enumerate().filter(|(_, shared)| *shared >= -TOLERANCE);
    // Of two that are equally near, the earlier one.
    near.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(visit, _)| visit)
}

/// Seconds that both last together; negative: the seconds between them.
fn shared(visit: &Visit, event: &Seen) -> f64 {
    visit.to.min(event.ended) - visit.from.max(event.started)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visits(times: &[(f64, f64)]) -> Vec<Visit> {
        times.iter().map(|&(from, to)| Visit { from, to, who: "somebody".into() }).collect()
    }

    fn events(times: &[(f64, f64)]) -> Vec<Seen> {
        let event = |(n, &(started, ended)): (usize, &(f64, f64))| Seen {
            id: n.to_string(),
            started,
            announced: started + 0.4,
            ended,
        };
        times.iter().enumerate().map(event).collect()
    }

    fn verdict(visited: &[(f64, f64)], seen: &[(f64, f64)]) -> Verdict {
        Verdict::new("clip.mp4", "defaults", &visits(visited), &events(seen))
    }

    #[test]
    fn one_event_for_each_visit_is_perfect() {
        let verdict = verdict(&[(6.0, 20.0), (22.5, 45.0)], &[(6.2, 21.0), (22.0, 45.4)]);
        assert!(verdict.is_perfect());
        assert_eq!((verdict.found(), verdict.recall()), (2, Some(1.0)));
        let delays: Vec<_> = verdict.visits.iter().map(|v| v.start_delay().unwrap()).collect();
        assert!((delays[0] - 0.2).abs() < 1e-9 && (delays[1] + 0.5).abs() < 1e-9, "{delays:?}");
        assert!((verdict.visits[0].announced_delay().unwrap() - 0.6).abs() < 1e-9);
    }

    #[test]
    fn a_missed_visit_and_an_invented_event() {
        let verdict = verdict(&[(10.0, 12.0), (20.0, 22.0)], &[(10.0, 12.0), (30.0, 31.0)]);
        assert_eq!((verdict.found(), verdict.recall()), (1, Some(0.5)));
        assert_eq!(verdict.invented.len(), 1);
        assert_eq!((verdict.visits[1].is_found(), verdict.visits[1].start_delay()), (false, None));
        assert!(!verdict.is_perfect());
    }

    #[test]
    fn near_is_within_the_tolerance() {
        let at = |started, ended| verdict(&[(10.0, 12.0)], &[(started, ended)]).found();
        assert_eq!((at(13.4, 14.0), at(13.6, 14.0), at(7.0, 8.6), at(7.0, 8.4)), (1, 0, 1, 0));
        // Between two visits the nearer one has it.
        let between = verdict(&[(1.0, 4.0), (6.0, 9.0)], &[(5.0, 5.2)]);
        assert_eq!((between.visits[0].events.len(), between.visits[1].events.len()), (0, 1));
    }

    #[test]
    fn split_and_merged() {
        let split = verdict(&[(10.0, 20.0)], &[(10.0, 12.0), (15.0, 20.0)]);
        assert_eq!((split.found(), split.split(), split.merged(), split.is_perfect()), (1, 1, 0, false));
        let merged = verdict(&[(10.0, 20.0), (22.0, 24.0)], &[(10.0, 25.0)]);
        assert_eq!((merged.found(), merged.split(), merged.merged(), merged.is_perfect()), (2, 0, 1, false));
        assert_eq!(merged.visits[1].start_delay(), None);
        // An event that lasts a moment into the next visit, which has its own, merges nothing.
        let apart = verdict(&[(10.0, 20.0), (22.0, 24.0)], &[(10.0, 22.3), (22.4, 24.0)]);
        assert!(apart.is_perfect());
    }

    #[test]
    fn nothing_to_see() {
        let verdict = verdict(&[], &[]);
        assert_eq!((verdict.recall(), verdict.is_perfect()), (None, true));
    }

    #[test]
    fn labels_are_read_and_checked() {
        let text =
            br#"{"about": "x", "clips": {"a.mp4": {"fps": 10, "events": [{"from": 1, "to": 2.5, "who": "a cat"}]}}}"#;
        let labels = Labels::read(text).unwrap();
        let visit = Visit { from: 1.0, to: 2.5, who: "a cat".into() };
        assert_eq!(labels.clips["a.mp4"].events.as_deref(), Some([visit].as_slice()));
        let rules = br#"{"clips": {"a.mp4": {"rules": {"cat": {"yes": [[1, 2.5]], "unknown": [[2.5, 3]]}}}}}"#;
        assert_eq!(Labels::read(rules).unwrap().clips["a.mp4"].rules["cat"].yes, [[1.0, 2.5]]);
        let wrong = |text: &str| Labels::read(text.as_bytes()).unwrap_err().to_string();
        assert!(wrong("[]").starts_with("it is not labels as JSON: "));
        assert!(wrong(r#"{"clips": {"a": {"events": [{"from": 3, "to": 2}]}}}"#).contains("from 3 to 2 s"));
        assert!(wrong(r#"{"clips": {"a": {}}}"#).contains("`a` has neither `events` nor `rules`"));
        let rules =
            wrong(r#"{"clips": {"a": {"rules": {"Cat": {"yes": [[1, 2]]}, "dog": {"yes": [[1, 3], [2, 4]]}}}}}"#);
        for part in ["`a`, rule `Cat`: `C` is not allowed", "`a`, rule `dog`: `yes` [1, 3] and `yes` [2, 4] overlap"] {
            assert!(rules.contains(part), "{rules}");
        }
    }
}
