//! A way to run a set, and what it costs.

use serde::Serialize;

use crate::vlm::Precision;

/// Tokens of a typical description after the first. It is also how far answers are held against each other.
pub(super) const TOKENS: usize = 16;

/// Everything that is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Way {
    /// Of vision, embed, decoder.
    pub(super) parts: [Precision; 3],
    pub(super) threads: usize,
    /// Edge of a whole picture in pixels.
    pub(super) edge: u32,
}

impl Way {
    /// "int8", or "fp32 vision, int8 embed, q4 decoder".
    pub(super) fn words(&self) -> String {
        let [vision, embed, decoder] = self.parts.map(Precision::name);
        if vision == embed && embed == decoder {
            return vision.to_owned();
        }
        format!("{vision} vision, {embed} embed, {decoder} decoder")
    }
}

pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Medians in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Cost {
    /// Picture to image features.
    pub(super) encode: f64,
    /// From the picture to the first token.
    pub(super) first_token: f64,
    pub(super) per_token: f64,
    /// So many descriptions were timed.
    pub(super) rounds: usize,
}

impl Cost {
    /// A typical description.
    pub(super) fn description(&self) -> f64 {
        self.first_token + TOKENS as f64 * self.per_token
    }
}

/// How much shorter `new` is than `old`, as a share of `old`; negative if it is longer.
pub(super) fn gain(old: &Cost, new: &Cost) -> f64 {
    1.0 - new.description() / old.description().max(f64::MIN_POSITIVE)
}
