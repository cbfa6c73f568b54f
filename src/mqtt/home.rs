//! While the second broker serves: looks now and then whether the first one answers again.

use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, debug, info};

use crate::clock::Moment;

use super::client::CONNECT_TIMEOUT;
use super::probe::probe;
use super::reason::{self, Reason};
use super::settings::Settings;

/// The way back to the first broker.
#[derive(Debug)]
pub(super) struct Home {
    first: Settings,
    after: Duration,
    at: Moment,
    /// A look that goes on. A task of its own, so that it holds nothing up.
    look: Option<AbortOnDropHandle<Result<String, Reason>>>,
    leaves: bool,
}

impl Home {
    /// Looks after `after`, and again each time when it was in vain.
    pub(super) fn new(first: Settings, after: Duration, now: Moment) -> Self {
        Self { first, after, at: now.plus(after), look: None, leaves: false }
    }

    /// The first broker answers: this connection is to end once everything on its way is answered.
    pub(super) fn leaves(&self) -> bool {
        self.leaves
    }

    /// Begins a look when it is due, and takes the answer when it is there.
    pub(super) fn look_after(&mut self, now: Moment) {
        if let Some(answer) = self.look.as_mut().and_then(FutureExt::now_or_never) {
            self.look = None;
            match answer {
                Ok(Ok(_)) => {
                    info!(address = reason::address(&self.first), "the first broker answers again");
                    self.leaves = true;
                }
                Ok(Err(reason)) => debug!(%reason, "the first broker does not answer yet"),
                Err(error) => debug!(%error, "the look at the first broker failed"),
            }
        } else if self.look.is_none() && now >= self.at && !self.leaves {
            self.at = now.plus(self.after);
            let first = self.first.clone();
            // The client bounds its connecting; this bound is for whatever else.
            let look = async move { probe(&first, 2 * CONNECT_TIMEOUT).await };
            self.look = Some(AbortOnDropHandle::new(tokio::spawn(look.in_current_span())));
        }
    }
}
