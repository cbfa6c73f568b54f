//! How far a measurement is: a bar on stderr at a terminal, a line per combination elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::say;
use crate::measure::Step;

pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    /// Something begins that goes through so many rounds.
    pub(super) fn begin(what: &str, rounds: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            say::talk(&format!("Measuring {what}"));
            return Self(None);
        }
        let bar = ProgressBar::new(rounds as u64);
        bar.set_style(
            ProgressStyle::with_template("{spinner} {prefix}  [{wide_bar}] {msg}").expect("a constant template"),
        );
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(Some(bar))
    }

    pub(super) fn at(&self, step: Step) {
        let Some(bar) = &self.0 else { return };
        match step {
            Step::Loading => bar.set_message("loading"),
            Step::WarmUp => bar.set_message("warming up"),
            Step::Timed(done) => {
                bar.set_message(format!("{done} of {}", bar.length().unwrap_or_default()));
                bar.set_position(done as u64);
            }
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
