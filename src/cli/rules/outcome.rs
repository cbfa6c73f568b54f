//! What fitting came to. Pure: labelled answers in; a calibration, scores before and after, and words about them out.

use serde_json::{Value, json};

use super::asking::Asked;
use crate::cli::summary::count;
use crate::event::YesNo;
use crate::rules::calibration::{
    FEW, FitError, Fitted, Folds, ISOTONIC_LEAST, Method, Sample, Score, Scored, Tried, fit,
};
use crate::rules::{Bounds, Rule};

/// Answers that are shown as the worst.
const MOST_SHOWN: usize = 10;

/// Probabilities that are further off than this, as they are, do not deserve a narrow band of unsure.
const TRUSTED: f64 = 0.1;

/// What is known after asking.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The question, or what all are.
    pub(super) what: String,
    /// `set/precision@provider`
    pub(super) model: String,
    /// The question turned round, if it was asked that way, too.
    pub(super) turned: Option<String>,
    pub(super) left_out: usize,
    pub(super) labels: [usize; 2],
    pub(super) fitted: Fitted,
    /// The model's own probabilities, with the bounds of a rule whose model was not measured.
    pub(super) before: Score,
    /// What was learnt, on labels that it had not seen; `None` if there were too few of them.
    pub(super) after: Option<Score>,
    pub(super) bounds: [Bounds; 2],
    /// Wrong or unsure, the worst first.
    pub(super) doubtful: Vec<Doubtful>,
}

/// An answer that is wrong or unsure after calibration.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Doubtful {
    pub(super) place: String,
    pub(super) yes: bool,
    /// As the model said it, and what it is worth.
    pub(super) p: [f32; 2],
    pub(super) answer: YesNo,
}

/// What was asked.
pub(super) struct About<'a> {
    pub(super) what: &'a str,
    pub(super) model: &'a str,
    pub(super) turned: Option<String>,
    pub(super) left_out: usize,
    pub(super) rule: &'a Rule,
}

impl Outcome {
    /// # Errors
    /// [`FitError`]
    pub(super) fn of(asked: &[Asked], about: About<'_>) -> Result<Self, FitError> {
        let samples: Vec<_> = asked.iter().map(|one| one.sample).collect();
        let fitted = fit(&samples)?;
        let bounds = [about.rule.bounds(false), about.rule.bounds(true)];
        let raw: Vec<_> = samples.iter().map(|sample| sample.p).collect();
        let held_out = (!fitted.held_out.is_empty()).then_some(fitted.held_out.as_slice());
        let yes = samples.iter().filter(|sample| sample.yes).count();
        Ok(Self {
            what: about.what.to_owned(),
            model: about.model.to_owned(),
            turned: about.turned,
            left_out: about.left_out,
            labels: [yes, samples.len() - yes],
            before: score(&samples, &raw, bounds[0]),
            after: held_out.map(|worth| score(&samples, worth, bounds[1])),
            doubtful: held_out.map(|worth| doubtful(asked, worth, bounds[1])).unwrap_or_default(),
            bounds,
            fitted,
        })
    }

