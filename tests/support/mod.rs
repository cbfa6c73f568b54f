//! Real peers for integration tests.

#![expect(clippy::unwrap_used, reason = "tests; clippy.toml lets only test functions themselves")]

pub(crate) mod rtsp_server;
