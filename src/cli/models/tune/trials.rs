//! Tries ways on this device, as long as there is time.

use std::path::PathBuf;
use std::time::Duration;

use super::judge::Agreement;
use super::questions::Questions;
use super::search::{Bench, Measured, Missing};
use super::way::{Cost, TOKENS, Way, counted};
use crate::cli::failure::chain;
use crate::cli::say;
use crate::clock::{Clock, Moment};
use crate::measure::{Round, Spread};
use crate::vlm::{AskError, Engine, Provider, Question, Settings, Trial};

/// Pictures that the reference is asked about whatever it takes.
const AT_LEAST_PICTURES: usize = 2;
/// The reference's answers may take this share of the time: all others answer the same.
const REFERENCE_SHARE: u32 = 6;
/// Descriptions that are timed.
const AT_LEAST_ROUNDS: usize = 3;
const MOST_ROUNDS: usize = 40;
/// Shorter than this nothing is steady.
const STEADY_AFTER: Duration = Duration::from_millis(500);
/// Half of the rounds are within this share of the median: more of them would say the same.
const STEADY: f64 = 0.02;

pub(super) struct Trials {
    pub(super) folder: PathBuf,
    pub(super) provider: Provider,
    pub(super) questions: Questions,
    pub(super) clock: Clock,
    /// When the time is up.
    pub(super) ends: Moment,
    /// The reference's answers, one per picture that there was time for.
    reference: Vec<Trial>,
    /// The last loading took so long; with less time left there is no use in beginning.
    loading: Duration,
}

impl Trials {
    pub(super) fn new(folder: PathBuf, provider: Provider, questions: Questions, clock: Clock, ends: Moment) -> Self {
        Self { folder, provider, questions, clock, ends, reference: Vec::new(), loading: Duration::ZERO }
    }

    /// Pictures that were asked about.
    pub(super) fn pictures(&self) -> usize {
        self.reference.len()
    }

    fn left(&self) -> Duration {
        self.ends.since(self.clock.now())
    }

    /// The end of one trial's share of what is left.
    fn share(&self, to_come: usize) -> Moment {
        self.clock.now().plus(self.left() / u32::try_from(to_come.max(1)).unwrap_or(u32::MAX))
    }

    fn open(&mut self, way: &Way) -> Result<Engine, Missing> {
        let left = self.left();
        if left.is_zero() || left < self.loading {
            return Err(Missing::Time);
        }
        let threads = counted(way.threads, "thread");
        say::talk(&format!("{:>6} left: {}, {threads}, {} pixels", clock_face(left), way.words(), way.edge));
        let settings = Settings {
            provider: self.provider,
            parts: Some(way.parts),
            threads: way.threads,
            edges: vec![way.edge],
            ..Settings::new(&self.folder)
        };
        let began = self.clock.now();
        let engine = Engine::open(&settings, self.clock).map_err(|error| Missing::Fails(one_line(&chain(&error))))?;
        self.loading = self.clock.now().since(began);
        Ok(engine)
    }

    /// What it says along the reference's answers.
    fn agreement(&self, engine: &mut Engine) -> Result<Agreement, Missing> {
        let mut answers = Vec::with_capacity(self.reference.len());
        for (picture, reference) in self.reference.iter().enumerate() {
            let question = self.questions.whole(picture, self.ends);
            answers.push(engine.trial(&question, Some(&ids(reference))).map_err(missing)?);
        }
        Ok(Agreement::of(&self.reference, &answers))
    }

    /// Times descriptions of the picture about which the reference says most, until they are steady or `until` is past.
    fn cost(&self, engine: &mut Engine, until: Moment) -> Result<Cost, Missing> {
        let longest = self.reference.iter().enumerate().max_by_key(|(at, trial)| (trial.words.len(), usize::MAX - at));
        let question = self.questions.description(longest.map_or(0, |(at, _)| at), self.ends);
        ask(engine, &question).map_err(missing)?;
        let began = self.clock.now();
        let mut rounds = Vec::new();
        while rounds.len() < MOST_ROUNDS {
            match ask(engine, &question) {
                Ok(round) => rounds.push(round),
                Err(AskError::Expired) if rounds.len() >= AT_LEAST_ROUNDS => break,
                Err(error) => return Err(missing(error)),
            }
            let now = self.clock.now();
            let enough = now.mono >= until.mono || (now.since(began) >= STEADY_AFTER && steady(&rounds));
            if rounds.len() >= AT_LEAST_ROUNDS && enough {
                break;
            }
        }
        Ok(sum_up(&rounds))
    }
}

impl Bench for Trials {
    fn reference(&mut self, way: &Way, to_come: usize) -> Result<Measured, Missing> {
        let mut engine = self.open(way)?;
        let until = self.clock.now().plus(self.left() / REFERENCE_SHARE);
        self.reference.clear();
        for picture in 0..self.questions.pictures() {
            if self.reference.len() >= AT_LEAST_PICTURES && self.clock.now().mono >= until.mono {
                break;
            }
            let question = self.questions.whole(picture, self.ends);
            self.reference.push(engine.trial(&question, None).map_err(missing)?);
        }
        let cost = self.cost(&mut engine, self.share(to_come))?;
        Ok(Measured { cost, agreement: None })
    }

