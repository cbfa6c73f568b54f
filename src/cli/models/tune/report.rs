//! What was measured and why it was chosen: as a table for people, as a document, and as one sentence. Pure.

use serde::Serialize;
use serde_json::json;

use super::checks::Checks;
use super::judge::{ANSWER_APART, Agreement, CLEAR_ANSWER, CLEAR_LEAD, FEW, LOGITS_APART, SAME_ANSWERS, SAME_WORDS};
use super::search::{Found, PART_GAIN, Row, SIZE_GAIN, Stage, THREADS_GAIN};
use super::way::{TOKENS, Way, counted};
use crate::measure::Machine;
use crate::vlm::Precision;

const SCHEMA: &str = "eyewitness.tune.v1";
/// Longer reasons stand below the table.
const LONGEST_VERDICT: usize = 60;

/// A run, but for where its choice was written.
#[derive(Debug, Clone)]
pub(super) struct Report {
    /// The set's name.
    pub(super) set: String,
    pub(super) machine: Machine,
    pub(super) provider: String,
    pub(super) runtime: String,
    pub(super) limit_s: f64,
    pub(super) took_s: f64,
    /// That were asked about.
    pub(super) pictures: usize,
    /// That there was no time for, too.
    pub(super) of_pictures: usize,
    pub(super) whose: &'static str,
    /// Yes/no questions about each.
    pub(super) asks: usize,
    pub(super) checks: Checks,
    pub(super) found: Found,
    /// The set has one precision of each part.
    pub(super) alone: bool,
}

/// What is kept of a run for the table's readers and for other programs.
#[derive(Debug, Serialize)]
struct Chosen<'a> {
    vision: Precision,
    embed: Precision,
    decoder: Precision,
    threads: usize,
    edges: &'a [u32],
}

impl Report {
    /// Why this way, in a sentence.
    pub(super) fn because(&self) -> String {
        let Found { way, cost, reference, reference_cost, edges, agreement, .. } = &self.found;
        let (took, first) = (cost.description(), cost.first_token);
        let mut text = format!("{} describes in {took:.1} ms ({first:.1} ms to the first token)", self.words(way));
        if (way.parts, way.edge) == (reference.parts, reference.edge) {
            text.push_str(&self.kept());
        } else {
            let times = reference_cost.description() / took.max(f64::MIN_POSITIVE);
            text.push_str(&format!(", {times:.1} times as fast as {}", self.words(reference)));
            text.push_str(&agreement.map_or_else(String::new, |agreement| {
                let what = if agreement.unclear() { "stays near to what it says" } else { "says the same" };
                format!(", and {what} ({})", agreement.words())
            }));
        }
        if let Some((_, regions)) = edges.split_last().filter(|(_, regions)| !regions.is_empty()) {
            let regions: Vec<_> = regions.iter().map(ToString::to_string).collect();
            text.push_str(&format!("; regions of up to {} pixels are looked at in that size", regions.join(" or ")));
        }
        text
    }

    /// Why it is the reference itself.
    fn kept(&self) -> String {
        let reference = self.found.reference.words();
        if self.alone {
            ": the only precision that there is".to_owned()
        } else if self.found.rows.iter().any(refused) {
            format!(": nothing that says the same as {reference} is faster, so that is kept")
        } else if self.found.not_measured.is_empty() {
            format!(": nothing is faster than {reference}")
        } else {
            format!(": nothing that was measured is faster than {reference}")
        }
    }

    /// "int8 on 2 threads", and the size of pictures where that could be another one.
    fn words(&self, way: &Way) -> String {
        let sizes = self.found.rows.iter().any(|row| row.stage == Stage::Picture && row.cost.is_some());
        let at = if sizes { format!(" at {} pixels", way.edge) } else { String::new() };
        format!("{} on {}{at}", way.words(), counted(way.threads, "thread"))
    }

