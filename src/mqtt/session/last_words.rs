//! The end of a connection that we end: everything is delivered that can be, and then it is said that we go. All of it within
//! bounds, since somebody waits for the process to stop.

use std::time::Duration;

use tokio::time;
use tracing::debug;

use super::super::diagnosis::Stage;
use super::super::message::Message;
use super::super::reason::Reason;
use super::super::window::Purpose;
use super::Session;

/// For the outbox to empty itself when told to stop, and then for the last words.
const FLUSH: Duration = Duration::from_secs(2);
const FAREWELL: Duration = Duration::from_millis(500);

impl Session<'_> {
    /// Empties the outbox, within a bound. What is not acknowledged stays in it.
    pub(super) async fn flush(&mut self) {
        let flush = async {
            let mut events = Vec::new();
            while self.inputs.outbox.stats().rows > 0 {
                self.fill()?;
                let offering = self.is_free() && self.may_offer();
                tokio::select! {
                    happened = self.client.events(self.settings, &mut events) => {
                        happened?;
                        for event in events.drain(..) {
                            self.happened(event);
                        }
                    }
                    offer = self.inputs.outbox.next(), if offering => self.offer(offer)?,
                }
            }
            Ok::<(), Reason>(())
        };
        match time::timeout(FLUSH, flush).await {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => debug!(%reason, "the connection broke while the outbox was flushed"),
            Err(_) => debug!("the outbox could not be flushed in time"),
        }
    }

    /// Says these last words and good-bye, within a bound. If they were not said, the will says `offline`.
    pub(super) async fn leave(mut self, last: Message) {
        let farewell = async {
            self.backlog.clear();
            self.backlog.push_back((last, Purpose::State));
            loop {
                self.send_backlog()?;
                while self.is_free() && self.send_answer()? {}
                if self.backlog.is_empty() && !self.questions.has_answers() && self.window.is_empty() {
                    break;
                }
                let event = self.client.event(self.settings, Stage::Connected).await?;
                self.happened(event);
                // What is heard now changes nothing any more.
            }
            self.client.disconnect(self.settings).await;
            Ok::<(), Reason>(())
        };
        if !matches!(time::timeout(FAREWELL, farewell).await, Ok(Ok(()))) {
            debug!("the last words could not be said in time");
        }
    }
}
