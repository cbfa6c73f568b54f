//! One camera's rules: which questions to ask about a frame, and what the answers come to. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Rule;
use crate::clock::Moment;
use crate::event::{RuleAnswer, YesNo};
use crate::ids::{CameraId, RuleId};
use crate::rules::{self, Calibrated, Calibrations, Places, RuleNow, State, Tally};
use crate::units::{Polygon, Region};

/// A rule's answer about one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruling {
    pub rule: RuleId,
    pub ask: Arc<str>,
    /// Probability of yes, 0 to 1; calibrated, if the model was.
    pub p: f32,
    pub calibrated: bool,
    pub answer: YesNo,
    /// What the rule says now.
    pub state: State,
    /// It has just turned on.
    pub turned_on: bool,
    pub alert: bool,
}

/// Questions about one part of the picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sheet {
    pub(super) view: Region,
    /// What is painted over besides the camera's masks.
    pub(super) mask: Option<Polygon>,
    /// In pairs where a question is asked both ways.
    pub(super) asks: Vec<Arc<str>>,
    /// Places of the rules, and whether each has a second question.
    rules: Vec<(usize, bool)>,
}

#[derive(Debug)]
pub(super) struct Rulings {
    camera: CameraId,
    rules: Vec<Kept>,
    /// Questions are asked turned round, too.
    both_ways: bool,
    calibrations: Arc<Calibrations>,
}

#[derive(Debug)]
struct Kept {
    rule: Rule,
    negated: Option<Arc<str>>,
    tally: Tally,
    /// Of the last answer.
    p: Option<f32>,
    at: Moment,
}

impl Rulings {
    pub(super) fn new(camera: CameraId, both_ways: bool, calibrations: Arc<Calibrations>) -> Self {
        Self { camera, rules: Vec::new(), both_ways, calibrations }
    }

    /// Other rules. One that stays as it was goes on with what it knows.
    pub(super) fn set(&mut self, rules: &[Rule], now: Moment) {
        let mut before = std::mem::take(&mut self.rules);
        for rule in rules {
            let same = before.iter().position(|kept| kept.rule == *rule);
            let kept = same.map_or_else(|| Kept::new(rule, now), |index| before.swap_remove(index));
            self.rules.push(kept);
        }
    }

    /// The questions of these rules: those about the whole picture first, if there are any.
    pub(super) fn sheets(&self, which: Places) -> Vec<Sheet> {
        let mut sheets: Vec<Sheet> = Vec::new();
        for (place, kept) in self.rules.iter().enumerate().filter(|(place, _)| which.has(*place)) {
            let (view, mask) = match &kept.rule.region {
                Some(region) => (rules::around(region), Some(rules::outside(region))),
                None => (Region::WHOLE, None),
            };
            let known = sheets.iter().position(|sheet| sheet.view == view && sheet.mask == mask);
            let index = known.unwrap_or_else(|| {
                let index = if mask.is_none() { 0 } else { sheets.len() };
                sheets.insert(index, Sheet { view, mask, asks: Vec::new(), rules: Vec::new() });
                index
            });
            let negated = kept.negated.as_ref().filter(|_| self.both_ways || kept.rule.negated.is_some());
            let sheet = &mut sheets[index];
            sheet.asks.push(Arc::clone(&kept.rule.ask));
            sheet.asks.extend(negated.cloned());
            sheet.rules.push((place, negated.is_some()));
        }
        sheets
    }

