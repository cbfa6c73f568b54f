//! Delivers events. MQTT (rumqttc) lives here and nowhere else.
//!
//! `run` connects for ever, `turn` says to which broker; `home` the way back to the first; `session` is the life of one connection;
//! `window` knows what is on its way, `retained` what brokers keep about cameras, `birth` what they keep about us, `pictures`
//! which pictures go out, `announcer` when Home Assistant is told and `discovery` in which words; `command` is what messages to
//! us mean, `questions` which of them are open; `limits` what brokers allow, `isolation` which event one hangs up over; `message`
//! is what is said, `topics` where, `reason` why it does not work, `diagnosis` how that is found out. `ask_client` asks other
//! boxes, which `boxes` finds. What waits for the broker lies in the outbox, never here.

mod announcer;
mod ask_client;
mod birth;
mod boxes;
mod client;
mod command;
mod diagnosis;
mod discovery;
mod home;
mod incoming;
mod isolation;
mod limits;
mod message;
mod pictures;
mod probe;
mod questions;
mod reason;
mod retained;
mod run;
mod session;
mod settings;
mod tls;
pub mod topics;
mod turn;
mod watch;
mod window;

pub use ask_client::{Asked, Unanswered, ask};
pub use boxes::NotFound;
#[doc(hidden)]
pub use command::asked;
#[doc(hidden)]
pub use incoming::incoming;
pub use probe::probe;
pub use reason::Reason;
pub use run::{Cameras, Connection, ConnectionState, Inputs, Snapshot, Snapshots, run};
pub use settings::*;
pub use watch::watch;
