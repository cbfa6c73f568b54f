//! Whether asking back what sentences name helps with this set, as far as pictures without labels can tell.

use std::time::Duration;

use serde::Serialize;

use super::questions::Questions;
use super::way::counted;
use super::way::{TOKENS, Way};
use crate::cli::models::pictures;
use crate::clock::{Clock, Moment};
use crate::vlm::{Answer, AskError, Checking, Engine, ModelSet, Provider, Question, Settings};

/// Of things that are not there, a set may say yes to so many: its yes means too little otherwise.
const YES_TO_NOTHING: f64 = 0.1;
/// Descriptions that are held against each other; each is made in both ways.
const MOST_PICTURES: usize = 12;
/// With less time than this there is no use in beginning.
const LEAST: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub(super) enum Checks {
    /// The set has no table of things to ask about.
    NoProbes,
    /// It cannot answer yes or no, or failed at it.
    Impossible {
        why: String,
    },
    /// There was no time for it.
    NoTime,
    Tried(Tried),
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) struct Tried {
    /// The set itself says that its sentences are better checked.
    pub(super) set_says: bool,
    /// Descriptions, each made in both ways.
    pub(super) pictures: usize,
    /// Of these so many named something that can be asked back.
    pub(super) named: usize,
    /// Of these so many were said again.
    pub(super) again: usize,
    /// Of these so many agreed with the answers then.
    pub(super) agreed: usize,
    /// A checked description against a plain one, in time, all together.
    pub(super) times: f64,
    /// Questions about drawn pictures, which show none of these things.
    pub(super) nothing: usize,
    /// Of these so many were answered with yes.
    pub(super) yes_to_nothing: usize,
}

impl Tried {
    /// Whether its answers can be held against its sentences.
    fn knows_nothing(&self) -> bool {
        self.yes_to_nothing as f64 <= YES_TO_NOTHING * self.nothing as f64
    }

    fn text(&self) -> String {
        let Self { pictures, named, again, agreed, times, nothing, yes_to_nothing, .. } = self;
        let sentences = format!(
            "Of {} {named} named something that can be asked back; {again} of these were contradicted and said again, {agreed} \
             with success. A checked description takes {times:.2} times as long. To {nothing} questions about drawn pictures, \
             which show none of it, the set says yes {yes_to_nothing} times",
            counted(*pictures, "sentence")
        );
        let advice = match (self.knows_nothing(), self.set_says) {
            (true, true) => ": checking stays on, as the set has it.",
            (true, false) => {
                ": its answers could serve, but the set has checking off; `check = \"on\"` in `[model]` turns it on."
            }
            (false, true) => {
                ": too often for its yes to mean anything. `check = \"off\"` in `[model]` turns checking off."
            }
            (false, false) => ": too often for its yes to mean anything. Checking stays off, as the set has it.",
        };
        format!(
            "{sentences}{advice} Whether the new sentences are the right ones only labels can tell: see docs/trust.md."
        )
    }
}

impl Checks {
    pub(super) fn text(&self) -> String {
        match self {
            Self::NoProbes => "Nothing that a sentence names is asked back: the set has no `probes.json`.".to_owned(),
            Self::Impossible { why } => format!("What a sentence names cannot be asked back: {why}."),
            Self::NoTime => {
                "Whether asking back what sentences name helps: no time for it, a longer `--limit` has.".to_owned()
            }
            Self::Tried(tried) => tried.text(),
        }
    }
}

/// Tries it in the way that was chosen.
pub(super) fn checks(
    set: &ModelSet,
    provider: Provider,
    way: &Way,
    questions: &Questions,
    clock: Clock,
    ends: Moment,
) -> Checks {
    let Some(probes) = &set.probes else { return Checks::NoProbes };
    if ends.since(clock.now()) < LEAST {
        return Checks::NoTime;
    }
    let settings = Settings {
        provider,
        parts: Some(way.parts),
        threads: way.threads,
        edges: vec![way.edge],
        check: Checking::On,
        ..Settings::new(&set.folder)
    };
    let tried = Engine::open(&settings, clock).map_err(|error| error.to_string()).and_then(|mut engine| {
        if !engine.info().checks {
            return Err("it does not answer with yes or no, or there is nothing to ask".to_owned());
        }
        let tried = Tried { set_says: probes.check, ..Tried::default() };
        tried_in(&mut engine, tried, questions, clock, ends).map_err(|error| error.to_string())
    });
    match tried {
        Ok(tried) if tried.pictures == 0 || tried.nothing == 0 => Checks::NoTime,
        Ok(tried) => Checks::Tried(tried),
        Err(why) => Checks::Impossible { why },
    }
}

fn tried_in(
    engine: &mut Engine,
    mut tried: Tried,
    questions: &Questions,
    clock: Clock,
    ends: Moment,
) -> Result<Tried, AskError> {
    let asks: Vec<_> = engine.things().collect();
    for picture in pictures::drawn() {
        let question = Question { picture, describe: false, asks: asks.clone(), ..questions.whole(0, ends) };
        let Some(answer) = in_time(engine.answer_alone(&question))? else { return Ok(tried) };
        tried.nothing += answer.p_yes.len();
        tried.yes_to_nothing += answer.p_yes.iter().filter(|p| **p >= 0.5).count();
    }
    let mut took = [Duration::ZERO; 2];
    for picture in 0..questions.pictures().min(MOST_PICTURES) {
        // As long as descriptions are: half of one may name nothing yet.
        let plain = Question { max_tokens: 3 * TOKENS, ..questions.description(picture, ends) };
        let began = clock.now();
        if in_time(engine.answer_alone(&plain))?.is_none() {
            break;
        }
        let between = clock.now();
        let Some(answer) = in_time(engine.answer_alone(&Question { check: true, ..plain }))? else { break };
        // The first one meets cold buffers.
        if picture > 0 || questions.pictures() == 1 {
            took[0] += between.since(began);
            took[1] += clock.now().since(between);
        }
        tried.pictures += 1;
        tried.named += usize::from(!answer.checked.is_empty());
        tried.again += usize::from(answer.corrections > 0);
        tried.agreed += usize::from(answer.corrections > 0 && answer.agrees);
    }
    tried.times = took[1].as_secs_f64() / took[0].as_secs_f64().max(f64::MIN_POSITIVE);
    Ok(tried)
}

/// `None` if the time is up.
fn in_time(answer: Result<Answer, AskError>) -> Result<Option<Answer>, AskError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(AskError::Expired) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_can_tell_and_what_it_cannot() {
        let tried = Tried {
            pictures: 7,
            named: 5,
            again: 2,
            agreed: 1,
            times: 1.234,
            nothing: 50,
            yes_to_nothing: 5,
            set_says: true,
        };
        let text = Checks::Tried(tried).text();
        for words in [
            "Of 7 sentences 5 named",
            "2 of these were contradicted",
            "1 with success",
            "1.23 times",
            "yes 5 times",
            "stays on",
            "only labels can tell",
        ] {
            assert!(text.contains(words), "`{words}` is not in {text}");
        }
        let of = |yes_to_nothing, set_says| Checks::Tried(Tried { yes_to_nothing, set_says, ..tried }).text();
        assert!(of(6, true).contains("`check = \"off\"`") && of(0, false).contains("`check = \"on\"`"));
        assert!(of(6, false).contains("Checking stays off"));
        assert!(Checks::NoProbes.text().contains("probes.json") && Checks::NoTime.text().contains("--limit"));
    }
}
