//! The rules, held against what was right: a table, and the frames that they got wrong.

use std::fmt::Write;

use super::super::record::Run;
use super::super::ruled::{MOST_WRONG, Off, RuleVerdict};
use super::cards::{image, outline};
use super::format::{clock, count, number, percent, text};
use crate::event::YesNo;
use crate::rules::calibration::Score;

/// `None`: the labels know no rule of this clip. `id`: index of the run on the page.
pub(super) fn rules(run: &Run, id: usize) -> Option<String> {
    if run.rules.is_empty() {
        return None;
    }
    let lines: String = run.rules.iter().map(line).collect();
    let columns = ["answers", "wrong", "unsure", "precision", "recall", "calibration error"];
    let columns: String = columns.iter().map(|name| format!(r#"<th scope="col" class="n">{name}</th>"#)).collect();
    let table = format!(
        r#"<div class="wide"><table class="rules"><thead><tr><th scope="col">rule</th>{columns}</tr></thead><tbody>{lines}</tbody></table></div>"#
    );
    let frames: String = run.rules.iter().map(|verdict| frames(verdict, id)).collect();
    Some(format!("{table}{frames}"))
}

fn line(verdict: &RuleVerdict) -> String {
    let rule = text(&verdict.rule);
    if verdict.ask.is_empty() {
        return format!(
            r#"<tr class="zero"><th scope="row">{rule}<small>never asked: the config has no such rule, or nothing made it ask</small></th><td class="n">0</td>{}</tr>"#,
            r#"<td class="n">–</td>"#.repeat(5)
        );
    }
    let score = verdict.score();
    let measured = if verdict.calibrated { "calibrated" } else { "not calibrated" };
    let unknown = match verdict.unknown {
        0 => String::new(),
        n => format!(", {} not labelled", number(n)),
    };
    let shares = [score.error(), score.unsure_rate(), score.precision(), score.recall()];
    let class = |place: usize| if place == 0 && score.wrong() > 0 { "n bad" } else { "n" };
    let cells = shares.iter().enumerate().map(|(place, share)| {
        format!(r#"<td class="{}">{}</td>"#, class(place), share.map_or_else(|| "–".to_owned(), percent))
    });
    format!(
        r#"<tr><th scope="row">{rule}<small>{} ({measured}{unknown})</small></th><td class="n" title="{} yes, {} no">{}</td>{}<td class="n">{}</td></tr>"#,
        text(&verdict.ask),
        score.yes(),
        score.no(),
        number(score.answers() as u64),
        cells.collect::<String>(),
        ece(&score)
    )
}

fn ece(score: &Score) -> String {
    if score.answers() == 0 { "–".to_owned() } else { format!("{:.3}", score.ece) }
}

/// The frames that a rule got wrong, and those it was unsure about.
fn frames(verdict: &RuleVerdict, id: usize) -> String {
    if verdict.off.is_empty() {
        return String::new();
    }
    let rule = text(&verdict.rule);
    let cards: String = verdict.off.iter().map(|off| card(off, &rule, id)).collect();
    let mut out =
        format!(r#"<h4>Where <code>{rule}</code> was wrong or unsure</h4><ol class="cards small">{cards}</ol>"#);
    if verdict.off_left_out > 0 {
        let _ = write!(
            out,
            r#"<p class="note">{} more had no room here: a report keeps {MOST_WRONG} that are wrong of each rule, and fewer that are unsure.</p>"#,
            count(verdict.off_left_out, "frame")
        );
    }
    out
}

fn card(off: &Off, rule: &str, id: usize) -> String {
    let right = if off.yes { "yes" } else { "no" };
    let (class, what) = match off.answer {
        YesNo::Yes => ("wrong", "said yes"),
        YesNo::No => ("wrong", "said no"),
        YesNo::Unsure => ("unsure", "unsure"),
    };
    let at = clock(off.at);
    let region = off.region.map(|region| outline(region, "what the rule is about")).unwrap_or_default();
    format!(
        r##"<li class="card {class}" data-at="{:.2}"><div class="shot">{}</div><div class="said"><p class="when"><a class="at" href="#r{id}" data-at="{:.2}">{at}</a> {rule}</p><p class="verdict"><b>{what}</b>, {} yes; right is {right}</p></div></li>"##,
        off.at,
        image(off.jpeg.as_deref(), off.size, &at, &region),
        off.at,
        percent(f64::from(off.p)),
    )
}
