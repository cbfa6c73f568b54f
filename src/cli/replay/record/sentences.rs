//! What asking back about the model's sentences came to, in numbers.

use crate::vlm::Answer;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::cli::replay) struct Sentences {
    /// They name something that was asked back.
    pub(in crate::cli::replay) checked: u64,
    /// Another sentence went out than the first.
    pub(in crate::cli::replay) corrected: u64,
    /// What went out is still spoken against.
    pub(in crate::cli::replay) doubtful: u64,
}

impl Sentences {
    pub(in crate::cli::replay) fn hear(&mut self, answer: &Answer) {
        self.checked += u64::from(!answer.checked.is_empty() || answer.before.is_some());
        self.corrected += u64::from(answer.before.is_some());
        self.doubtful += u64::from(!answer.agrees);
    }

    pub(in crate::cli::replay) fn add(&mut self, other: Self) {
        self.checked += other.checked;
        self.corrected += other.corrected;
        self.doubtful += other.doubtful;
    }
}
