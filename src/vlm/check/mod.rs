//! What a sentence names is asked back: a small captioner likes to put a man into an empty street, and answers right when it is
//! asked whether there is one.
//!
//! `thing` says what is asked about which words, `probes` reads a set's table of them, `words` finds them in a sentence,
//! `ruled_out` keeps them out of the next one, `verdict` chooses between sentences; all of that is pure. `examine` asks.

mod examine;
mod probes;
mod ruled_out;
mod thing;
mod verdict;
mod words;

pub(super) use examine::Asker;
pub use probes::{Probes, ProbesError};
pub(super) use ruled_out::RuledOut;
pub use thing::{Checking, Thing, ThingError};
