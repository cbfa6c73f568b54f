//! What each fuzz target does with its bytes: one function per target. The fuzzer calls them (`fuzz_targets/`), and so does
//! `tests/corpora.rs` with the files of `corpus/`, on a stable compiler and with every `cargo test`.
//!
//! A function panics where something is wrong: the program itself must not, and what it says must hold.

mod broker;
mod command;
mod config;
mod event;
mod files;
mod gate;
mod input;
mod journal;
mod model;
mod onnx;
mod picture;
mod pixels;
mod weights;

/// A target's name, which is its binary's and its corpus's too, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 11] = [
    ("broker", broker::run),
    ("command", command::run),
    ("config", config::run),
    ("event", event::run),
    ("gate", gate::run),
    ("journal", journal::run),
    ("model", model::run),
    ("onnx", onnx::run),
    ("picture", picture::run),
    ("pixels", pixels::run),
    ("weights", weights::run),
];

/// Runs the target of this name.
///
/// # Panics
/// If there is none, or if it finds something.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.expect("a target of this name").1(data);
}
