//! Real peers for the integration tests.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test uses its part, a test has no outside, and it ends at what it did not expect"
)]

pub mod daemon;
pub mod mosquitto;
pub mod program;
pub mod published;
pub mod rtsp_server;
pub mod scene;
pub mod subscriber;
pub mod watched;