    fn try_out(&mut self, way: &Way, below: f64, to_come: usize) -> Result<Measured, Missing> {
        let until = self.share(to_come);
        let mut engine = self.open(way)?;
        let cost = self.cost(&mut engine, until)?;
        let agreement = (cost.description() < below).then(|| self.agreement(&mut engine)).transpose()?;
        Ok(Measured { cost, agreement })
    }

    fn small_views(&mut self, small: &Way, large: &Way, _: usize) -> Result<Agreement, Missing> {
        let question = |trials: &Self, picture| trials.questions.middle(picture, small.edge, trials.ends);
        let mut engine = self.open(large)?;
        let mut wanted = Vec::new();
        for picture in 0..self.reference.len() {
            wanted.push(engine.trial(&question(self, picture), None).map_err(missing)?);
        }
        drop(engine);
        let mut engine = self.open(small)?;
        let mut have = Vec::new();
        for (picture, wanted) in wanted.iter().enumerate() {
            have.push(engine.trial(&question(self, picture), Some(&ids(wanted))).map_err(missing)?);
        }
        Ok(Agreement::of(&wanted, &have))
    }
}

fn ids(trial: &Trial) -> Vec<u32> {
    trial.words.iter().map(|word| word.id).collect()
}

fn ask(engine: &mut Engine, question: &Question) -> Result<Round, AskError> {
    Ok(Round { answer: engine.answer_alone(question)?, max_tokens: TOKENS })
}

fn missing(error: AskError) -> Missing {
    match error {
        AskError::Expired => Missing::Time,
        error => Missing::Fails(one_line(&chain(&error))),
    }
}

/// For a table.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// "2:48".
pub(super) fn clock_face(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    Spread::of(values).unwrap_or_default().median
}

/// Whether half of the rounds are about the same.
fn steady(rounds: &[Round]) -> bool {
    let took = || rounds.iter().map(|round| ms(round.answer.timing.total));
    let middle = median(took());
    median(took().map(|ms| (ms - middle).abs())) <= STEADY * middle
}

fn sum_up(rounds: &[Round]) -> Cost {
    let timing = || rounds.iter().map(|round| round.answer.timing);
    let per_token = rounds.iter().filter(|round| round.steps() > 0);
    let per_token = per_token.map(|round| ms(round.answer.timing.decode) / round.steps() as f64);
    Cost {
        encode: median(timing().map(|t| ms(t.preprocess + t.encode))),
        first_token: median(timing().map(|t| ms(t.first_token))),
        per_token: median(per_token),
        rounds: rounds.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::vlm::Precision;

    fn trials(limit: Duration) -> Trials {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
        let clock = Clock::system();
        let questions = Questions::new(&[], &folder).unwrap();
        Trials::new(folder, Provider::Cpu, questions, clock, clock.now().plus(limit))
    }

    #[test]
    fn a_way_is_timed_and_agrees_with_itself() {
        let mut trials = trials(Duration::from_secs(600));
        let way = Way { parts: [Precision::Int8; 3], threads: 1, edge: 288 };
        let reference = trials.reference(&way, 100).unwrap();
        assert_eq!((reference.agreement, trials.pictures()), (None, 7));
        let Cost { encode, first_token, per_token, rounds } = reference.cost;
        assert!(encode > 0.0 && first_token > encode && per_token > 0.0 && rounds >= 3, "{reference:?}");
        let again = trials.try_out(&way, f64::INFINITY, 100).unwrap();
        let agreement = again.agreement.unwrap();
        assert_eq!((agreement.wrong(), agreement.words.same, agreement.logits), (None, agreement.words.of, 0.0));
        assert!(agreement.words.of > 20 && agreement.answers.of > 20, "{agreement:?}");
        assert_eq!(trials.try_out(&way, 0.0, 100).unwrap().agreement, None);
        let small = Way { edge: 256, ..way };
        let Err(Missing::Fails(why)) = trials.try_out(&small, 0.0, 100) else { panic!("it takes one size only") };
        assert!(why.contains("it takes pictures of 288 pixels only, not of 256"), "{why}");
    }

    #[test]
    fn without_time_nothing_begins() {
        let way = Way { parts: [Precision::Int8; 3], threads: 1, edge: 288 };
        assert_eq!(trials(Duration::ZERO).reference(&way, 1), Err(Missing::Time));
    }

    #[test]
    fn times_for_people() {
        assert_eq!(clock_face(Duration::from_secs(168)), "2:48");
        assert_eq!(clock_face(Duration::from_millis(9_900)), "0:09");
        assert_eq!(one_line("a\n  because: b"), "a because: b");
    }
}
