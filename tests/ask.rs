//! Questions from outside and the switches of cameras, with the program, a real broker, the real model and cameras that move.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it did not expect")]

mod support;

#[path = "ask/daemon.rs"]
mod daemon;
#[path = "ask/figures.rs"]
mod figures;
#[path = "ask/switches.rs"]
mod switches;
