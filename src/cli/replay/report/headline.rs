//! What a report comes to, in plain sentences and a few large numbers.

use super::super::record::{Run, Truth};
use super::format::{count, duration, number, percent, share, text};
use super::tables::{speed, verdict};
use crate::gate::Outcome;

/// What several runs are together.
pub(super) fn total(runs: &[&Run]) -> Run {
    let mut total = Run::default();
    for run in runs {
        total.add(run);
    }
    total
}

/// "6 events in 2 min 19 s".
pub(super) fn title(total: &Run) -> String {
    match total.events() {
        _ if total.frames() == 0 => "No frame was seen".to_owned(),
        0 => format!("Nothing happened in {}", duration(total.length)),
        n => format!("{} in {}", count(n, "event"), duration(total.length)),
    }
}

/// Two configs, the same footage.
pub(super) fn versus_title(a: &Run, b: &Run) -> String {
    let events = match (a.events(), b.events()) {
        (one, other) if one == other => format!("{} with either", count(one, "event")),
        (one, other) => format!("{} and {}", number(one), count(other, "event")),
    };
    format!("Two configs, {} of footage: {events}", duration(a.length))
}

/// The sentences below the title.
pub(super) fn lead(total: &Run) -> String {
    if total.frames() == 0 {
        return "There was nothing to decide about.".to_owned();
    }
    let described = total.count(Outcome::Described);
    let plural = if described == 1 { "was" } else { "were" };
    let mut sentences = vec![format!(
        "{} of {} {plural} described ({}).",
        number(described),
        count(total.decoded(), if total.decoded() == total.frames() { "frame" } else { "decoded frame" }),
        percent(total.share_described())
    )];
    if total.decoded() < total.frames() {
        let skipped = total.frames() - total.decoded();
        sentences.push(format!(
            "{} ({}) did not even have to be decoded.",
            count(skipped, "other"),
            percent(share(skipped, total.frames()))
        ));
    }
    if total.answers > 0 {
        sentences.push(format!("The model worked {}.", duration(total.model_time.as_secs_f64())));
    }
    if total.sentences.corrected > 0 {
        let corrected = total.sentences.corrected;
        let plural = if corrected == 1 { "was" } else { "were" };
        sentences.push(format!("{} {plural} corrected.", count(corrected, "sentence")));
    }
    sentences.extend(total.truth.as_ref().map(against));
    sentences.join(" ")
}

fn against(truth: &Truth) -> String {
    let perfect = truth.invented.is_empty() && truth.visits.iter().all(|visit| visit.events == 1);
    match truth.visits.len() {
        0 => format!("Held against what really happened: {}.", verdict(truth)),
        1 if perfect => "The one visit was found, and nothing was invented.".to_owned(),
        n if perfect => format!("All {n} visits were found, and nothing was invented."),
        _ => format!("Held against what really happened: {}.", verdict(truth)),
    }
}

/// Value, what it is, and whether it is good (`true`), bad (`false`) or neither.
type Figure = (String, &'static str, Option<bool>);

/// The large numbers.
pub(super) fn figures(total: &Run) -> Vec<Figure> {
    let mut figures = vec![
        (number(total.events()), "events", None),
        (percent(total.share_described()), "of the frames described", None),
        (duration(total.per_hour()), "of model per hour of footage", None),
    ];
    if let Some(speed) = speed(total) {
        figures.push((speed.replace("\u{a0}×\u{a0}real time", "×"), "real-time speed", None));
    }
    if let Some(truth) = &total.truth {
        let (found, all) = (truth.found(), truth.visits.len() as u64);
        figures.push((format!("{found}/{all}"), "visits found", Some(found == all)));
        figures.push((number(truth.invented.len() as u64), "events invented", Some(truth.invented.is_empty())));
        if let Some(latest) = truth.latest() {
            figures.push((format!("{latest:.1}\u{a0}s"), "longest wait for a start", None));
        }
    }
    figures
}

/// The figures as tiles.
pub(super) fn tiles(total: &Run) -> String {
    let tile = |(value, what, good): &Figure| {
        let class = match good {
            Some(true) => " good",
            Some(false) => " bad",
            None => "",
        };
        format!(r#"<div class="tile{class}"><dd>{value}</dd><dt>{what}</dt></div>"#)
    };
    format!(r#"<dl class="tiles">{}</dl>"#, figures(total).iter().map(tile).collect::<String>())
}

/// The figures of two configs beside each other.
pub(super) fn versus(a: &Run, b: &Run, names: [&str; 2]) -> String {
    let [left, right] = [figures(a), figures(b)];
    let line = |(one, other): (&Figure, &Figure)| {
        let class = if one.0 == other.0 { "" } else { r#" class="differs""# };
        format!(r#"<tr{class}><th scope="row">{}</th><td>{}</td><td>{}</td></tr>"#, one.1, one.0, other.0)
    };
    let [a_name, b_name] = names.map(text);
    format!(
        r#"<table class="versus"><caption>Two configs, the same footage</caption><thead><tr><td></td><th scope="col"><b class="ab">A</b>{a_name}</th><th scope="col"><b class="ab">B</b>{b_name}</th></tr></thead><tbody>{}</tbody></table>"#,
        left.iter().zip(&right).map(line).collect::<String>()
    )
}