    pub(super) fn text(&self) -> String {
        let mut text = self.heading();
        text.push_str(&table(&self.found.rows));
        text.push_str(&format!("\nChosen: {}.\n", self.because()));
        for row in self.found.rows.iter().filter(|row| row.verdict.chars().count() > LONGEST_VERDICT) {
            text.push_str(&format!("\n{} {}: {}\n", row.stage.name(), slashes(&row.way), row.verdict));
        }
        if !self.found.not_measured.is_empty() {
            let all = self.found.not_measured.join(", ");
            text.push_str(&format!(
                "\nNot measured, because the time was up: {all}. A longer `--limit` has room for them.\n"
            ));
        }
        text.push_str(&format!("\n{}\n", self.checks.text()));
        if self.machine.is_busy() {
            let (load, cores) = (self.machine.load, self.machine.cores);
            text.push_str(&format!(
                "\nThe machine was busy (load {load:.1} on {cores} cores): tune again when it is not, the times are worth more then.\n"
            ));
        }
        text
    }

    fn heading(&self) -> String {
        let (m, reference) = (&self.machine, self.found.reference.words());
        let against = if self.alone {
            format!(
                "The set has one precision, {reference}: nothing to hold it against. Threads and sizes are measured."
            )
        } else if self.found.reference.parts == [Precision::Fp32; 3] {
            "Held against fp32.".to_owned()
        } else {
            format!("The set has no fp32 that runs: held against the highest precision that it has, {reference}.")
        };
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        format!(
            "{}, {} cores; {}\nSet {}, asked about {} of {} ({}), {} about each.\n{against}\n\
             Time: a description, to its first token and {TOKENS} more. Bound: {} of the words that lead by {CLEAR_LEAD} logit;\n\
             {} of the answers below {} or above {} within {ANSWER_APART}, and none turned round.\n\n",
            m.cpu,
            m.cores,
            self.provider,
            self.set,
            self.pictures,
            counted(self.of_pictures, "picture"),
            self.whose,
            counted(self.asks, "yes/no question"),
            percent(SAME_WORDS),
            percent(SAME_ANSWERS),
            percent(f64::from(CLEAR_ANSWER)),
            percent(1.0 - f64::from(CLEAR_ANSWER)),
        )
    }

    /// One document. `written` is where the choice stands.
    pub(super) fn json(&self, written: Option<&str>) -> String {
        let [vision, embed, decoder] = self.found.way.parts;
        let rows: Vec<_> = self.found.rows.iter().map(row_json).collect();
        json!({
            "schema": SCHEMA,
            "version": env!("CARGO_PKG_VERSION"),
            "set": self.set,
            "machine": self.machine,
            "provider": self.provider,
            "runtime": self.runtime,
            "limit_s": round(self.limit_s),
            "took_s": round(self.took_s),
            "pictures": self.pictures,
            "questions_per_picture": self.asks,
            "tokens": TOKENS,
            "reference": self.found.reference,
            "bound": {
                "clear_lead": CLEAR_LEAD, "same_words": SAME_WORDS, "clear_answer": round(f64::from(CLEAR_ANSWER)),
                "answer_apart": round(f64::from(ANSWER_APART)), "same_answers": SAME_ANSWERS, "few": FEW,
                "logits_apart": LOGITS_APART, "part_gain": PART_GAIN, "threads_gain": THREADS_GAIN, "size_gain": SIZE_GAIN,
            },
            "rows": rows,
            "choice": Chosen { vision, embed, decoder, threads: self.found.way.threads, edges: &self.found.edges },
            "because": self.because(),
            "checks": self.checks,
            "not_measured": self.found.not_measured,
            "written": written,
        })
        .to_string()
    }
}

fn row_json(row: &Row) -> serde_json::Value {
    let ms = row.cost.map(|cost| {
        json!({
            "description": round(cost.description()), "encode": round(cost.encode), "first_token": round(cost.first_token),
            "per_token": round(cost.per_token), "rounds": cost.rounds,
        })
    });
    json!({
        "stage": row.stage, "way": row.way, "ms": ms, "agreement": row.agreement, "verdict": row.verdict, "kept": row.kept,
    })
}

