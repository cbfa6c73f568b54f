//! Watches camera streams on an edge box and says in plain English what happened.
//!
//! The walk reads one way: `source` → `gate` → `analyst` → `outbox` → `mqtt`. `ARCHITECTURE.md` has the map.

pub mod analyst;
pub mod ask;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod event;
pub mod files;
pub mod frame;
pub mod gate;
pub mod health;
pub mod ids;
pub mod image;
pub mod journal;
pub mod measure;
pub mod mqtt;
pub mod onnx;
pub mod outbox;
pub mod pipeline;
pub mod rules;
pub mod service;
pub mod shapes;
pub mod source;
pub mod telemetry;
pub mod units;
pub mod vlm;
