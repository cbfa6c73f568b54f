//! Real peers for integration tests.

pub(crate) mod rtsp_server;
