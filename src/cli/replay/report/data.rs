//! What the page's script reads: every look with what it was held against. In columns, because that is a third of the
//! size.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::record::{Look, Run};
use super::format::harmless;
use super::lanes::{self, Lane};
use crate::gate::Outcome;

/// Of all runs, in the order in which they stand on the page.
pub(super) fn data<'a>(runs: impl Iterator<Item = &'a Run>) -> Value {
    let outcomes: Vec<_> =
        lanes::ALL.iter().map(Lane::of).map(|lane| json!([lane.label, lane.meaning, lane.name])).collect();
    json!({ "outcomes": outcomes, "runs": runs.map(run).collect::<Vec<_>>() })
}

fn run(run: &Run) -> Value {
    let mut names = BTreeMap::new();
    let mut what = Vec::new();
    let mut because = |look: &Look| -> Value {
        let Some(measure) = look.because else { return Value::Null };
        let name = *names.entry(measure.what).or_insert_with(|| {
            what.push(measure.what);
            what.len() - 1
        });
        json!([name, digits(measure.value), digits(measure.threshold)])
    };
    let looks = &run.looks;
    let column = |value: &dyn Fn(&Look) -> Value| looks.iter().map(value).collect::<Vec<_>>();
    let because: Vec<_> = looks.iter().map(&mut because).collect();
    let words = |words: &Option<String>| words.as_ref().map(|words| words.chars().map(harmless).collect::<String>());
    let events =
        run.events.iter().map(|event| json!([hundredths(event.from), event.to.map(hundredths), words(&event.words)]));
    json!({
        "length": hundredths(run.length),
        "t": column(&|look| json!(hundredths(look.at))),
        "n": if run.grain.is_some() { json!(column(&|look| json!(look.frames))) } else { Value::Null },
        "o": column(&|look| json!(place(look.outcome))),
        // In hundred-thousandths of the view.
        "motion": column(&|look| json!(look.seen.map(|seen| parts(seen.motion)))),
        "threshold": column(&|look| json!(look.seen.map(|seen| parts(seen.threshold)))),
        "light": column(&|look| json!(look.seen.map(|seen| parts(seen.lighting)))),
        "because": because,
        "what": what,
        "events": events.collect::<Vec<_>>(),
    })
}

/// Index into `outcomes`.
fn place(outcome: Outcome) -> usize {
    lanes::ALL.iter().position(|other| *other == outcome).unwrap_or_default()
}

fn parts(share: f32) -> i64 {
    (f64::from(share).clamp(0.0, 1.0) * 100_000.0).round() as i64
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Four digits that count.
fn digits(value: f32) -> f64 {
    let value = f64::from(value);
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10_f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}
