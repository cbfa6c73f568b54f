//! Asks back what a sentence names, and has it said again without what is not there.

use std::cell::OnceCell;
use std::sync::Arc;

use super::probes::Probes;
use super::ruled_out::RuledOut;
use super::thing::{Checking, Thing};
use super::verdict::{Evidence, Sentence};
use super::words;
use crate::rules::Calibrations;
use crate::vlm::call::Call;
use crate::vlm::engine::{Engine, Spoken};
use crate::vlm::prompt::Prompts;
use crate::vlm::question::{AskError, Question};
use crate::vlm::sequence::Sequence;

/// How often a sentence is decoded again.
const AGAIN: usize = 2;

/// What is asked back, and what the answers are worth.
pub(in crate::vlm) struct Asker {
    things: Vec<Known>,
    bounds: Vec<f32>,
    /// Turned on, by the set or by the config.
    pub on: bool,
    pub negate: bool,
    pub calibrations: Calibrations,
}

struct Known {
    thing: Thing,
    /// Its words as tokens; made when first needed, since most are never said.
    tokens: OnceCell<RuledOut>,
}

/// A sentence that was examined.
pub(in crate::vlm) struct Examined {
    pub spoken: Spoken,
    pub text: String,
    pub checked: Vec<(Arc<str>, f32)>,
    pub before: Option<String>,
    pub corrections: u32,
    pub agrees: bool,
    /// The confidence is no more than this.
    pub sure: f32,
}

impl Asker {
    /// `probes` as the set has them, if it has.
    pub(in crate::vlm) fn new(probes: Option<Probes>, more: &[Thing], checking: Checking) -> Self {
        let probes = probes.unwrap_or_default();
        let negate = probes.negate;
        let on = match checking {
            Checking::Auto => probes.check,
            Checking::On => true,
            Checking::Off => false,
        };
        let things = probes.with(more).things;
        let bounds = things.iter().map(|thing| thing.bound).collect();
        let things: Vec<Known> = things.into_iter().map(|thing| Known { thing, tokens: OnceCell::new() }).collect();
        Self { on: on && !things.is_empty(), things, bounds, negate, calibrations: Calibrations::empty() }
    }

    /// How many things there are to ask about.
    pub(in crate::vlm) fn len(&self) -> usize {
        self.things.len()
    }

    pub(in crate::vlm) fn questions(&self) -> impl Iterator<Item = &Arc<str>> + Clone {
        self.things.iter().map(|known| &known.thing.question)
    }

    fn named(&self, text: &str) -> Sentence {
        let split = words::split(text);
        let named = self.things.iter().enumerate().filter(|(_, known)| known.thing.words.named(&split));
        Sentence { named: named.map(|(index, _)| index).collect(), empty: split.is_empty() }
    }

    fn tokens(&self, thing: usize, prompts: &Prompts) -> &RuledOut {
        let Known { thing, tokens } = &self.things[thing];
        tokens.get_or_init(|| RuledOut::new(thing.words.spellings(), |text| prompts.tokens(text)))
    }

    /// What the model's probability of yes is worth.
    fn worth(&self, thing: usize, p: f32) -> f32 {
        self.calibrations.apply(None, None, &self.things[thing].thing.question, p).p
    }

    fn checked(&self, p: &[Option<f32>]) -> Vec<(Arc<str>, f32)> {
        let each = self.things.iter().zip(p);
        each.filter_map(|(known, p)| p.map(|p| (Arc::clone(&known.thing.name), p))).collect()
    }
}

impl Engine {
    /// The questions that can be asked back.
    pub fn things(&self) -> impl Iterator<Item = Arc<str>> + use<'_> {
        self.asker.questions().cloned()
    }

    /// Asks about each thing that `spoken` names, and has it said again, at most [`AGAIN`] times, without the words of what is
    /// not there. `head` holds the picture, if it is shared.
    pub(in crate::vlm) fn examine(
        &mut self,
        question: &Question,
        size: usize,
        head: Option<&Sequence>,
        mut spoken: Spoken,
        call: &mut Call<'_>,
    ) -> Result<Examined, AskError> {
        let mut p = vec![None; self.asker.len()];
        let mut said: Vec<(Spoken, String)> = Vec::new();
        let mut sentences: Vec<Sentence> = Vec::new();
        let mut ruled_out = RuledOut::default();
        loop {
            let text = self.prompts.words(&spoken.ids)?;
            let sentence = self.asker.named(&text);
            for &thing in sentence.named.iter().filter(|thing| p[**thing].is_none()).collect::<Vec<_>>() {
                let asked = Arc::clone(&self.asker.things[thing].thing.question);
                let answer = self.ask(&asked, size, head, call)?;
                p[thing] = Some(self.asker.worth(thing, answer));
            }
            let evidence = Evidence { p: &p, bounds: &self.asker.bounds };
            let mut news = false;
            for &thing in sentence.named.iter().filter(|thing| evidence.contradicts(**thing)) {
                news |= ruled_out.add(self.asker.tokens(thing, &self.prompts));
            }
            // A dog for the man, a cat for the dog: the last try may name only what is known to be there.
            if news && said.len() + 1 == AGAIN {
                for thing in (0..self.asker.len()).filter(|thing| p[*thing].is_none()) {
                    ruled_out.add(self.asker.tokens(thing, &self.prompts));
                }
            }
            said.push((spoken, text));
            sentences.push(sentence);
            if !news || said.len() > AGAIN {
                break;
            }
            spoken = self.say(question, size, head, &ruled_out, call)?;
        }
        let evidence = Evidence { p: &p, bounds: &self.asker.bounds };
        let verdict = evidence.verdict(&sentences);
        let corrections = said.len() as u32 - 1;
        let (spoken, text) = said.swap_remove(verdict.chosen);
        // What was swapped into its place is not the first sentence, unless that one went out.
        let before = (verdict.chosen > 0).then(|| said.swap_remove(0).1);
        let checked = self.asker.checked(&p);
        Ok(Examined { spoken, text, checked, before, corrections, agrees: verdict.agrees, sure: verdict.sure })
    }

    /// A description without some words.
    fn say(
        &mut self,
        question: &Question,
        size: usize,
        head: Option<&Sequence>,
        ruled_out: &RuledOut,
        call: &mut Call<'_>,
    ) -> Result<Spoken, AskError> {
        let mut spoken = Spoken::default();
        let mut sequence = self.prefill(&question.prompt, size, head, call)?;
        let first = self.pick_without(&[], ruled_out)?;
        self.speak(first, question.max_tokens, &mut sequence, &mut spoken, ruled_out, call)?;
        Ok(spoken)
    }
}
