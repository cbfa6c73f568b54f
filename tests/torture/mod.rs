//! What torture and soak share: a subscriber that judges, a recorder between sender and broker, and the program.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "each test uses its part, a test has no outside, and it ends at what it did not expect"
)]

pub mod daemon;
pub mod ledger;
pub mod listener;
pub mod proxy;
pub mod stream;
