//! How far a replay is: a bar on stderr at a terminal, a line per clip elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::table::clip_time;
use crate::cli::say;

pub(in crate::cli) struct Bar(Option<ProgressBar>);

impl Bar {
    pub(in crate::cli) fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(ProgressBar::new_spinner))
    }

    /// A clip begins.
    pub(in crate::cli) fn begin(&self, clip: &str, number: usize, of: usize) {
        let what = format!("clip {number} of {of}, {clip}");
        let Some(bar) = &self.0 else {
            say::talk(&format!("Playing {what}"));
            return;
        };
        bar.set_style(style("{spinner} {prefix}  {msg}  {elapsed}"));
        bar.set_prefix(what);
        bar.set_message(String::new());
        bar.enable_steady_tick(Duration::from_millis(120));
    }

    /// It lasts so long.
    pub(in crate::cli) fn lasts(&self, length: Duration) {
        if let Some(bar) = &self.0 {
            bar.set_length(millis(length.as_secs_f64()));
            bar.set_position(0);
            bar.set_style(style("{spinner} {prefix}  [{wide_bar}] {msg}  {eta} left"));
        }
    }

    /// It has come to this second.
    pub(in crate::cli) fn at(&self, second: f64) {
        if let Some(bar) = &self.0 {
            bar.set_position(millis(second));
            bar.set_message(clip_time(second));
        }
    }

    /// A line of data, with the bar out of its way.
    pub(super) fn data(&self, line: &str) -> std::io::Result<()> {
        match &self.0 {
            Some(bar) => bar.suspend(|| say::data(line)),
            None => say::data(line),
        }
    }

    pub(in crate::cli) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a constant template")
}

fn millis(seconds: f64) -> u64 {
    u64::try_from(Duration::try_from_secs_f64(seconds).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
