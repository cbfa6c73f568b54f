//! Two configs side by side: which settings differ, and what each made of the same clips.

use super::Setup;
use super::figures::{Figures, Played};
use super::ruled::RuleVerdict;
use super::table::verdict_line;
use crate::config::{Difference, differing};
use crate::gate::Outcome;

/// The settings that differ between two setups, and could change what a replay comes to.
pub(super) fn differences(first: &Setup, other: &Setup) -> Vec<Difference> {
    differing((&first.text, first.camera()), (&other.text, other.camera()))
}

/// The whole comparison; `rounds` holds per clip what each setup made of it.
pub(super) fn text(rounds: &[Vec<Played>], setups: &[Setup]) -> String {
    let [first, other, ..] = setups else { return String::new() };
    let mut text = String::from("Side by side\n");
    let differences = differences(first, other);
    if differences.is_empty() {
        text.push_str("  The two configs do not differ in anything that matters here.\n");
    }
    // Only clips that both have played can be held against each other.
    let whole: Vec<_> = rounds.iter().filter_map(|round| round.first().zip(round.get(1))).collect();
    let mut rows = vec![[String::new(), first.name.clone(), other.name.clone()]];
    for Difference { key, first, other } in differences {
        rows.push([key, first, other]);
    }
    rows.push([String::new(), String::new(), String::new()]);
    rows.extend(figures(
        &Figures::sum(whole.iter().map(|(first, _)| &first.figures)),
        &Figures::sum(whole.iter().map(|(_, other)| &other.figures)),
    ));
    let rules = [0, 1]
        .map(|of| RuleVerdict::sum(rounds.iter().filter_map(|round| round.get(of)).flat_map(|played| &played.rules)));
    rows.extend(rules_of(&rules));
    text.push_str(&columns(&rows));
    for (setup, of) in [(first, 0), (other, 1)] {
        let verdicts: Vec<_> = rounds.iter().filter_map(|round| round.get(of)?.verdict.as_ref()).collect();
        if !verdicts.is_empty() {
            text.push_str(&format!("  {}: {}\n", setup.name, verdict_line(&verdicts)));
        }
    }
    text
}

fn figures(first: &Figures, other: &Figures) -> Vec<[String; 3]> {
    let row = |what: &str, show: &dyn Fn(&Figures) -> String| [what.to_owned(), show(first), show(other)];
    let mut rows = vec![
        row("events", &|f| f.events.to_string()),
        row("frames at the gate", &|f| f.observed.to_string()),
        row("described", &|f| format!("{:.1} %", f.described_share() * 100.0)),
        row("model", &|f| format!("{:.2} s", f.model_seconds)),
        row("took", &|f| format!("{:.1} s", f.took)),
    ];
    for outcome in Outcome::ALL {
        if first.count(outcome) + other.count(outcome) > 0 {
            rows.push(row(outcome.name(), &|f| f.count(outcome).to_string()));
        }
    }
    rows
}

/// What became of the rules that the labels know; both sides know the same ones.
fn rules_of(rules: &[Vec<RuleVerdict>; 2]) -> Vec<[String; 3]> {
    let [first, other] = rules;
    let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0));
    let rows = first.iter().zip(other).flat_map(|(a, b)| {
        let [one, two] = [a.score(), b.score()];
        [
            [format!("rule {}, answers", a.rule), one.answers().to_string(), two.answers().to_string()],
            [format!("rule {}, wrong", a.rule), share(one.error()), share(two.error())],
            [format!("rule {}, unsure", a.rule), share(one.unsure_rate()), share(two.unsure_rate())],
        ]
    });
    rows.collect()
}

/// Rows with the first column to the left and the others to the right.
fn columns(rows: &[[String; 3]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [a, b, c] = [width(0), width(1), width(2)];
    let line =
        |row: &[String; 3]| format!("  {:<a$}  {:>b$}  {:>c$}", row[0], row[1], row[2]).trim_end().to_owned() + "\n";
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_there_is_stands_side_by_side() {
        let one = |described| Figures {
            observed: 100,
            settled: 100,
            outcomes: vec![(Outcome::NoMotion, 100 - described), (Outcome::Described, described)],
            events: 2,
            length: 20.0,
            took: 1.0,
            model_seconds: 0.5,
        };
        let text = columns(&figures(&one(5), &one(12)));
        insta::assert_snapshot!(text, @r"
        events                   2       2
        frames at the gate     100     100
        described            5.0 %  12.0 %
        model               0.50 s  0.50 s
        took                 1.0 s   1.0 s
        no_motion               95      88
        described                5      12
        ");
    }
}
