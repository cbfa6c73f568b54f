//! The page about one or several runs.

use super::record::Run;

/// The page. `other`: the same clips with another config, in the same order, to be put beside.
#[must_use]
pub(super) fn page(runs: &[Run], other: Option<&[Run]>) -> String {
    let _ = (runs, other);
    String::new()
}
