//! Which calibration belongs to which question.

use super::{Calibrated, Calibration};
use crate::ids::{CameraId, RuleId};

/// What a calibration was measured for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// One rule of one camera, as long as it asks the same.
    Rule { camera: CameraId, rule: RuleId, ask: String },
    /// A question, whoever asks it.
    Ask(String),
    /// Whatever else is asked.
    Default,
}

impl Target {
    #[must_use]
    pub fn rule(camera: CameraId, rule: RuleId, ask: &str) -> Self {
        Self::Rule { camera, rule, ask: ask.to_owned() }
    }

    #[must_use]
    pub fn ask(ask: &str) -> Self {
        Self::Ask(ask.to_owned())
    }

    /// Whether both say the same, however the question is spaced and whatever letters are large. A rule has one entry: what it
    /// asked before does not matter.
    fn is_place_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rule { camera, rule, .. }, Self::Rule { camera: other_camera, rule: other_rule, .. }) => {
                camera == other_camera && rule == other_rule
            }
            (Self::Ask(ask), Self::Ask(other)) => folded(ask) == folded(other),
            (Self::Default, Self::Default) => true,
            _ => false,
        }
    }
}

/// A calibration with what it was measured for, and on what.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Set and precision of the model, such as `tiny/int8`; where it runs does not matter.
    pub model: String,
    pub target: Target,
    pub calibration: Calibration,
    /// How many labelled pictures it was measured on: yes, no.
    pub labels: [u32; 2],
}

/// What a calibration file holds, or several files together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calibrations {
    /// No two for the same model and target.
    entries: Vec<Entry>,
}

impl Calibrations {
    /// Nothing was measured.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What was measured for the same before is forgotten, and returned.
    pub fn insert(&mut self, entry: Entry) -> Option<Entry> {
        let entry = Entry { model: set_and_precision(&entry.model).to_owned(), ..entry };
        let same = |known: &&mut Entry| known.model == entry.model && known.target.is_place_of(&entry.target);
        match self.entries.iter_mut().find(same) {
            Some(known) => Some(std::mem::replace(known, entry)),
            None => {
                self.entries.push(entry);
                None
            }
        }
    }

    /// Both together; where both know something about the same, `self` wins.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let mut both = below;
        for entry in self.entries {
            both.insert(entry);
        }
        both
    }

    /// What was measured with this model, which is named as in [`Entry::model`] or with its provider (`tiny/int8@cpu`). Of
    /// another model nothing is known.
    #[must_use]
    pub fn of_model(self, label: &str) -> Self {
        let model = set_and_precision(label);
        Self { entries: self.entries.into_iter().filter(|entry| entry.model == model).collect() }
    }

    /// The models that something is known of, each once.
    #[must_use]
    pub fn models(&self) -> Vec<&str> {
        let mut models: Vec<_> = self.entries.iter().map(|entry| entry.model.as_str()).collect();
        models.sort_unstable();
        models.dedup();
        models
    }

    /// What the model's probability of yes is worth for this question: by what was measured for the rule, else for the question,
    /// else for whatever is asked. It does not look at the model: [`Calibrations::of_model`] comes first.
    #[must_use]
    pub fn apply(&self, camera: Option<&CameraId>, rule: Option<&RuleId>, ask: &str, p: f32) -> Calibrated {
        match self.find(camera, rule, ask) {
            Some(entry) => Calibrated { p: entry.calibration.apply(p), calibrated: true },
            None => Calibrated { p, calibrated: false },
        }
    }

    /// The entry that [`Calibrations::apply`] goes by.
    #[must_use]
    pub fn find(&self, camera: Option<&CameraId>, rule: Option<&RuleId>, ask: &str) -> Option<&Entry> {
        let by = |wanted: &dyn Fn(&Target) -> bool| self.entries.iter().find(|entry| wanted(&entry.target));
        by(&|target| match target {
            Target::Rule { camera: its, rule: of, ask: asked } => {
                Some(its) == camera && Some(of) == rule && same_question(asked, ask)
            }
            _ => false,
        })
        .or_else(|| by(&|target| matches!(target, Target::Ask(asked) if same_question(asked, ask))))
        .or_else(|| by(&|target| *target == Target::Default))
    }
}

/// `tiny/int8@cpu` without the provider.
fn set_and_precision(label: &str) -> &str {
    label.split_once('@').map_or(label, |(model, _)| model)
}

fn same_question(a: &str, b: &str) -> bool {
    a == b || folded(a) == folded(b)
}

/// One space between words, small letters.
fn folded(text: &str) -> String {
    text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}
