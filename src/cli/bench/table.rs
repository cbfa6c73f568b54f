//! A run as text for people. Pure.

use super::columns::{Group, lay_out};
use super::compare::{Compared, Ratio, Ratios, name};
use super::document::Document;
use crate::measure::{Memory, STAGES, StageTimes, Summary};

/// Everything; `--compare` last, because it is what was asked for.
pub(super) fn text(document: &Document) -> String {
    let mut text = heading(document);
    text.push('\n');
    text.push_str(&combinations(&document.combinations));
    text.push('\n');
    text.push_str(&words(&document.combinations));
    text.push_str(&way(document));
    if let Some(compared) = &document.compared {
        text.push('\n');
        text.push_str(&comparison(compared));
    }
    if document.debug_build {
        text.push_str(
            "\nThis program is a debug build: what is outside of ONNX Runtime is many times slower than it need be.\n",
        );
    }
    // The comparison has said so.
    if document.machine.is_busy() && document.compared.is_none() {
        let (load, cores) = (document.machine.load, document.machine.cores);
        text.push_str(&format!(
            "\nThe machine was busy (load {load:.1} on {cores} cores): alone it would be faster.\n"
        ));
    }
    text
}

fn heading(document: &Document) -> String {
    let Document { machine, model, picture, combinations, .. } = document;
    let short = |(precision, hash): (&String, &String)| format!("{precision} {}", hash.get(..8).unwrap_or(hash));
    let hashes: Vec<_> = model.sha256.iter().map(short).collect();
    let rounds = combinations.first().map(|summary| summary.rounds);
    let (timed, warm_up) = rounds.map_or((0, 0), |rounds| (rounds.timed, rounds.warm_up));
    format!(
        "{}, {} cores, {:.1} GiB, {}; {}\n\
         Model {} ({})\n\
         Picture: {}; at most {} tokens\n\
         {timed} descriptions after {warm_up} to warm up; milliseconds: the median, and what 95 of 100 do not exceed\n",
        machine.cpu,
        machine.cores,
        machine.memory_mib as f64 / 1024.0,
        machine.system,
        document.runtime.words(),
        model.name,
        hashes.join(", "),
        picture.words,
        document.max_tokens,
    )
}

fn combinations(summaries: &[Summary]) -> String {
    let parts = parts(summaries);
    let rows: Vec<_> = summaries.iter().map(|summary| rows(summary, &parts)).collect();
    let names: Vec<_> = rows.first().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    let group = |(summary, rows): (&Summary, Vec<Row>)| Group {
        title: name(summary),
        heads: vec!["median", "p95"],
        rows: rows.into_iter().map(|(_, cells)| cells).collect(),
    };
    lay_out(&names, &summaries.iter().zip(rows).map(group).collect::<Vec<_>>())
}

/// Parts whose nodes are known.
fn parts(summaries: &[Summary]) -> Vec<&str> {
    let mut parts: Vec<&str> = Vec::new();
    for placement in summaries.iter().flat_map(|summary| &summary.placement) {
        if !parts.contains(&placement.part.as_str()) {
            parts.push(&placement.part);
        }
    }
    parts
}

/// A row's name and what one combination has in it.
type Row = (String, Vec<String>);

/// The same rows for every summary; empty cells where it has nothing to say.
fn rows(summary: &Summary, parts: &[&str]) -> Vec<Row> {
    let stages = STAGES.iter().map(|stage| (stage.name.to_owned(), times(&summary.stages, stage.name)));
    let per_second = summary.ms("per token").map(|ms| format!("{:.1}", 1000.0 / ms.median));
    let peak =
        |memory: Memory| format!("{:.0} MiB{}", memory.peak_mib, if memory.peak_is_own { "" } else { " of all" });
    let figures = [
        ("share outside of it", Some(format!("{:.1} %", summary.host_share * 100.0))),
        ("tokens per second", per_second),
        ("loaded in", Some(format!("{:.0} ms", summary.load_ms))),
        ("memory before", summary.memory.map(|memory| format!("{:.0} MiB", memory.before_mib))),
        ("peak memory", summary.memory.map(peak)),
        ("allocations each", summary.allocations.map(|allocations| format!("{:.0}", allocations.count.median))),
    ];
    let figures = figures.into_iter().map(|(name, cell)| (name.to_owned(), cell));
    let placed = parts.iter().map(|part| (format!("{part} nodes"), placed(summary, part)));
    stages.chain(figures.chain(placed).map(|(name, cell)| (name, cell.into_iter().collect()))).collect()
}

/// "210 cpu", "200 cuda + 10 cpu"
fn placed(summary: &Summary, part: &str) -> Option<String> {
    let placed: Vec<_> = summary
        .placement
        .iter()
        .filter(|placement| placement.part == part)
        .map(|placement| format!("{} {}", placement.nodes, placement.provider))
        .collect();
    (!placed.is_empty()).then(|| placed.join(" + "))
}

fn times(stages: &[StageTimes], name: &str) -> Vec<String> {
    let found = stages.iter().find(|times| times.stage == name);
    found.map(|times| vec![ms(times.ms.median), ms(times.ms.p95)]).unwrap_or_default()
}

