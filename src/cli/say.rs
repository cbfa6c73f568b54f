//! The two streams: stdout is data, stderr is talk.

use std::io::{self, Write};

/// A line for people.
pub(super) fn talk(text: &str) {
    // Nobody listens any more: then there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A line of data.
///
/// # Errors
/// If stdout is closed: whoever reads has had enough, and the command may end.
pub(super) fn data(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
