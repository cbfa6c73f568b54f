//! What is looked after once a second.

use rumqttc::v5::mqttbytes::QoS;
use tracing::{debug, warn};

use super::super::client;
use super::super::message;
use super::super::reason::{self, Reason};
use super::{STATS_EVERY, Session};

/// Nothing acknowledged for so many keep-alives, with something on its way: the connection is given up, however well
/// the broker answers pings.
const STALL_KEEP_ALIVES: u32 = 2;

impl Session<'_> {
    /// Gives up a stalled connection, repeats what was overwritten, publishes the counters when they are due.
    pub(super) fn look_after(&mut self) -> Result<(), Reason> {
        let now = self.inputs.clock.now();
        let patience = client::keep_alive(self.settings) * STALL_KEEP_ALIVES;
        if self.window.stalled(now, patience) {
            return Err(Reason::Stalled { address: reason::address(self.settings), seconds: patience.as_secs() });
        }
        self.begin_trial(now)?;
        if self.birth.contradict(now) {
            debug!("the node's status said that it is gone: it is said again that it is not");
            if self.birth.fights() {
                let node = &self.settings.node;
                warn!("something else says again and again that `{node}` is gone: is `node` the same on two machines?");
            }
            self.say_birth();
        }
        if self.backlog.is_empty() && self.window.states_are_answered() {
            self.retained.settled(self.past.memory);
        }
        if let Some(home) = &mut self.home {
            home.look_after(now);
        }
        // While requests do not even reach the network, more of them would only fill the channel.
        if now >= self.stats_at && self.window.all_sent() {
            self.stats_at = now.plus(STATS_EVERY);
            self.client.publish(message::stats(&self.topics, &(self.inputs.stats)()), QoS::AtMostOnce)?;
        }
        Ok(())
    }
}
