//! Asks the model. ONNX Runtime (ort) lives here and nowhere else. What to ask, when, and what to make of the answer is decided
//! elsewhere.
//!
//! `thread` owns an `engine`, which `load` makes: a `set` read from disk, its `prompt`s, and the graphs of `encoder`, `embed` and
//! `decoder` running on a `provider` of the `runtime`. `check` asks back what a sentence names.

mod call;
mod caught;
mod check;
mod choice;
mod decoder;
mod embed;
mod encoder;
mod engine;
mod graph;
mod hashes;
mod known;
mod likeness;
mod load;
mod logits;
mod optimised;
mod placement;
mod precision;
mod prepared;
mod probe;
mod prompt;
mod provider;
mod published;
mod question;
mod runtime;
mod sequence;
mod set;
mod settings;
mod tensors;
mod thread;
mod trial;

pub use call::Stop;
pub use check::{Checking, Probes, ProbesError, Thing, ThingError};
pub use choice::{Choice, Device, graphs};
pub use engine::{Engine, Info};
pub use graph::GraphError;
pub use likeness::{Likeness, Nearest};
pub use load::LoadError;
pub use placement::Placement;
pub use precision::{GraphFile, Part, available};
pub use probe::Probe;
pub use prompt::PromptError;
pub use question::{Answer, AskError, Question, Recall, Timing};
pub use runtime::{RuntimeError, Tried};
pub use set::{ModelSet, Problem, SetError, TextGeometry};
pub use settings::*;
pub use thread::Model;
pub use trial::{Trial, Word};
