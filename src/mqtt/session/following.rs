//! What brokers keep: said in full when a connection begins, and then whatever changes.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Filter;

use super::super::message::{self, NodeState};
use super::super::reason::Reason;
use super::super::retained::{Change, Changing};
use super::super::window::Purpose;
use super::Session;

/// So many connections in a row that end before the subscription is answered, and none is made any more: some brokers hang
/// up over one that their access rules forbid, and it is events that matter.
pub(super) const NO_EARS: u32 = 2;

/// Where the topics of commands stand among those that are subscribed to.
pub(super) const COMMANDS: std::ops::Range<usize> = 1..3;

/// From an announcement to the counters: Home Assistant subscribes to what it has learnt of.
const STATS_AFTER: Duration = Duration::from_secs(2);

impl Session<'_> {
    /// The retained state, which the broker may have lost or the will have overwritten.
    pub(super) fn begin(&mut self) -> Result<(), Reason> {
        // The birth comes first: whatever is heard of our status after it was said after it.
        self.say_birth();
        self.send_backlog()?;
        if self.past.memory.unheard < NO_EARS {
            self.subscribe()?;
        }
        let say = self.retained.everything(|camera| self.inputs.outbox.latest(camera), self.past.memory);
        self.say(say);
        self.follow_pictures();
        self.follow_rules();
        self.wait_for_change();
        Ok(())
    }

    /// To our own status, to commands, to what is retained about cameras, and to what concerns Home Assistant.
    fn subscribe(&self) -> Result<(), Reason> {
        let own = Filter::new(self.topics.status(), QoS::AtLeastOnce);
        let commands = self.topics.commands().map(|topic| Filter::new(topic, QoS::AtLeastOnce));
        let cameras = self.topics.retained_of_cameras().map(|topic| {
            let mut filter = Filter::new(topic, QoS::AtMostOnce);
            filter.nolocal = true;
            filter
        });
        let all = std::iter::once(own).chain(commands).chain(cameras).chain(self.announcer.filters());
        self.client.subscribe(all)
    }

    pub(super) fn say_birth(&mut self) {
        let status = message::node_status(&self.topics, NodeState::Online, &self.speaker);
        self.say([(status, Purpose::State)]);
    }

    pub(super) fn changed(&mut self, change: Change) {
        match change {
            Change::Health(index, lives) => {
                let say = self.retained.health(index, lives);
                self.say(say);
            }
            Change::List => {
                let list = self.list.borrow_and_update().clone();
                let latest = |camera: &_| self.inputs.outbox.latest(camera);
                let say = self.retained.relist(&list, latest, self.past.memory);
                self.say(say);
                self.follow_pictures();
                self.follow_rules();
            }
            Change::Rules => self.follow_rules(),
            Change::Snapshots => self.follow_pictures(),
        }
        self.wait_for_change();
    }

    /// All that Home Assistant is to know.
    pub(super) fn announce(&mut self) {
        let (list, rules) = (self.list.borrow().clone(), self.rules.borrow().clone());
        let messages = self.announcer.announce(&list, &rules, &mut self.past.memory.announced);
        // Counters are not retained: whoever has just learnt of them shall not wait for a minute.
        if !messages.is_empty() {
            self.stats_at = self.stats_at.min(self.inputs.clock.now().plus(STATS_AFTER));
        }
        self.say(messages.into_iter().map(|message| (message, Purpose::State)));
    }

    fn follow_rules(&mut self) {
        let states = self.rules.borrow_and_update().clone();
        let say = self.retained.rules(&states, self.past.memory);
        self.say(say);
        let list = self.list.borrow().clone();
        self.announcer.changed(&list, &states, self.inputs.clock.now());
    }

    fn follow_pictures(&mut self) {
        let newest = self.snapshots.borrow_and_update().clone();
        self.pictures.changed(&newest, |camera| self.retained.has(camera));
        let say = self.retained.without_pictures(self.past.memory);
        self.say(say);
    }

    fn wait_for_change(&mut self) {
        let changing = Changing { list: &self.list, rules: &self.rules, snapshots: &self.snapshots };
        self.changes = self.retained.wait(&changing);
    }
}
