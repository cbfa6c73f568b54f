//! A run held against an earlier one: ratios, and whether they mean anything. Pure.

use serde::{Deserialize, Serialize};

use super::document::Document;
use super::plan::counted;
use crate::measure::{Spread, StageTimes, Summary};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Compared {
    /// The earlier run's file.
    pub(super) with: String,
    pub(super) at: jiff::Timestamp,
    pub(super) version: String,
    /// Why the ratios say little, or nothing.
    pub(super) reservations: Vec<String>,
    pub(super) combinations: Vec<Ratios>,
    /// From a frame to the broker's acknowledgement.
    pub(super) frame_to_broker: Vec<Ratio>,
    /// What was not measured then.
    pub(super) new: Vec<String>,
}

/// One combination, then and now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ratios {
    /// "int8@cpu, 2 threads"; with an arrow if it was another one then.
    pub(super) name: String,
    pub(super) stages: Vec<Ratio>,
    /// Peak memory in MiB.
    pub(super) memory: Option<Ratio>,
    /// Allocations per description.
    pub(super) allocations: Option<Ratio>,
}

/// One quantity, then and now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ratio {
    pub(super) what: String,
    /// Medians.
    pub(super) before: f64,
    pub(super) now: f64,
    /// `now` divided by `before`: below 1 is less. `None` if there was nothing before.
    pub(super) ratio: Option<f64>,
    /// The same of the least of all rounds: whatever else the machine does, it disturbs that one least.
    pub(super) least: Option<f64>,
}

impl Ratio {
    fn new(what: &str, before: Spread, now: Spread) -> Self {
        let divided = |before: f64, now: f64| (before > 0.0).then(|| (now / before * 1e4).round() / 1e4);
        Self {
            what: what.to_owned(),
            before: before.median,
            now: now.median,
            ratio: divided(before.median, now.median),
            least: divided(before.least, now.least),
        }
    }

    /// Of what was measured once.
    fn single(what: &str, before: f64, now: f64) -> Self {
        let once = |value| Spread { median: value, p95: value, least: value, most: value };
        Self { least: None, ..Self::new(what, once(before), once(now)) }
    }
}

/// "int8@cpu, 2 threads"
pub(super) fn name(summary: &Summary) -> String {
    format!("{}, {}", summary.variant(), counted(summary.threads))
}

/// Holds `now` against `before`, which was read from the file `with`.
pub(super) fn compare(before: &Document, now: &Document, with: &str) -> Compared {
    let mut combinations = Vec::new();
    let mut new = Vec::new();
    for summary in &now.combinations {
        match counterpart(before, now, summary) {
            Some(earlier) => combinations.push(ratios(earlier, summary)),
            None => new.push(name(summary)),
        }
    }
    let ways = before.frame_to_broker.as_ref().zip(now.frame_to_broker.as_ref());
    Compared {
        with: with.to_owned(),
        at: before.at,
        version: before.version.clone(),
        reservations: reservations(before, now),
        combinations,
        frame_to_broker: ways.map(|(before, now)| stages(&before.stages, &now.stages)).unwrap_or_default(),
        new,
    }
}

/// The same combination of the earlier run, or its only one if there is only one on either side.
fn counterpart<'a>(before: &'a Document, now: &Document, summary: &Summary) -> Option<&'a Summary> {
    let same = |earlier: &&Summary| (earlier.variant(), earlier.threads) == (summary.variant(), summary.threads);
    before.combinations.iter().find(same).or_else(|| match (&before.combinations[..], now.combinations.len()) {
        ([only], 1) => Some(only),
        _ => None,
    })
}

fn ratios(before: &Summary, now: &Summary) -> Ratios {
    let (then, today) = (name(before), name(now));
    let memory = before.memory.zip(now.memory);
    let allocations = before.allocations.zip(now.allocations);
    Ratios {
        name: if then == today { today } else { format!("{then} → {today}") },
        stages: stages(&before.stages, &now.stages),
        memory: memory.map(|(before, now)| Ratio::single("peak memory", before.peak_mib, now.peak_mib)),
        allocations: allocations.map(|(before, now)| Ratio::new("allocations", before.count, now.count)),
    }
}

fn stages(before: &[StageTimes], now: &[StageTimes]) -> Vec<Ratio> {
    let pair = |now: &StageTimes| {
        let before = before.iter().find(|before| before.stage == now.stage)?;
        Some(Ratio::new(&now.stage, before.ms, now.ms))
    };
    now.iter().filter_map(pair).collect()
}

