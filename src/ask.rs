//! What a question from outside is, and what its answer is: the words that `mqtt`, `service` and `cli` share with whoever
//! answers. Nothing here asks a model.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::event::{TimingMs, YesNo};
use crate::ids::CameraId;
use crate::shapes;

/// Longest question, in characters: a tiny model follows no longer one, and each waits for the one before it.
pub const MAX_CHARACTERS: usize = 500;

/// Longest payload that is read as a question, in bytes.
pub const MAX_PAYLOAD: usize = 8 << 10;

/// Most tokens of an answer.
pub const MAX_TOKENS: usize = 128;

/// A question about what a camera sees now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub camera: CameraId,
    pub ask: Arc<str>,
    /// Of the answer; `None`: as many as descriptions have.
    pub max_tokens: Option<usize>,
}

impl Request {
    /// Whether it can be asked at all, whoever asks.
    ///
    /// # Errors
    /// [`Refusal::Empty`], [`Refusal::TooLong`], [`Refusal::Tokens`]
    pub fn check(&self) -> Result<(), Refusal> {
        if self.ask.trim().is_empty() {
            return Err(Refusal::Empty);
        }
        let characters = self.ask.chars().count();
        if characters > MAX_CHARACTERS {
            return Err(Refusal::TooLong(characters));
        }
        if self.max_tokens.is_some_and(|tokens| !(1..=MAX_TOKENS).contains(&tokens)) {
            return Err(Refusal::Tokens);
        }
        Ok(())
    }
}

/// The model's answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Reply {
    #[schemars(with = "shapes::Id")]
    pub camera: CameraId,
    #[schemars(with = "String")]
    pub ask: Arc<str>,
    pub text: String,
    /// Mean probability of the words, 0 to 1.
    #[schemars(with = "shapes::Share")]
    pub confidence: f32,
    /// Of a question that can be answered with yes or no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<YesNo>,
    /// Probability of yes, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<shapes::Share>")]
    pub p: Option<f32>,
    /// When the frame was taken that was looked at.
    #[serde(serialize_with = "crate::event::time")]
    #[schemars(with = "shapes::Time")]
    pub frame_at: Timestamp,
    pub model: String,
    pub timing_ms: TimingMs,
}

/// Why there is no answer, in words for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a question is text, or JSON such as {{\"ask\":\"Is there a dog?\"}}: {0}")]
    Unreadable(String),
    #[error("the question is empty")]
    Empty,
    #[error("the question has {0} characters; at most {MAX_CHARACTERS} are read")]
    TooLong(usize),
    #[error("`max_tokens` is from 1 to {MAX_TOKENS}")]
    Tokens,
    #[error("there is no camera `{0}`")]
    NoCamera(String),
    #[error("the camera is {state}: {reason}")]
    NotWatching { state: &'static str, reason: String },
    #[error("the camera has not delivered a frame yet")]
    NoFrame,
    #[error("too many questions are waiting; ask again in a moment")]
    Busy,
    #[error("the model was not free within {0} s; ask again")]
    Late(u64),
    #[error("this cannot be asked: {0}")]
    Unfit(String),
    #[error("the model could not answer: {0}")]
    Model(String),
    #[error("Eyewitness is stopping")]
    Stopping,
}

impl Refusal {
    /// One word for counters.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Unreadable(_) | Self::Empty | Self::TooLong(_) | Self::Tokens | Self::Unfit(_) => "refused",
            Self::NoCamera(_) => "no_camera",
            Self::NotWatching { .. } | Self::NoFrame => "not_watching",
            Self::Busy => "busy",
            Self::Late(_) => "expired",
            Self::Model(_) => "failed",
            Self::Stopping => "stopping",
        }
    }
}

/// The future answer.
pub type Answering = Pin<Box<dyn Future<Output = Result<Reply, Refusal>> + Send>>;

/// Where questions and orders from outside go. Its queues are bounded, so nothing here waits for long.
pub trait Desk: Send + Sync {
    /// Takes the question; the answer comes later. The future need not be polled for the refusal of a full queue: it is ready
    /// then. Dropping it withdraws the question.
    fn ask(&self, request: Request) -> Answering;

    /// Turns a camera on or off; how it is then is seen in its health.
    ///
    /// # Errors
    /// [`Refusal::NoCamera`], [`Refusal::Stopping`], [`Refusal::Busy`]
    fn enable(&self, camera: &CameraId, on: bool) -> Result<(), Refusal>;
}

/// Nobody sits there: everything is refused.
impl Desk for () {
    fn ask(&self, _request: Request) -> Answering {
        Box::pin(async { Err(Refusal::Stopping) })
    }

    fn enable(&self, _camera: &CameraId, _on: bool) -> Result<(), Refusal> {
        Err(Refusal::Stopping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(ask: &str, max_tokens: Option<usize>) -> Request {
        Request { camera: CameraId::new("door").unwrap(), ask: ask.into(), max_tokens }
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        assert_eq!(request("Is there a dog?", Some(MAX_TOKENS)).check(), Ok(()));
        assert_eq!(request(" \n", None).check(), Err(Refusal::Empty));
        assert_eq!(request(&"ä".repeat(MAX_CHARACTERS), None).check(), Ok(()));
        assert_eq!(request(&"ä".repeat(501), None).check(), Err(Refusal::TooLong(501)));
        for tokens in [0, MAX_TOKENS + 1, usize::MAX] {
            assert_eq!(request("What?", Some(tokens)).check(), Err(Refusal::Tokens), "{tokens}");
        }
        let words = Refusal::Unreadable("it is not UTF-8".into()).to_string();
        assert_eq!(words, "a question is text, or JSON such as {\"ask\":\"Is there a dog?\"}: it is not UTF-8");
    }
}