    /// What the reader should know before relying on it.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, labels) in ["yes", "no"].into_iter().zip(self.labels) {
            if labels < FEW {
                warnings.push(format!(
                    "only {} `{name}`: with fewer than {FEW} this is a first impression, not a measurement",
                    is(labels as u64, "label")
                ));
            }
        }
        match self.fitted.folds {
            Folds::Stretches(_) => {}
            Folds::Through(_) => warnings.push(
                "all labels of one kind are from one stretch of a clip: it was judged by its own neighbours, which is kind".to_owned(),
            ),
            Folds::None => warnings.push("there are too few labels to hold any back: nothing is known about other pictures".to_owned()),
        }
        warnings
    }

    /// Why it must not be kept: nothing was learnt, and the narrow band of what was measured is not deserved.
    pub(super) fn hopeless(&self) -> Option<String> {
        let ece = self.after.as_ref().filter(|_| self.fitted.method == Method::AsIs)?.ece;
        (ece > TRUSTED).then(|| {
            format!(
                "no curve did better on labels that were held out, and what the model says is off by {ece:.2} (ECE): with a \
                 narrow band of unsure more answers would be wrong; label more visits, or ask otherwise"
            )
        })
    }

    pub(super) fn text(&self) -> String {
        let [yes, no] = self.labels;
        let ways =
            self.turned.as_ref().map_or_else(String::new, |turned| format!(", asked turned round, too: {turned}"));
        let left_out = match self.left_out {
            0 => String::new(),
            n => format!(", {n} left out (unknown, or near a change)"),
        };
        let mut text = format!("{}  ({}{ways})\n  {yes} labels yes, {no} no{left_out}\n\n", self.what, self.model);
        text.push_str(&format!(
            "  {:<22} {:>7} {:>8} {:>7} {:>7} {:>9}\n",
            "", "wrong", "unsure", "ECE", "Brier", "log loss"
        ));
        text.push_str(&line("as the model says it", &self.before));
        match &self.after {
            Some(after) => text.push_str(&line("calibrated, held out", after)),
            None => text.push_str("  calibrated             not measured: too few labels to hold any back\n"),
        }
        text.push('\n');
        let [wide, calibrated] = self.bounds;
        text.push_str(&format!(
            "  Unsure is {} to {} as the model says it, {} to {} calibrated.\n",
            wide.off, wide.on, calibrated.off, calibrated.on
        ));
        text.push_str(&format!("  {}\n", self.choice()));
        if !self.doubtful.is_empty() {
            text.push_str("\n  Wrong or unsure when calibrated (is a label wrong?)\n");
            for one in self.doubtful.iter().take(MOST_SHOWN) {
                let right = if one.yes { "yes" } else { "no" };
                let [said, worth] = one.p;
                text.push_str(&format!(
                    "    {}: {} where {right} is right ({said:.3}, worth {worth:.3})\n",
                    one.place,
                    one.answer.name()
                ));
            }
            let more = self.doubtful.len().saturating_sub(MOST_SHOWN);
            if more > 0 {
                text.push_str(&format!("    and {more} more\n"));
            }
        }
        text
    }

    /// Which way was taken, and why.
    fn choice(&self) -> String {
        let tried = self
            .fitted
            .tried
            .iter()
            .filter_map(|one| one.log_loss.map(|loss| format!("{} {loss:.4}", one.method.name())));
        let tried: Vec<_> = tried.collect();
        let parts = match self.fitted.folds {
            Folds::Stretches(parts) => format!("{parts} parts, no stretch of a clip in two of them"),
            Folds::Through(parts) => format!("{parts} parts, through the middle of stretches"),
            Folds::None => return "Platt was taken: there are too few labels to compare it with anything.".to_owned(),
        };
        let [yes, no] = self.labels;
        let untried = if yes.min(no) < ISOTONIC_LEAST {
            format!(" Isotonic was not tried: it needs {ISOTONIC_LEAST} labels of each kind.")
        } else {
            String::new()
        };
        let what = match self.fitted.method {
            Method::AsIs => "What the model says is taken as it is",
            Method::Platt => "Platt was taken",
            Method::Isotonic => "Isotonic was taken",
        };
        format!("{what}: log loss by cross-validation ({parts}) {}.{untried}", tried.join(", "))
    }

    pub(super) fn json(&self, saved: Option<&str>) -> Value {
        let [yes, no] = self.labels;
        let folds = match self.fitted.folds {
            Folds::Stretches(parts) => json!({"parts": parts, "through_stretches": false}),
            Folds::Through(parts) => json!({"parts": parts, "through_stretches": true}),
            Folds::None => Value::Null,
        };
        let tried = self
            .fitted
            .tried
            .iter()
            .map(|Tried { method, log_loss }| json!({"method": method.name(), "log_loss": log_loss.map(round)}));
        let doubtful = self.doubtful.iter().map(|one| {
            let [said, worth] = one.p.map(|p| round(f64::from(p)));
            json!({"place": one.place, "right": if one.yes { "yes" } else { "no" }, "answer": one.answer.name(), "p": said, "worth": worth})
        });
        json!({
            "what": self.what,
            "model": self.model,
            "negated": self.turned,
            "labels": {"yes": yes, "no": no, "left_out": self.left_out},
            "before": score_json(&self.before),
            "after": self.after.as_ref().map(score_json),
            "method": self.fitted.method.name(),
            "tried": tried.collect::<Vec<_>>(),
            "folds": folds,
            "warnings": self.warnings(),
            "doubtful": doubtful.collect::<Vec<_>>(),
            "saved": saved,
        })
    }
}

