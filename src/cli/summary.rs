//! What a demo came to, in a few lines, and what to do next.

use std::fmt;
use std::time::Duration;

use crate::gate::Outcome;
pub(super) use crate::journal::meaning;
use crate::telemetry::Metrics;

#[derive(Debug)]
pub(super) struct Summary {
    lasted: Duration,
    events: u64,
    described: u64,
    model_time: Duration,
    /// Frames by outcome; only what there is.
    frames: Vec<(Outcome, u64)>,
}

impl Summary {
    pub(super) fn of(metrics: &Metrics, camera: &str, lasted: Duration) -> Self {
        let frames = Outcome::ALL.map(|outcome| (outcome, metrics.frames_of(camera, outcome.name())));
        Self {
            lasted,
            events: metrics.events_of(camera, "start"),
            described: metrics.descriptions_of(camera, "model"),
            model_time: metrics.model_time(),
            frames: frames.into_iter().filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// Not one frame came.
    pub(super) fn saw_nothing(&self) -> bool {
        self.frames.is_empty()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: u64 = self.frames.iter().map(|(_, count)| count).sum();
        let seconds = self.lasted.as_secs_f64();
        writeln!(f, "\nIn {seconds:.0} s: {}, {}.", count(self.events, "event"), count(self.described, "description"))?;
        writeln!(f, "{} reached the gate:", count(total, "frame"))?;
        for (outcome, frames) in &self.frames {
            writeln!(f, "  {frames:>5}  {:<13}  {}", outcome.name(), meaning(*outcome))?;
        }
        if self.described > 0 {
            let each = self.model_time.as_secs_f64() * 1000.0 / self.described as f64;
            let share = self.model_time.as_secs_f64() / seconds.max(0.001) * 100.0;
            writeln!(f, "A description took {each:.0} ms; the model worked {share:.1} % of the time.")?;
        }
        write!(
            f,
            "\nNext:\n  \
             describe a picture of yours:  eyewitness describe photo.jpg --ask \"Is there a dog?\"\n  \
             watch a camera of yours:      copy config/eyewitness.toml, put your camera and broker into it, then\n                                \
             eyewitness check --online -c eyewitness.toml && eyewitness run -c eyewitness.toml"
        )
    }
}

pub(super) fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_happened_and_why_not_more() {
        let metrics = Metrics::new();
        metrics.event("street", "start");
        metrics.description("street", "model");
        metrics.frames_by("street", "no_motion", 40);
        metrics.frame("street", "described");
        metrics.answer(10, Duration::from_millis(20), Duration::from_millis(44));
        let text = Summary::of(&metrics, "street", Duration::from_secs(10)).to_string();
        assert!(
            text.starts_with("\nIn 10 s: 1 event, 1 description.\n41 frames reached the gate:\n     40  no_motion"),
            "{text}"
        );
        assert!(text.contains("A description took 44 ms; the model worked 0.4 % of the time."), "{text}");
    }
}
