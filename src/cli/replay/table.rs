//! What came of a clip, for people: a summary with all outcomes, and how much of what there was to see was found.

use super::figures::{Figures, Played};
use super::record::Sentences;
use super::ruled::RuleVerdict;
use super::truth::{Judged, Seen, Verdict};
use crate::cli::summary::count;
use crate::gate::Outcome;
use crate::journal::meaning;

/// `mm:ss.s`, as players show it.
pub(in crate::cli) fn clip_time(second: f64) -> String {
    // Rounded before it is taken apart, or 59.96 s would be 00:60.0.
    let tenths = (second.max(0.0) * 10.0).round();
    let minutes = (tenths / 600.0).floor();
    format!("{minutes:02.0}:{:04.1}", (tenths - minutes * 600.0) / 10.0)
}

pub(super) fn one(played: &Played) -> String {
    let mut text = figures(&played.figures);
    if let Some(verdict) = &played.verdict {
        text.push_str(&truth(verdict));
    }
    text.push_str(&sentences(played.sentences));
    text.push_str(&rules(&played.rules));
    text
}

/// What asking back about sentences came to, if anything was.
fn sentences(sentences: Sentences) -> String {
    let Sentences { checked, corrected, doubtful } = sentences;
    if checked == 0 {
        return String::new();
    }
    let doubtful = if doubtful > 0 { format!(", {doubtful} doubtful to the end") } else { String::new() };
    format!("  {} asked back about what they name, {corrected} corrected{doubtful}\n", count(checked, "sentence"))
}

/// The rules against their labels.
fn rules(rules: &[RuleVerdict]) -> String {
    if rules.is_empty() {
        return String::new();
    }
    let width = rules.iter().map(|verdict| verdict.rule.len()).max().unwrap_or_default().max("rule".len());
    let mut text = format!(
        "\n  {:<width$}  {:>7}  {:>6}  {:>6}  {:>7}  {:>7}  {:>9}  {:>7}  {:>5}\n",
        "rule", "answers", "yes", "no", "wrong", "unsure", "precision", "recall", "ECE"
    );
    let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0));
    for verdict in rules {
        let score = verdict.score();
        let note = match verdict.ask.as_str() {
            "" => "  never asked: has the config such a rule?",
            _ if verdict.answers_left_out > 0 => "  (not all of its answers)",
            _ if verdict.calibrated => "",
            _ => "  not calibrated",
        };
        text.push_str(&format!(
            "  {:<width$}  {:>7}  {:>6}  {:>6}  {:>7}  {:>7}  {:>9}  {:>7}  {:>5}{note}\n",
            verdict.rule,
            score.answers(),
            score.yes(),
            score.no(),
            share(score.error()),
            share(score.unsure_rate()),
            share(score.precision()),
            share(score.recall()),
            if score.answers() == 0 { "-".to_owned() } else { format!("{:.3}", score.ece) },
        ));
    }
    text
}

/// All clips together.
pub(super) fn total(all: &[&Played]) -> String {
    let sum = Figures::sum(all.iter().map(|played| &played.figures));
    let mut text = format!("In all, {}\n{}", count(all.len() as u64, "clip"), figures(&sum));
    let verdicts: Vec<_> = all.iter().filter_map(|played| played.verdict.as_ref()).collect();
    if !verdicts.is_empty() {
        text.push_str(&format!("  {}\n", verdict_line(&verdicts)));
    }
    let mut all_sentences = Sentences::default();
    all.iter().for_each(|played| all_sentences.add(played.sentences));
    text.push_str(&sentences(all_sentences));
    text.push_str(&rules(&RuleVerdict::sum(all.iter().flat_map(|played| &played.rules))));
    text
}

fn figures(figures: &Figures) -> String {
    let mut text = format!(
        "  {}, {} at the gate, {} described ({:.1} %), {:.2} s of model\n",
        count(figures.events, "event"),
        count(figures.observed, "frame"),
        figures.count(Outcome::Described),
        figures.described_share() * 100.0,
        figures.model_seconds,
    );
    for (outcome, frames) in figures.outcomes.iter().filter(|(_, frames)| *frames > 0) {
        text.push_str(&format!("  {frames:>7}  {:<14}  {}\n", outcome.name(), meaning(*outcome)));
    }
    if !figures.add_up() {
        let Figures { observed, settled, .. } = figures;
        text.push_str(&format!("  These do not add up ({observed} seen, {settled} ended): a bug of ours.\n"));
    }
    let (length, took, speed) = (figures.length, figures.took, figures.speed());
    text.push_str(&format!("  {length:.1} s of clip in {took:.1} s: {speed:.0} times real time\n"));
    text
}

/// Per visit what became of it, and what was invented.
fn truth(verdict: &Verdict) -> String {
    let mut text = format!(
        "\n  {:<8}  {:>7}  {:>7}  {:>7}  {:>9}  {:>7}  who\n",
        "", "from", "to", "started", "announced", "ended"
    );
    for judged in &verdict.visits {
        text.push_str(&visit(judged));
    }
    for Seen { started, announced, ended, .. } in &verdict.invented {
        text.push_str(&format!(
            "  {:<8}  {:>7}  {:>7}  {started:>7.1}  {announced:>9.1}  {ended:>7.1}\n",
            "invented", "", ""
        ));
    }
    text.push_str(&format!("  {}\n", verdict_line(&[verdict])));
    text
}