/// It says something else.
fn refused(row: &Row) -> bool {
    row.agreement.is_some_and(|agreement: Agreement| agreement.wrong().is_some())
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::All => "all parts",
            Self::Threads => "threads",
            Self::Vision => "vision",
            Self::Decoder => "decoder",
            Self::Embed => "embed",
            Self::Picture => "picture",
            Self::Region => "regions",
        }
    }
}

/// "int8", or all three: "fp32/int8/q4".
fn slashes(way: &Way) -> String {
    let mut names = way.parts.map(Precision::name).to_vec();
    names.dedup();
    if names.len() == 1 { names[0].to_owned() } else { way.parts.map(Precision::name).join("/") }
}

/// What was kept at each step is marked.
fn table(rows: &[Row]) -> String {
    let head = ["  part", "precision", "threads", "pixels", "time", "agreement", "verdict"].map(str::to_owned);
    let mut cells = vec![head];
    cells.extend(rows.iter().map(|row| {
        let verdict = if row.verdict.chars().count() > LONGEST_VERDICT { "no: see below" } else { &row.verdict };
        [
            format!("{} {}", if row.kept { ">" } else { " " }, row.stage.name()),
            slashes(&row.way),
            row.way.threads.to_string(),
            row.way.edge.to_string(),
            row.cost.map_or_else(|| "-".into(), |cost| format!("{:.1} ms", cost.description())),
            row.agreement.map_or_else(|| "-".into(), |agreement| agreement.words()),
            verdict.to_owned(),
        ]
    }));
    let widths: Vec<usize> =
        (0..7).map(|at| cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; 7]| {
        let numbers = 2..5;
        let cell = |(at, text): (usize, &String)| {
            let width = widths[at];
            if numbers.contains(&at) { format!("{text:>width$}") } else { format!("{text:<width$}") }
        };
        row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    cells.iter().map(line).collect()
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::super::judge::Count;
    use super::super::way::Cost;
    use super::*;

    const INT8: [Precision; 3] = [Precision::Int8; 3];
    const FP32: [Precision; 3] = [Precision::Fp32; 3];

    fn row(stage: Stage, parts: [Precision; 3], first_token: f64, same: usize, verdict: &str) -> Row {
        let agreement = Some(Agreement { words: Count { same, of: 100 }, ..Agreement::default() });
        let cost = Some(Cost { encode: first_token / 2.0, first_token, per_token: 10.0, rounds: 5 });
        let way = Way { parts, threads: 2, edge: 512 };
        Row { stage, way, cost, agreement, verdict: verdict.into(), kept: false }
    }

    fn report(rows: Vec<Row>, chosen: usize, edges: Vec<u32>) -> Report {
        let machine = Machine {
            cpu: "a processor".into(),
            cores: 2,
            architecture: "x86_64".into(),
            memory_mib: 4096,
            system: String::new(),
            load: 0.1,
        };
        let (first, kept) = (rows[0].clone(), rows[chosen].clone());
        let found = Found {
            way: kept.way,
            cost: kept.cost.unwrap(),
            agreement: kept.agreement,
            edges,
            reference: first.way,
            reference_cost: first.cost.unwrap(),
            not_measured: Vec::new(),
            rows,
        };
        Report {
            set: "set".into(),
            machine,
            provider: "cpu".into(),
            runtime: "1.32.0".into(),
            limit_s: 180.0,
            took_s: 20.0,
            pictures: 3,
            of_pictures: 7,
            whose: "drawn",
            asks: 6,
            checks: Checks::NoProbes,
            found,
            alone: false,
        }
    }

    #[test]
    fn the_sentence_says_what_decided() {
        let rows = vec![
            row(Stage::Reference, FP32, 840.0, 100, "what all others are held against"),
            row(Stage::All, INT8, 40.0, 99, "80 % faster, and it holds"),
        ];
        let two = report(rows.clone(), 1, vec![512]);
        assert_eq!(
            two.because(),
            "int8 on 2 threads describes in 200.0 ms (40.0 ms to the first token), 5.0 times as fast as fp32 on 2 threads, and \
             says the same (99 of 100 words, 0 of 0 answers)"
        );
        assert!(report(rows.clone(), 0, vec![512]).because().ends_with("): nothing is faster than fp32"));
        let mut refused = rows.clone();
        refused[1].agreement.as_mut().unwrap().words.same = 50;
        let kept = report(refused, 0, vec![512]).because();
        assert!(kept.ends_with("): nothing that says the same as fp32 is faster, so that is kept"), "{kept}");
        let alone = Report { alone: true, ..report(rows.clone(), 0, vec![512]) };
        assert!(alone.because().ends_with(": the only precision that there is"));
        let mut sizes = rows;
        sizes.push(row(Stage::Picture, INT8, 20.0, 99, ""));
        sizes[2].way.edge = 384;
        let sized = report(sizes, 2, vec![256, 384]).because();
        assert!(sized.starts_with("int8 on 2 threads at 384 pixels describes in 180.0 ms"), "{sized}");
        assert!(sized.contains(", 5.6 times as fast as fp32 on 2 threads at 512 pixels, and says the same"), "{sized}");
        assert!(sized.ends_with("; regions of up to 256 pixels are looked at in that size"), "{sized}");
    }

    #[test]
    fn the_table_marks_what_was_kept_and_long_reasons_stand_below() {
        let mut rows = vec![
            row(Stage::Reference, FP32, 840.0, 100, "what all others are held against"),
            row(
                Stage::Vision,
                [Precision::Int8, Precision::Fp32, Precision::Fp32],
                90.0,
                99,
                "75 % faster, and it holds",
            ),
        ];
        rows[0].agreement = None;
        rows[1].kept = true;
        let long = "it takes pictures of 512 pixels only, and this is how a long reason looks";
        rows.push(Row { cost: None, agreement: None, ..row(Stage::Picture, INT8, 0.0, 0, long) });
        let mut report = report(rows, 1, vec![512]);
        report.found.not_measured = vec!["int8 decoder".into(), "int8 embed".into()];
        report.machine.load = 7.0;
        let text = report.text();
        let lines: Vec<_> = text.lines().collect();
        for line in [
            "a processor, 2 cores; cpu",
            "Set set, asked about 3 of 7 pictures (drawn), 6 yes/no questions about each.",
            "Held against fp32.",
            "  part       precision       threads  pixels       time  agreement                        verdict",
            "  reference  fp32                  2     512  1000.0 ms  -                                what all others are held against",
            "> vision     int8/fp32/fp32        2     512   250.0 ms  99 of 100 words, 0 of 0 answers  75 % faster, and it holds",
            "  picture    int8                  2     512          -  -                                no: see below",
            "picture int8: it takes pictures of 512 pixels only, and this is how a long reason looks",
            "Not measured, because the time was up: int8 decoder, int8 embed. A longer `--limit` has room for them.",
        ] {
            assert!(lines.contains(&line), "`{line}` is not in:\n{text}");
        }
        assert!(text.contains("\nThe machine was busy (load 7.0 on 2 cores)"), "{text}");
        let document: serde_json::Value = serde_json::from_str(&report.json(Some("set/tuned.json"))).unwrap();
        assert_eq!(document["choice"]["vision"], "int8");
        assert_eq!(
            (&document["rows"][1]["ms"]["description"], &document["rows"][2]["ms"]),
            (&250.0.into(), &().into())
        );
        assert_eq!((&document["rows"][1]["stage"], &document["written"]), (&"vision".into(), &"set/tuned.json".into()));
    }
}
