//! Real peers for the integration tests.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part, and a test has no outside")]

pub mod mosquitto;
pub mod subscriber;
