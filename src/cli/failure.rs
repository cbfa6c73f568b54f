//! Why a command ended early, said once, with its causes.

use std::error::Error;
use std::fmt;

use super::exit::Exit;

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    text: String,
}

impl Failure {
    /// The command line is wrong.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, text: format!("eyewitness: {}", text.into()) }
    }

    /// The config or the model set is wrong.
    pub(super) fn config(error: &dyn Error) -> Self {
        Self { exit: Exit::Config, text: format!("eyewitness: {}", chain(error)) }
    }

    /// A report that was laid out for people already.
    pub(super) fn report(exit: Exit, text: String) -> Self {
        Self { exit, text }
    }

    /// It failed while running.
    pub(super) fn running(what: &str, error: &dyn Error) -> Self {
        Self { exit: Exit::Failed, text: format!("eyewitness: {what}: {}", chain(error)) }
    }

    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, text: format!("eyewitness: {}", text.into()) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Failure {}

/// The error and its causes, one line each.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str("\n  because: ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the broker said no")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn causes_stand_below() {
        let failure = Failure::running("delivery", &Outer("x".parse::<u8>().unwrap_err()));
        assert_eq!(
            failure.to_string(),
            "eyewitness: delivery: the broker said no\n  because: invalid digit found in string"
        );
    }
}