/// In what the two runs differ besides what they measure.
fn reservations(before: &Document, now: &Document) -> Vec<String> {
    let mut words = Vec::new();
    if !before.machine.is_like(&now.machine) {
        let of = |document: &Document| format!("{} with {} cores", document.machine.cpu, document.machine.cores);
        words.push(format!("another machine: {}, now {}", of(before), of(now)));
    }
    if before.model.name != now.model.name {
        words.push(format!("another model: {}, now {}", before.model.name, now.model.name));
    }
    for (precision, hash) in &now.model.sha256 {
        if before.model.sha256.get(precision).is_some_and(|before| before != hash) {
            words.push(format!("other files of {precision}, by their SHA-256"));
        }
    }
    if before.picture != now.picture {
        words.push(format!("another picture: {}", before.picture.words));
    }
    if before.prompt != now.prompt || before.max_tokens != now.max_tokens {
        words.push(format!("another question: `{}`, at most {} tokens", before.prompt, before.max_tokens));
    }
    if before.runtime.version != now.runtime.version {
        words.push(format!("another library: {}, now {}", before.runtime.words(), now.runtime.words()));
    }
    for summary in &now.combinations {
        let said = counterpart(before, now, summary).map(|earlier| earlier.tokens);
        if let Some(tokens) = said.filter(|tokens| *tokens != summary.tokens) {
            let name = name(summary);
            words.push(format!("{name}: {tokens} tokens, now {}: compare per token, not the whole", summary.tokens));
        }
    }
    if before.debug_build != now.debug_build {
        words.push(format!("one is a debug build: the program {}", if now.debug_build { "now" } else { "then" }));
    }
    for (when, document) in [("then", before), ("now", now)] {
        if document.machine.is_busy() {
            words.push(format!("the machine was busy {when} (load {:.1})", document.machine.load));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn the_same_again_is_one() {
        let document = samples::document();
        let compared = compare(&document, &document, "before.json");
        assert_eq!((compared.reservations.as_slice(), compared.new.as_slice()), (&[][..], &[][..]));
        assert_eq!(compared.combinations.len(), 2);
        let all =
            compared.combinations.iter().flat_map(|combination| &combination.stages).chain(&compared.frame_to_broker);
        assert!(all.clone().count() > 5 && all.clone().all(|ratio| ratio.ratio == Some(1.0)));
    }

    #[test]
    fn half_the_time_is_a_half() {
        let (before, mut now) = (samples::document(), samples::document());
        now.combinations[0].stages[1].ms.median /= 2.0;
        let compared = compare(&before, &now, "before.json");
        assert_eq!(compared.combinations[0].stages[1].ratio, Some(0.5));
        assert_eq!(compared.combinations[0].stages[1].least, Some(1.0));
        assert_eq!(Ratio::single("x", 0.0, 1.0).ratio, None);
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let (mut before, now) = (samples::document(), samples::document());
        before.machine.cpu = "Cortex-A76".into();
        before.machine.load = 3.5;
        before.model.name = "other".into();
        before.model.sha256.insert("int8".into(), "ffff".into());
        before.picture.words = "cat.png, 451x300, RGB as from a picture file".into();
        before.max_tokens = 8;
        before.debug_build = true;
        before.runtime.version = None;
        before.combinations[0].tokens = 4;
        let compared = compare(&before, &now, "before.json");
        insta::assert_snapshot!(compared.reservations.join("\n"), @r"
        another machine: Cortex-A76 with 2 cores, now AMD EPYC 7B13 with 2 cores
        another model: other, now tiny
        other files of int8, by their SHA-256
        another picture: cat.png, 451x300, RGB as from a picture file
        another question: `Describe the scene.`, at most 8 tokens
        another library: ONNX Runtime /usr/lib/libonnxruntime.so.1.32.0, now ONNX Runtime 1.32.0
        int8@cpu, 2 threads: 4 tokens, now 9: compare per token, not the whole
        one is a debug build: the program then
        the machine was busy then (load 3.5)
        ");
    }

    #[test]
    fn one_against_one_is_compared_whatever_it_is() {
        let (mut before, mut now) = (samples::document(), samples::document());
        before.combinations.truncate(1);
        let compared = compare(&before, &now, "before.json");
        assert_eq!(compared.new, ["fp32@cpu, 1 thread"]);
        now.combinations.remove(0);
        let compared = compare(&before, &now, "before.json");
        assert_eq!(compared.combinations[0].name, "int8@cpu, 2 threads → fp32@cpu, 1 thread");
        assert!(compared.new.is_empty());
    }
}
