//! Whether one set of graphs would have said what another one said, and how sure that one was: for choosing between them.

use super::call::{Call, Stop};
use super::engine::{Engine, Wanted};
use super::logits;
use super::question::{Answer, AskError, Question};

/// What a model would say at one place of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Word {
    pub id: u32,
    /// By how much its logit is ahead of the second best.
    pub lead: f32,
}

/// A [`Question`] answered in full view.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The greedy choice at each place, the token that ends the answer included; at least one.
    pub words: Vec<Word>,
    /// Of the first place, by token.
    pub first_logits: Vec<f32>,
    /// Probability of yes, one per [`Question::asks`].
    pub p_yes: Vec<f32>,
}

impl Engine {
    /// Answers the question, and shows every choice on the way. With `led` it goes along another's answer (at least one token) and
    /// says at each place what it would have chosen itself: so one other word does not make all that follow incomparable.
    /// [`Question::describe`] and [`Question::recall`] do not count.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn trial(&mut self, question: &Question, led: Option<&[u32]>) -> Result<Trial, AskError> {
        let stop = Stop::new()?;
        let question = Question { describe: true, recall: None, check: false, ..question.clone() };
        let mut call = Call::new(&stop, self.clock, question.deadline);
        let result = self.trial_in(&question, led, &mut call);
        self.decoder.clear();
        result
    }

    /// The answer as [`Self::answer`] gives it, with nobody there to stop it but the deadline.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn answer_alone(&mut self, question: &Question) -> Result<Answer, AskError> {
        self.answer(question, &*Stop::new()?)
    }

    fn trial_in(&mut self, question: &Question, led: Option<&[u32]>, call: &mut Call<'_>) -> Result<Trial, AskError> {
        let size = self.size(&question.picture, question.view);
        self.take_in(question, size)?;
        self.vision.encode(size, call)?;
        let head = self.look(question, Wanted { describe: true, checks: false }, size, call)?;
        let mut sequence = self.prefill(&question.prompt, size, head.as_ref(), call)?;
        let first_logits = self.decoder.row()?.to_vec();
        let mut words = Vec::with_capacity(question.max_tokens);
        loop {
            let word = self.word(words.len())?;
            words.push(word);
            let over = match led {
                Some(ids) => words.len() >= ids.len(),
                None => words.len() >= question.max_tokens || self.stop.contains(&word.id),
            };
            if over {
                break;
            }
            let said = led.map_or(word.id, |ids| ids[words.len() - 1]);
            let embedded = self.embed.one(said, call)?;
            self.decoder.run(embedded, 1, &mut sequence, call)?;
        }
        let mut p_yes = Vec::with_capacity(question.asks.len());
        for ask in &question.asks {
            p_yes.push(self.ask(ask, size, head.as_ref(), call)?);
        }
        Ok(Trial { words, first_logits, p_yes })
    }

    fn word(&mut self, tokens: usize) -> Result<Word, AskError> {
        let row = self.decoder.row()?;
        let pick = logits::pick(row).ok_or(AskError::NotFinite { tokens })?;
        Ok(Word { id: pick.id, lead: logits::lead(row, pick.id) })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::clock::Clock;
    use crate::image;
    use crate::units::Region;
    use crate::vlm::{Provider, Settings};

    #[test]
    fn one_follows_its_own_answer_and_says_so_along_anothers() {
        let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
        let settings = Settings { provider: Provider::Cpu, threads: 1, ..Settings::new(&set) };
        let clock = Clock::system();
        let mut engine = Engine::open(&settings, clock).unwrap();
        let question = Question {
            picture: image::read_file(&set.join("fixtures/chelsea.png")).unwrap(),
            view: Region::WHOLE,
            masks: Arc::new([]),
            prompt: "Describe the scene.".into(),
            asks: vec!["Is there a cat?".into(), "Is there a car?".into()],
            max_tokens: 16,
            deadline: super::super::engine::open_end(clock),
            describe: true,
            recall: None,
            check: false,
        };
        let answer = engine.answer_alone(&question).unwrap();
        let own = engine.trial(&question, None).unwrap();
        let ids: Vec<u32> = own.words.iter().map(|word| word.id).collect();
        assert_eq!(ids[..ids.len() - 1], answer.token_ids[..], "the last one ends it");
        assert_eq!(own.p_yes, answer.p_yes);
        assert!(own.words.iter().all(|word| word.lead > 0.0) && own.p_yes[0] > 0.8 && own.p_yes[1] < 0.2, "{own:?}");
        assert_eq!(engine.trial(&question, Some(&ids)).unwrap(), own);
        let led = engine.trial(&question, Some(&[5, ids[1], ids[2]])).unwrap();
        assert_eq!((led.words.len(), led.words[0]), (3, own.words[0]));
        assert_ne!(led.words[1..], own.words[1..3]);
    }
}
