//! What is counted about rules, and about descriptions that were asked back.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Metrics;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CameraRule {
    camera: String,
    rule: String,
    answer: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CameraResult {
    camera: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Camera {
    camera: String,
}

#[derive(Debug)]
pub(super) struct RuleNumbers {
    answers: Family<CameraRule, Counter>,
    skipped: Family<Camera, Counter>,
    checked: Family<CameraResult, Counter>,
    /// Camera and rule of every series, to remove them by.
    rules: Mutex<BTreeSet<(String, String)>>,
}

/// What there is to answer.
const ANSWERS: [&str; 3] = ["yes", "no", "unsure"];

impl RuleNumbers {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let numbers = Self {
            answers: Family::default(),
            skipped: Family::default(),
            checked: Family::default(),
            rules: Mutex::default(),
        };
        registry.register("rule_answers", "Answers of rules about single frames", numbers.answers.clone());
        registry.register(
            "rules_skipped",
            "Frames that scheduled rules were not asked about, since no budget was left until the next",
            numbers.skipped.clone(),
        );
        registry.register("descriptions_checked", "Descriptions by what asking back came to", numbers.checked.clone());
        numbers
    }
}

/// What asking back a description came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// All that it names is there.
    Agreed,
    /// Another sentence went out.
    Corrected,
    /// It goes on to contradict itself, and goes out with a low confidence.
    Doubtful,
}

impl Checked {
    const ALL: [Self; 3] = [Self::Agreed, Self::Corrected, Self::Doubtful];

    fn name(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::Corrected => "corrected",
            Self::Doubtful => "doubtful",
        }
    }
}

impl Metrics {
    /// A rule was answered: "yes", "no" or "unsure".
    pub fn rule_answer(&self, camera: &str, rule: &str, answer: &'static str) {
        let labels = CameraRule { camera: camera.to_owned(), rule: rule.to_owned(), answer };
        if let Some(counter) = self.rules.answers.get(&labels) {
            counter.inc();
            return;
        }
        let names = (camera.to_owned(), rule.to_owned());
        self.rules.rules.lock().unwrap_or_else(PoisonError::into_inner).insert(names);
        self.rules.answers.get_or_create(&labels).inc();
    }

    /// Scheduled rules were not asked about a frame.
    pub fn rules_skipped(&self, camera: &str) {
        self.rules.skipped.get_or_create(&Camera { camera: camera.to_owned() }).inc();
    }

    pub fn description_checked(&self, camera: &str, result: Checked) {
        self.rules.checked.get_or_create(&CameraResult { camera: camera.to_owned(), result: result.name() }).inc();
    }

    pub(super) fn forget_rules_of(&self, camera: &str) {
        let of = &self.rules;
        let mut rules = of.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.retain(|(whose, rule)| {
            if whose != camera {
                return true;
            }
            for answer in ANSWERS {
                of.answers.remove(&CameraRule { camera: camera.to_owned(), rule: rule.clone(), answer });
            }
            false
        });
        drop(rules);
        of.skipped.remove(&Camera { camera: camera.to_owned() });
        for result in Checked::ALL {
            of.checked.remove(&CameraResult { camera: camera.to_owned(), result: result.name() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_that_is_gone_leaves_nothing() {
        let metrics = Metrics::new();
        metrics.rule_answer("door", "parcel", "yes");
        metrics.rule_answer("door", "parcel", "unsure");
        metrics.rule_answer("yard", "cat", "no");
        metrics.rules_skipped("door");
        metrics.description_checked("door", Checked::Corrected);
        let text = metrics.text();
        for line in [
            r#"eyewitness_rule_answers_total{camera="door",rule="parcel",answer="yes"} 1"#,
            r#"eyewitness_rules_skipped_total{camera="door"} 1"#,
            r#"eyewitness_descriptions_checked_total{camera="door",result="corrected"} 1"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        metrics.forget_camera("door");
        let text = metrics.text();
        assert!(!text.contains("door") && text.contains(r#"camera="yard",rule="cat",answer="no""#), "{text}");
    }
}
