//! Panics of the tokenizers library become errors: over files that contradict themselves it panics where an error was due, and a
//! damaged set must not end the daemon.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the library makes of it; its error or its panic in words.
pub(super) fn caught<T>(run: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    // What it worked on is dropped with the set, or was only read.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
            Err(format!("the tokenizers library gave up: {}", words.unwrap_or("it does not say why")))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokenizers::Tokenizer;

    use super::*;

    /// Found by fuzzing: the part of a decoder that is no JSON.
    #[test]
    fn a_panic_of_the_library_is_an_error() {
        let error = caught(|| Tokenizer::from_bytes("{\"decoder\": {1")).unwrap_err();
        assert!(error.starts_with("the tokenizers library gave up: Helper"), "{error}");
        let error = caught::<()>(|| std::panic::resume_unwind(Box::new("oh".to_owned()))).unwrap_err();
        assert_eq!(error, "the tokenizers library gave up: oh");
        let error = caught::<()>(|| std::panic::resume_unwind(Box::new("oh"))).unwrap_err();
        assert_eq!(error, "the tokenizers library gave up: oh");
    }
}
