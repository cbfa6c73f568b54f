//! The numbers: counters that add up, what it cost, what was found of what really happened. With two runs, both stand
//! beside each other.

use super::super::record::{Run, Sentences, Truth};
use super::format::{clock, duration, number, percent, seconds, share, text};
use super::lanes::{self, Lane};
use crate::gate::Outcome;

/// How each frame ended.
pub(super) fn counters(runs: &[&Run]) -> String {
    let line = |outcome: &Outcome| {
        let Lane { name, label, meaning } = Lane::of(outcome);
        let cells: String = runs.iter().map(|run| count_cell(run.count(*outcome), run.frames())).collect();
        let class = if runs.iter().all(|run| run.count(*outcome) == 0) { r#" class="zero""# } else { "" };
        format!(
            r#"<tr{class}><th scope="row"><i class="o-{name}"></i>{label}<small>{meaning} <code>{name}</code></small></th>{cells}</tr>"#
        )
    };
    let lines: String = lanes::ALL.iter().map(line).collect();
    let sums: String = runs.iter().map(|run| count_cell(run.frames(), run.frames())).collect();
    format!(
        r#"<table class="counters"><caption>How each frame ended</caption>{}<tbody>{lines}</tbody><tfoot><tr><th scope="row">all frames</th>{sums}</tr></tfoot></table>"#,
        head("outcome", runs, r#"<th scope="col" class="n">frames</th><th scope="col" class="n">share</th>"#)
    )
}

fn count_cell(part: u64, whole: u64) -> String {
    format!(r#"<td class="n">{}</td><td class="n">{}</td>"#, number(part), percent(share(part, whole)))
}

/// The header row; with several runs one above it that names their configs.
fn head(first: &str, runs: &[&Run], columns: &str) -> String {
    let width = columns.matches("<th").count();
    let names = match runs {
        [_] => String::new(),
        runs => {
            let name =
                |run: &&Run| format!(r#"<th scope="colgroup" colspan="{width}">{}</th>"#, text(&run.about.config));
            format!("<tr><td></td>{}</tr>", runs.iter().map(name).collect::<String>())
        }
    };
    format!(r#"<thead>{names}<tr><th scope="col">{first}</th>{}</tr></thead>"#, columns.repeat(runs.len()))
}

/// What a run cost.
pub(super) fn cost(runs: &[&Run]) -> String {
    type Value = fn(&Run) -> String;
    let lines: [(&str, &str, Value); 12] = [
        ("frames of the clip", "what the source delivered or skipped", |run| number(run.frames())),
        ("decoded", "the others were never turned into pixels", |run| number(run.decoded())),
        ("described", "looked at by the model", |run| number(run.count(Outcome::Described))),
        ("share described", "of the decoded frames", |run| percent(run.share_described())),
        ("sentences asked back", "about what they name", |run| number(run.sentences.checked)),
        ("of those corrected", "another sentence went out", |run| match run.sentences {
            Sentences { corrected, doubtful: 0, .. } => number(corrected),
            Sentences { corrected, doubtful, .. } => format!("{}, {} doubtful", number(corrected), number(doubtful)),
        }),
        ("events", "starts that were announced", |run| number(run.events())),
        ("model time", "all answers together, without waiting", |run| seconds(run.model_time)),
        ("per answer", "mean of the model's time", |run| match run.answers {
            0 => "–".to_owned(),
            n => format!("{:.0}\u{a0}ms", run.model_time.as_secs_f64() * 1000.0 / n as f64),
        }),
        ("per hour of footage", "model time, if it goes on like this", |run| duration(run.per_hour())),
        ("the run took", "from the first frame to the last word", |run| seconds(run.about.took)),
        ("speed", "clip time by run time", |run| speed(run).unwrap_or_else(|| "–".to_owned())),
    ];
    let line = |(name, meaning, value): &(&str, &str, Value)| {
        let cells: String = runs.iter().map(|run| format!(r#"<td class="n">{}</td>"#, value(run))).collect();
        format!(r#"<tr><th scope="row">{name}<small>{meaning}</small></th>{cells}</tr>"#)
    };
    let head = match runs {
        [_] => String::new(),
        runs => head("", runs, r#"<th scope="col" class="n"></th>"#).replacen(
            "<tr><th scope=\"col\"></th>",
            "<tr hidden><th></th>",
            1,
        ),
    };
    format!(
        r#"<table class="cost"><caption>What it cost</caption>{head}<tbody>{}</tbody></table>"#,
        lines.iter().map(line).collect::<String>()
    )
}

/// "14.8 × real time".
pub(super) fn speed(run: &Run) -> Option<String> {
    let took = run.about.took.as_secs_f64();
    (took > 0.0 && run.length > 0.0).then(|| {
        let times = run.length / took;
        let digits = if times < 10.0 { 1 } else { 0 };
        format!("{times:.digits$}\u{a0}×\u{a0}real time")
    })
}

/// What really happened, and what became of it.
pub(super) fn truth(run: &Run, name: &str) -> Option<String> {
    let truth = run.truth.as_ref()?;
    let visits: String = truth
        .visits
        .iter()
        .map(|visit| {
            let (mark, class) = if visit.is_found() { ("✓", "good") } else { ("✗", "bad") };
            let delay = visit.delay.map_or_else(|| "–".to_owned(), |delay| format!("{delay:.1}\u{a0}s"));
            format!(
                r#"<tr><td>{} – {}</td><td>{}</td><td class="{class}">{mark}&nbsp;{}</td><td class="n">{delay}</td></tr>"#,
                clock(visit.from),
                clock(visit.to),
                text(&visit.who),
                visit.result()
            )
        })
        .collect();
    let invented: String = truth.invented.iter().map(|from| invented(*from)).collect();
    Some(format!(
        r#"<table class="truth"><caption>{name}Held against what really happened: {}</caption><thead><tr><th scope="col">from, to</th><th scope="col">who</th><th scope="col">result</th><th scope="col" class="n">said after</th></tr></thead><tbody>{visits}{invented}</tbody></table>"#,
        verdict(truth)
    ))
}

/// The clips of a page, above all of them.
pub(super) fn list(lines: &str) -> String {
    let columns = ["events", "frames", "described", "share", "model time"];
    let columns: String = columns.iter().map(|name| format!(r#"<th scope="col" class="n">{name}</th>"#)).collect();
    format!(
        r#"<table class="list"><caption>The clips</caption><thead><tr><th scope="col">clip</th>{columns}<th scope="col">visits found</th></tr></thead><tbody>{lines}</tbody></table>"#
    )
}

/// `place`: index of the clip on the page; `letter`: which of two configs it is, if there are two.
pub(super) fn list_line(place: usize, letter: &str, run: &Run) -> String {
    let (class, found) = run.truth.as_ref().map_or((None, "not labelled".to_owned()), |truth| {
        let (found, all) = (truth.found(), truth.visits.len() as u64);
        let perfect = found == all && truth.invented.is_empty();
        (Some(if perfect { "good" } else { "bad" }), format!("{found}/{all}, {}", invented_words(truth)))
    });
    let class = class.map(|class| format!(r#" class="{class}""#)).unwrap_or_default();
    let cells = [
        number(run.events()),
        number(run.decoded()),
        number(run.count(Outcome::Described)),
        percent(run.share_described()),
        seconds(run.model_time),
    ];
    let cells: String = cells.iter().map(|cell| format!(r#"<td class="n">{cell}</td>"#)).collect();
    format!(
        r##"<tr><th scope="row">{letter}<a href="#c{place}">{}</a> <small>{}</small></th>{cells}<td{class}>{found}</td></tr>"##,
        text(&run.about.clip),
        duration(run.length)
    )
}

fn invented_words(truth: &Truth) -> String {
    match truth.invented.len() {
        0 => "nothing invented".to_owned(),
        n => format!("{n}\u{a0}invented"),
    }
}

fn invented(from: f64) -> String {
    format!(r#"<tr><td>{}</td><td>nobody</td><td class="bad">✗ invented</td><td class="n">–</td></tr>"#, clock(from))
}

/// "6 of 6 visits found, nothing invented".
pub(super) fn verdict(truth: &Truth) -> String {
    let (found, all) = (truth.found(), truth.visits.len() as u64);
    let plural = if all == 1 { "" } else { "s" };
    format!("{found}\u{a0}of\u{a0}{all} visit{plural} found, {}", invented_words(truth))
}
