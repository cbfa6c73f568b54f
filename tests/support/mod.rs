//! Real peers for the integration tests.

#![allow(dead_code, reason = "each test uses its part")]

pub mod mosquitto;
pub mod subscriber;