    /// What the model said to a sheet's questions about a frame that was taken at `at`.
    pub(super) fn heard(&mut self, sheet: &Sheet, p_yes: &[f32], at: Moment) -> Vec<Ruling> {
        let mut said = p_yes.iter().copied();
        let mut heard = Vec::new();
        for &(place, both) in &sheet.rules {
            let Some(plain) = said.next() else { break };
            let p = if both { said.next().map_or(plain, |turned| rules::combine(plain, turned)) } else { plain };
            // The rules may be others by now; their questions went out before.
            let Some(kept) = self.rules.get_mut(place) else { break };
            let Rule { id, ask, alert, .. } = &kept.rule;
            let Calibrated { p, calibrated } = self.calibrations.apply(Some(&self.camera), Some(id), ask, p);
            let step = kept.tally.answer(p, kept.rule.bounds(calibrated), at);
            (kept.p, kept.at) = (Some(p), at);
            heard.push(Ruling {
                rule: id.clone(),
                ask: Arc::clone(ask),
                p,
                calibrated,
                answer: step.answer,
                state: step.state,
                turned_on: step.turned_on,
                alert: *alert,
            });
        }
        heard
    }

    /// Nobody watched from now on: what was so then may not be so when somebody looks again. Returns whether a state is another
    /// one.
    pub(super) fn forget(&mut self, now: Moment) -> bool {
        let mut changed = false;
        for kept in &mut self.rules {
            if kept.tally.state() != State::Unsure {
                (kept.at, changed) = (now, true);
            }
            kept.tally = Tally::new(kept.rule.agree, kept.rule.hold);
        }
        changed
    }

    /// The rules whose last answer is at odds with those before it.
    pub(super) fn torn(&self) -> Places {
        let mut torn = Places::default();
        let places = self.rules.iter().enumerate().filter(|(_, kept)| kept.tally.is_torn()).map(|(place, _)| place);
        places.for_each(|place| torn.put(place));
        torn
    }

    /// Time goes on. Returns whether a state is another one.
    pub(super) fn tick(&mut self, now: Moment) -> bool {
        let mut changed = false;
        for kept in &mut self.rules {
            if kept.tally.tick(now) {
                (kept.at, changed) = (now, true);
            }
        }
        changed
    }

    /// When [`Rulings::tick`] has something to do.
    pub(super) fn due(&self) -> Option<Moment> {
        self.rules.iter().filter_map(|kept| kept.tally.due()).min()
    }

    /// All of them as they stand.
    pub(super) fn now(&self) -> Arc<[RuleNow]> {
        let now = |kept: &Kept| RuleNow {
            id: kept.rule.id.clone(),
            ask: Arc::clone(&kept.rule.ask),
            alert: kept.rule.alert,
            state: kept.tally.state(),
            p: kept.p,
            at: kept.at.wall,
        };
        self.rules.iter().map(now).collect()
    }
}

impl Kept {
    fn new(rule: &Rule, now: Moment) -> Self {
        let negated = rule.negated.clone().or_else(|| rules::negated(&rule.ask).map(Into::into));
        Self { tally: Tally::new(rule.agree, rule.hold), rule: rule.clone(), negated, p: None, at: now }
    }
}

/// As an event says it.
pub(super) fn answers(rulings: &[Ruling]) -> BTreeMap<RuleId, RuleAnswer> {
    rulings.iter().map(|Ruling { rule, answer, p, .. }| (rule.clone(), RuleAnswer { answer: *answer, p: *p })).collect()
}

