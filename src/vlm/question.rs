//! What is asked, what is answered, and why there is no answer.

use std::sync::Arc;
use std::time::Duration;

use super::likeness::{Likeness, Nearest};
use super::prompt::PromptError;
use crate::clock::Moment;
use crate::event::TimingMs;
use crate::frame::Picture;
use crate::units::{Polygon, Region};

/// Everything to be said about one picture. The picture is looked at once, however much is asked.
#[derive(Debug, Clone)]
pub struct Question {
    pub picture: Picture,
    /// The part to look at, stretched to the model's size.
    pub view: Region,
    /// Painted grey before the model sees anything; fractions of the whole picture.
    pub masks: Arc<[Polygon]>,
    /// For the description.
    pub prompt: Arc<str>,
    /// Yes/no questions.
    pub asks: Vec<Arc<str>>,
    /// Of the description.
    pub max_tokens: usize,
    /// By the clock that the model was started with.
    pub deadline: Moment,
    /// `false`: only the yes/no questions.
    pub describe: bool,
    /// What was described before: if this picture looks like one of them, it is not described; its yes/no questions are answered
    /// all the same.
    pub recall: Option<Recall>,
    /// Ask back what the description names, if the model set has probes and says that it helps.
    pub check: bool,
}

/// Pictures whose answers are still known.
#[derive(Debug, Clone)]
pub struct Recall {
    pub known: Vec<Likeness>,
    /// How alike one must be, as a cosine, to stand in for an answer.
    pub least: f32,
}

/// The model's answer to a [`Question`].
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The description; empty if none was wanted.
    pub text: String,
    /// Its tokens, without the one that ended it.
    pub token_ids: Vec<u32>,
    /// Arithmetic mean of the probabilities of these tokens, 0 to 1; 0 if there are none.
    pub confidence: f32,
    /// Number of these tokens.
    pub tokens: usize,
    /// Probability of yes, one per [`Question::asks`].
    pub p_yes: Vec<f32>,
    /// How the picture looks to the model, if [`Question::recall`] was there to ask for it.
    pub likeness: Option<Likeness>,
    /// The one of the known pictures that it looks most like.
    pub nearest: Option<Nearest>,
    /// It looks so much like that one that nothing was said; the yes/no questions are answered.
    pub recalled: bool,
    /// What was asked back about the text, by the probe's name, and its probability, calibrated if the set has a calibration. In
    /// the order of the probes. Empty if nothing was.
    pub checked: Vec<(Arc<str>, f32)>,
    /// The first sentence, if another one goes out instead.
    pub before: Option<String>,
    /// How often it was decoded again because of what was checked.
    pub corrections: u32,
    /// Nothing that was checked speaks against the text. True if nothing was.
    pub agrees: bool,
    pub timing: Timing,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            text: String::new(),
            token_ids: Vec::new(),
            confidence: 0.0,
            tokens: 0,
            p_yes: Vec::new(),
            likeness: None,
            nearest: None,
            recalled: false,
            checked: Vec::new(),
            before: None,
            corrections: 0,
            agrees: true,
            timing: Timing::default(),
        }
    }
}

/// Where the time of one answer went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// Until the model was free.
    pub wait: Duration,
    /// Picture to tensor.
    pub preprocess: Duration,
    /// Tensor to image features.
    pub encode: Duration,
    /// Tokens to embeddings: new prompts, and each token that was said. It is part of `prefill` and `decode`.
    pub embed: Duration,
    /// Prompt and features through the decoder, all questions together.
    pub prefill: Duration,
    /// From when the model was free to the description's first token.
    pub first_token: Duration,
    /// All further tokens.
    pub decode: Duration,
    /// What the description names asked back, and decoding it again because of that.
    pub check: Duration,
    /// Tokens to words.
    pub detokenise: Duration,
    /// From asked to answered.
    pub total: Duration,
    /// The part of it that was spent neither waiting nor inside ONNX Runtime.
    pub host: Duration,
}

impl Timing {
    /// As messages say it; `waited`: before it was asked.
    #[must_use]
    pub fn in_ms(&self, waited: Duration) -> TimingMs {
        let ms = |took: Duration| took.as_secs_f32() * 1000.0;
        TimingMs {
            wait: ms(waited + self.wait),
            preprocess: ms(self.preprocess),
            encode: ms(self.encode),
            prefill: ms(self.prefill),
            decode: ms(self.decode),
            total: ms(waited + self.total),
        }
    }
}

/// Why there is no answer. None of them ends the model: the next question goes on.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("the model had no answer before the deadline: ask less often, allow more time or take a smaller model")]
    Expired,
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error(
        "the model's numbers are not finite after {tokens} tokens: the graph is damaged, or its precision does not suit the \
         provider; try another `precision`"
    )]
    NotFinite { tokens: usize },
    #[error("this model set cannot answer yes/no questions: its tokenizer does not tell \" Yes\" from \" No\"")]
    NoYesNo,
    #[error("the {part} failed in ONNX Runtime")]
    Run { part: &'static str, source: ort::Error },
    #[error("the {part} returned {have} numbers where {want} were expected: do the set's files belong together?")]
    Shape { part: &'static str, have: usize, want: usize },
    #[error("the model's code failed on this question (a bug, please report it): {what}")]
    Panicked { what: String },
    #[error("the model has stopped: start the program again")]
    Stopped,
}