fn ms(value: f64) -> String {
    format!("{value:.2}")
}

/// So much of a text as a line has room for.
fn beginning(text: &str) -> String {
    const ROOM: usize = 56;
    let printable: String = text.escape_debug().collect();
    match printable.char_indices().nth(ROOM) {
        Some((end, _)) => format!("{}…", &printable[..end]),
        None => printable,
    }
}

/// What they said; once if all said the same.
fn words(summaries: &[Summary]) -> String {
    let said = |summary: &Summary| format!("{} tokens, \"{}\"\n", summary.tokens, beginning(&summary.text));
    let Some((first, others)) = summaries.split_first() else { return String::new() };
    if others.iter().all(|other| other.text == first.text) {
        let who = if others.is_empty() { "It said" } else { "All said" };
        return format!("{who}: {}", said(first));
    }
    summaries.iter().map(|summary| format!("{}: {}", name(summary), said(summary))).collect()
}

fn way(document: &Document) -> String {
    if let Some(why) = &document.frame_to_broker_skipped {
        return format!("\nThe way from a frame to the broker was not measured: {why}\n");
    }
    let Some(way) = &document.frame_to_broker else { return String::new() };
    let names: Vec<_> = way.stages.iter().map(|times| times.stage.clone()).collect();
    let rows = way.stages.iter().map(|times| vec![ms(times.ms.median), ms(times.ms.p95)]).collect();
    let group = Group { title: way.name.clone(), heads: vec!["median", "p95"], rows };
    let (events, camera) = (way.events, super::frame_to_broker::CAMERA);
    format!(
        "\nFrom a frame to the broker's acknowledgement, {events} messages of {camera}\n{}",
        lay_out(&names, &[group])
    )
}

fn comparison(compared: &Compared) -> String {
    let at = compared.at.strftime("%Y-%m-%d %H:%M UTC");
    let mut text = format!(
        "Against {} of {at}, eyewitness {}\n\
         Now divided by before, below 1 is less: `ratio` of the medians, `least` of the fastest rounds\n",
        compared.with, compared.version
    );
    if !compared.reservations.is_empty() {
        text.push_str("  The two runs differ in more than what is compared:\n");
    }
    for words in &compared.reservations {
        text.push_str(&format!("  - {words}\n"));
    }
    for name in &compared.new {
        text.push_str(&format!("  {name}: was not measured then\n"));
    }
    let of = |combination: &Ratios| {
        let Ratios { name, stages, memory, allocations } = combination.clone();
        (name, stages.into_iter().chain(memory).chain(allocations).collect::<Vec<_>>())
    };
    let mut columns: Vec<(String, Vec<Ratio>)> = compared.combinations.iter().map(of).collect();
    if !compared.frame_to_broker.is_empty() {
        columns.push(("from frame to broker".to_owned(), compared.frame_to_broker.clone()));
    }
    let mut names: Vec<String> = Vec::new();
    for what in columns.iter().flat_map(|(_, ratios)| ratios.iter().map(|ratio| &ratio.what)) {
        if !names.contains(what) {
            names.push(what.clone());
        }
    }
    let groups: Vec<_> = columns.into_iter().map(|(title, ratios)| side_by_side(title, &ratios, &names)).collect();
    text.push_str(&lay_out(&names, &groups));
    text
}

fn side_by_side(title: String, ratios: &[Ratio], names: &[String]) -> Group {
    let cells = |ratio: &Ratio| {
        let quotient = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |of| format!("{of:.2}"));
        vec![ms(ratio.before), ms(ratio.now), quotient(ratio.ratio), quotient(ratio.least)]
    };
    let row = |name: &String| ratios.iter().find(|ratio| ratio.what == *name).map(cells).unwrap_or_default();
    Group { title, heads: vec!["before", "now", "ratio", "least"], rows: names.iter().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::compare::compare;
    use super::super::samples;
    use super::*;

    #[test]
    fn a_run_reads_well() {
        insta::assert_snapshot!(text(&samples::document()));
    }

    #[test]
    fn a_comparison_reads_well() {
        let (mut before, mut now) = (samples::document(), samples::document());
        before.combinations.truncate(1);
        before.combinations[0].stages[1].ms.median = 40.0;
        before.machine.cores = 4;
        now.frame_to_broker = None;
        now.frame_to_broker_skipped = Some("there is no mosquitto on this machine".into());
        now.machine.load = 4.25;
        now.combinations[1].text = "A dog.".into();
        now.compared = Some(compare(&before, &now, "before.json"));
        insta::assert_snapshot!(text(&now));
    }

    #[test]
    fn it_fits_into_a_hundred_columns() {
        let mut document = samples::document();
        document.debug_build = true;
        document.combinations = document.combinations.iter().cycle().take(7).cloned().collect();
        document.compared = Some(compare(&document, &document, "before.json"));
        let text = text(&document);
        let long: Vec<_> = text.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(long.is_empty(), "{long:#?}");
    }
}