/// The alerting rules that have just turned on.
pub(super) fn alerts(rulings: &[Ruling]) -> Vec<RuleId> {
    rulings.iter().filter(|ruling| ruling.turned_on && ruling.alert).map(|ruling| ruling.rule.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment { mono: Duration::from_secs(seconds), wall: jiff::Timestamp::from_second(seconds as i64).unwrap() }
    }

    fn rule(id: &str, ask: &str) -> Rule {
        Rule::new(RuleId::new(id).unwrap(), ask)
    }

    fn rulings(both_ways: bool, rules: &[Rule]) -> Rulings {
        let mut rulings = Rulings::new(CameraId::new("door").unwrap(), both_ways, Arc::default());
        rulings.set(rules, at(0));
        rulings
    }

    fn gate() -> Option<Polygon> {
        Some(Polygon(vec![[0.5, 0.5], [1.0, 0.5], [1.0, 1.0]]))
    }

    #[test]
    fn rules_of_one_view_share_a_sheet() {
        let at_gate = |id| Rule { region: gate(), ..rule(id, "Is the gate open?") };
        let rulings = rulings(false, &[at_gate("a"), rule("b", "Is there a dog?"), at_gate("c"), rule("d", "A cat?")]);
        let sheets = rulings.sheets(Places::ALL);
        assert_eq!(sheets.len(), 2);
        assert_eq!((sheets[0].view, sheets[0].asks.len(), &sheets[0].mask), (Region::WHOLE, 2, &None));
        assert_eq!((sheets[1].view, sheets[1].asks.len()), (Region { x: 0.5, y: 0.5, w: 0.5, h: 0.5 }, 2));
        assert!(sheets[1].mask.is_some());
        assert_eq!(rulings.sheets(Places::default()), []);
    }

    #[test]
    fn both_ways_of_asking_come_to_one_answer() {
        let odd = Rule { negated: Some("Is it shut?".into()), ..rule("gate", "Is the gate open?") };
        let mut both = rulings(true, &[rule("dog", "Is there a dog?"), rule("odd", "Who is it?"), odd.clone()]);
        let sheet = both.sheets(Places::ALL).remove(0);
        let asks: Vec<&str> = sheet.asks.iter().map(|ask| &**ask).collect();
        assert_eq!(asks, ["Is there a dog?", "Is there no dog?", "Who is it?", "Is the gate open?", "Is it shut?"]);
        // Yes to both is no answer at all.
        let heard = both.heard(&sheet, &[0.95, 0.95, 0.9, 0.9, 0.02], at(1));
        let said: Vec<_> = heard.iter().map(|ruling| (ruling.rule.as_str(), ruling.answer)).collect();
        assert_eq!(said, [("dog", YesNo::Unsure), ("odd", YesNo::Yes), ("gate", YesNo::Yes)]);
        // A question that its author turned round is asked both ways by any set.
        assert_eq!(rulings(false, &[odd]).sheets(Places::ALL)[0].asks.len(), 2);
    }

    #[test]
    fn what_stays_as_it_was_goes_on() {
        let dog = Rule { alert: true, hold: Duration::from_secs(5), ..rule("dog", "Is there a dog?") };
        let mut yard = rulings(false, &[rule("cat", "Is there a cat?"), dog.clone()]);
        let sheet = yard.sheets(Places::ALL).remove(0);
        let heard = yard.heard(&sheet, &[0.1, 0.9], at(1));
        assert_eq!(alerts(&heard), [RuleId::new("dog").unwrap()]);
        assert_eq!(answers(&heard).len(), 2);
        yard.set(&[dog, rule("new", "Is it new?")], at(2));
        let states: Vec<_> = yard.now().iter().map(|now| (now.state, now.p.is_some(), now.at)).collect();
        assert_eq!(states, [(State::On, true, at(1).wall), (State::Unsure, false, at(2).wall)]);
        // It turned on before: that is said once. And it ends by itself.
        let sheet = yard.sheets(Places::ALL).remove(0);
        assert_eq!(alerts(&yard.heard(&sheet, &[0.9], at(3))), []);
        yard.heard(&sheet, &[0.1], at(4));
        assert_eq!(yard.due(), Some(at(8)));
        assert!(!yard.tick(at(7)) && yard.tick(at(8)));
        assert_eq!(yard.now()[0].state, State::Off);
        assert_eq!(yard.due(), None);
        // The camera is lost: nothing is known any more. Lost again, there is nothing to say.
        yard.heard(&sheet, &[0.9], at(20));
        assert!(yard.forget(at(21)) && !yard.forget(at(22)));
        let now = &yard.now()[0];
        assert_eq!((now.state, now.at, yard.due()), (State::Unsure, at(21).wall, None));
    }
}
