//! What came of a clip as one JSON document.

use serde_json::{Map, Value, json};

use super::figures::{Figures, Played};
use super::ruled::{Off, RuleVerdict};
use super::truth::{Judged, Verdict};
use super::{Setup, compare};
use crate::cli::rules::score_json;

/// One document: the first setup's results, and those of the other one where there is one.
pub(super) fn of(round: &[Played], setups: &[Setup]) -> Value {
    let Some((first, rest)) = round.split_first() else { return Value::Null };
    let mut document = one(first);
    if let (Some(other), [a, b, ..], Some(fields)) = (rest.first(), setups, document.as_object_mut()) {
        fields.insert("other".into(), one(other));
        let differences = compare::differences(a, b);
        let settings = differences.iter().map(|d| json!({"key": d.key, "first": d.first, "other": d.other}));
        fields.insert("settings_that_differ".into(), settings.collect());
    }
    document
}

fn one(played: &Played) -> Value {
    let figures = &played.figures;
    let outcomes: Map<_, _> =
        figures.outcomes.iter().map(|(outcome, count)| (outcome.name().to_owned(), (*count).into())).collect();
    json!({
        "clip": played.clip,
        "config": played.config,
        "camera": played.camera,
        "model": played.model,
        "complete": played.problem.is_none() && !played.stopped,
        "problem": played.problem,
        "frames": figures.observed,
        "outcomes": outcomes,
        "events": played.events.iter().map(|event| json!({
            "id": event.id, "started": round(event.started), "announced": round(event.announced), "ended": round(event.ended),
        })).collect::<Vec<_>>(),
        "described_share": share(figures),
        "length_seconds": round(figures.length),
        "took_seconds": round(figures.took),
        "model_seconds": round(figures.model_seconds),
        "sentences": {
            "checked": played.sentences.checked, "corrected": played.sentences.corrected, "doubtful": played.sentences.doubtful,
        },
        "truth": played.verdict.as_ref().map(verdict),
        "rules": played.rules.iter().map(rule).collect::<Vec<_>>(),
    })
}

fn verdict(verdict: &Verdict) -> Value {
    let visit = |judged: &Judged| {
        json!({
            "from": judged.visit.from,
            "to": judged.visit.to,
            "who": judged.visit.who,
            "found": judged.is_found(),
            "merged": judged.merged,
            "events": judged.events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(),
            "start_delay": judged.start_delay().map(round),
            "announced_delay": judged.announced_delay().map(round),
        })
    };
    json!({
        "visits": verdict.visits.len(),
        "found": verdict.found(),
        "recall": verdict.recall().map(round),
        "split": verdict.split(),
        "merged": verdict.merged(),
        "invented": verdict.invented.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(),
        "each": verdict.visits.iter().map(visit).collect::<Vec<_>>(),
    })
}

/// One rule against its labels.
fn rule(verdict: &RuleVerdict) -> Value {
    let off = |off: &Off| json!({"at": round(off.at), "answer": off.answer.name(), "p": round(f64::from(off.p)), "right": if off.yes { "yes" } else { "no" }});
    let mut document = score_json(&verdict.score());
    if let Some(fields) = document.as_object_mut() {
        fields.insert("rule".into(), verdict.rule.as_str().into());
        fields.insert("ask".into(), (!verdict.ask.is_empty()).then_some(verdict.ask.as_str()).into());
        fields.insert("calibrated".into(), verdict.calibrated.into());
        fields.insert("not_labelled".into(), verdict.unknown.into());
        fields.insert("wrong_or_unsure".into(), verdict.off.iter().map(off).collect());
    }
    document
}

fn share(figures: &Figures) -> f64 {
    (figures.described_share() * 1e6).round() / 1e6
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
