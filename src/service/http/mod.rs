//! The status page: whether the daemon lives (`/healthz`), whether it does its work and what keeps it from it
//! (`/readyz`), and its numbers (`/metrics`). It shows neither secrets nor pictures, changes nothing, and takes nothing
//! but a request's head; only a question about what a camera sees (`POST /ask`) has a body, and only where the config lets it.
//!
//! `connections` is the shell around the sockets, `routes` what is answered, `questions` what is asked, `hosts` to whom;
//! `readiness` decides what
//! counts as ready, `limits` has every bound with its reason. What is shown comes through [`View`].

pub mod client;
mod connections;
mod hosts;
mod limits;
mod questions;
mod readiness;
mod routes;

pub use self::connections::{serve, serve_on, serve_with};
pub use self::limits::Limits;
pub use self::readiness::{Condition, Part, Parts, Readiness, State};

use std::sync::Arc;

use crate::ask::Desk;

/// What the page shows.
pub trait View: Send + Sync + 'static {
    /// The parts that have stopped to move; none: the daemon lives. It must answer at once, whatever else hangs, so no
    /// lock that a part holds while it works.
    fn stuck(&self) -> Vec<String>;

    /// Every part with its state. It may wait for a lock; it is asked on a thread that may.
    fn readiness(&self) -> Readiness;

    /// All numbers in the form of [`Metrics::text`](crate::telemetry::Metrics::text), read anew; it may wait as
    /// [`readiness`](Self::readiness) may.
    fn metrics(&self) -> String;

    /// A connection was one too many and was turned away: to be counted.
    fn turned_away(&self);

    /// Where questions go; `None`: whoever comes here may not ask any.
    fn desk(&self) -> Option<Arc<dyn Desk>> {
        None
    }
}