/// A score as JSON, shared with `replay`.
pub(in crate::cli) fn score_json(score: &Score) -> Value {
    json!({
        "answers": score.answers(),
        "yes": score.yes(),
        "no": score.no(),
        "wrong": score.wrong(),
        "false_yes": score.false_yes,
        "false_no": score.false_no,
        "unsure": score.unsure(),
        "error": score.error().map(round),
        "unsure_rate": score.unsure_rate().map(round),
        "precision": score.precision().map(round),
        "recall": score.recall().map(round),
        "ece": round(score.ece),
        "brier": round(score.brier),
        "log_loss": round(score.log_loss),
    })
}

fn score(samples: &[Sample], worth: &[f32], bounds: Bounds) -> Score {
    let one = |(sample, p): (&Sample, &f32)| Scored { p: *p, answer: bounds.answer(*p), yes: sample.yes };
    Score::of(&samples.iter().zip(worth).map(one).collect::<Vec<_>>())
}

fn doubtful(asked: &[Asked], worth: &[f32], bounds: Bounds) -> Vec<Doubtful> {
    let mut all: Vec<_> = asked
        .iter()
        .zip(worth)
        .map(|(one, worth)| Doubtful {
            place: one.place.clone(),
            yes: one.sample.yes,
            p: [one.sample.p, *worth],
            answer: bounds.answer(*worth),
        })
        .filter(|one| one.answer != if one.yes { YesNo::Yes } else { YesNo::No })
        .collect();
    let off = |one: &Doubtful| if one.yes { 1.0 - one.p[1] } else { one.p[1] };
    all.sort_by(|a, b| off(b).total_cmp(&off(a)));
    all
}

fn line(what: &str, score: &Score) -> String {
    let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0));
    format!(
        "  {what:<22} {:>7} {:>8} {:>7.3} {:>7.3} {:>9.4}\n",
        share(score.error()),
        share(score.unsure_rate()),
        score.ece,
        score.brier,
        score.log_loss
    )
}

/// "1 label is", "3 labels are".
fn is(number: u64, what: &str) -> String {
    format!("{} {}", count(number, what), if number == 1 { "is" } else { "are" })
}

fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RuleId;

    fn asked(pairs: &[(f32, bool)]) -> Vec<Asked> {
        let one = |(n, (p, yes)): (usize, &(f32, bool))| Asked {
            sample: Sample { p: *p, yes: *yes, stretch: n / 2 },
            place: format!("door.mp4 00:{n:02}.0"),
        };
        pairs.iter().enumerate().map(one).collect()
    }

    fn outcome(pairs: &[(f32, bool)]) -> Result<Outcome, FitError> {
        let rule = Rule::new(RuleId::new("x").unwrap(), "Is it?");
        let about = About { what: "Is it?", model: "tiny/int8@cpu", turned: None, left_out: 2, rule: &rule };
        Outcome::of(&asked(pairs), about)
    }

    #[test]
    fn a_table_says_what_was_gained() {
        // Leans to yes: what is no gets 0.6, and one yes looks like a no.
        let mut pairs = Vec::new();
        for n in 0_u8..12 {
            let wobble = f32::from(n % 5) * 0.01;
            pairs.extend([(0.97 - wobble, true), (0.96 - wobble, true), (0.6 + wobble, false), (0.58 + wobble, false)]);
        }
        pairs[8].0 = 0.6;
        let outcome = outcome(&pairs).unwrap();
        insta::assert_snapshot!(outcome.text());
        assert_eq!(outcome.json(None)["labels"], json!({"yes": 24, "no": 24, "left_out": 2}));
        assert_eq!(outcome.warnings(), Vec::<String>::new());
    }

    #[test]
    fn what_is_too_little_is_said() {
        let few = outcome(&[(0.9, true), (0.8, true), (0.1, false), (0.2, false)]).unwrap();
        let warnings = few.warnings().join("\n");
        assert!(
            warnings.contains("only 2 labels are `yes`") && warnings.contains("judged by its own neighbours"),
            "{warnings}"
        );
        let two = outcome(&[(0.9, true), (0.1, false)]).unwrap();
        assert!(two.text().contains("not measured: too few labels") && two.after.is_none());
        assert_eq!(outcome(&[(0.9, true)]).unwrap_err(), FitError::OneKind(true));
        // As it is, and that is far off.
        let mut nothing = few;
        (nothing.fitted.method, nothing.after) = (Method::AsIs, Some(Score { ece: 0.2, ..Score::default() }));
        assert!(nothing.hopeless().is_some_and(|why| why.contains("is off by 0.20 (ECE)")));
        nothing.after = Some(Score { ece: 0.05, ..Score::default() });
        assert_eq!(nothing.hopeless(), None);
    }
}