fn visit(judged: &Judged) -> String {
    let word = match judged {
        Judged { events, merged: false, .. } if events.is_empty() => "missed",
        Judged { events, .. } if events.is_empty() => "merged",
        Judged { events, .. } if events.len() > 1 => "split",
        _ => "found",
    };
    let signed = |delay: Option<f64>| delay.map_or_else(|| "-".to_owned(), |delay| format!("{delay:+.1}"));
    let ended = judged.events.last().map_or_else(|| "-".to_owned(), |e| format!("{:+.1}", e.ended - judged.visit.to));
    let who = if judged.events.len() > 1 {
        format!("{} ({})", judged.visit.who, count(judged.events.len() as u64, "event"))
    } else {
        judged.visit.who.clone()
    };
    format!(
        "  {word:<8}  {:>7.1}  {:>7.1}  {:>7}  {:>9}  {ended:>7}  {who}\n",
        judged.visit.from,
        judged.visit.to,
        signed(judged.start_delay()),
        signed(judged.announced_delay()),
    )
}

/// Recall and the rest, over one or more clips.
pub(super) fn verdict_line(verdicts: &[&Verdict]) -> String {
    let sum = |of: fn(&Verdict) -> usize| verdicts.iter().map(|verdict| of(verdict)).sum::<usize>();
    let (found, visits) = (sum(Verdict::found), sum(|verdict| verdict.visits.len()));
    let mut parts = vec![
        format!("{found} of {} found", count(visits as u64, "visit")),
        format!("{} invented", sum(|verdict| verdict.invented.len())),
    ];
    for (number, what) in [(sum(Verdict::split), "split"), (sum(Verdict::merged), "merged")] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let delays =
        |of: fn(&Judged) -> Option<f64>| verdicts.iter().flat_map(|v| &v.visits).filter_map(of).collect::<Vec<_>>();
    parts.extend(delay("start", &delays(Judged::start_delay)));
    parts.extend(delay("announced after", &delays(Judged::announced_delay)));
    parts.join(", ")
}

fn delay(what: &str, delays: &[f64]) -> Option<String> {
    let most = delays.iter().copied().reduce(f64::max)?;
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    Some(format!("{what} {mean:+.1} s on average, {most:+.1} s at most"))
}

#[cfg(test)]
mod tests {
    use super::super::truth::Visit;
    use super::*;

    #[test]
    fn times_are_those_of_a_player() {
        assert_eq!([0.0, 6.24, 59.96, 139.4].map(clip_time), ["00:00.0", "00:06.2", "01:00.0", "02:19.4"]);
    }

    #[test]
    fn a_small_table_says_what_became_of_each_visit() {
        let visit = |from, to| Visit { from, to, who: "somebody".into() };
        let event = |started, ended| Seen { id: "x".into(), started, announced: started + 0.6, ended };
        let verdict = Verdict::new(
            "a.mp4",
            "defaults",
            &[visit(6.0, 20.0), visit(30.0, 40.0), visit(50.0, 51.0)],
            &[event(6.2, 19.9), event(30.0, 32.0), event(35.0, 40.0), event(70.0, 71.0)],
        );
        insta::assert_snapshot!(truth(&verdict), @r"
                     from       to  started  announced    ended  who
        found         6.0     20.0     +0.2       +0.8     -0.1  somebody
        split        30.0     40.0     +0.0       +0.6     +0.0  somebody (2 events)
        missed       50.0     51.0        -          -        -  somebody
        invented                       70.0       70.6     71.0
        2 of 3 visits found, 1 invented, 1 split, start +0.1 s on average, +0.2 s at most, announced after +0.7 s on average, +0.8 s at most
        ");
    }

    #[test]
    fn rules_have_a_line_each() {
        insta::assert_snapshot!(rules(&super::super::ruled::tests::judged(false)), @r"

        rule    answers     yes      no    wrong   unsure  precision   recall    ECE
        never         0       0       0        -        -          -        -      -  never asked: has the config such a rule?
        person        9       4       5   22.2 %   11.1 %     66.7 %   50.0 %  0.228  not calibrated
        ");
        assert_eq!(rules(&[]), "");
        let three = Sentences { checked: 12, corrected: 3, doubtful: 1 };
        assert_eq!(
            sentences(three),
            "  12 sentences asked back about what they name, 3 corrected, 1 doubtful to the end\n"
        );
        assert_eq!(sentences(Sentences::default()), "");
    }

    #[test]
    fn what_does_not_add_up_is_said() {
        let figures = super::figures(&Figures { observed: 3, settled: 2, ..Figures::default() });
        assert!(figures.contains("do not add up (3 seen, 2 ended)"), "{figures}");
    }
}
