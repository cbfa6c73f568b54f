//! Delivers events. MQTT (rumqttc) lives here and nowhere else.
//!
//! `run` connects for ever; `session` is the life of one connection; `window` knows what is on its way, `message` what
//! is said, `topics` where, `reason` why it does not work, `diagnosis` how that is found out. What waits for the broker lies in the outbox, never here.

mod client;
mod diagnosis;
mod message;
mod probe;
mod reason;
mod run;
mod session;
mod settings;
mod tls;
pub mod topics;
mod watch;
mod window;

pub use probe::probe;
pub use reason::Reason;
pub use run::{Cameras, Connection, ConnectionState, Inputs, run};
pub use settings::*;
pub use watch::watch;
