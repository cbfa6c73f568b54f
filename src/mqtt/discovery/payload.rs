//! What a discovery message is made of. Keys stand in the order in which people read them, and none is abbreviated.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::super::message::Message;
use super::{NAME, template};

/// The whole message of one device.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Device {
    #[serde(skip)]
    pub topic: String,
    pub device: About,
    pub origin: Origin,
    /// Holds for every component that does not say otherwise.
    pub availability: Vec<Availability>,
    pub availability_mode: &'static str,
    #[serde(serialize_with = "in_order")]
    pub components: Vec<(String, Component)>,
}

impl Device {
    pub(super) fn message(&self) -> Message {
        Message::new(self.topic.clone(), self, true)
    }

    /// The same with these components taken away. They come first: Home Assistant (2026.2) drops the rest of a message at the first
    /// component that it is still busy with.
    pub(super) fn without(mut self, gone: Vec<(String, String)>) -> Self {
        let gone = gone.into_iter().map(|(key, platform)| (key, Component::Gone { platform }));
        self.components.splice(0..0, gone);
        self
    }
}

/// The device itself.
#[derive(Debug, Clone, Serialize)]
pub(super) struct About {
    pub identifiers: [String; 1],
    pub name: String,
    pub manufacturer: &'static str,
    pub model: &'static str,
    pub sw_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via_device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_url: Option<String>,
}

/// Who announces it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Origin {
    pub name: &'static str,
    pub sw_version: String,
}

impl Origin {
    pub(super) fn of(version: &str) -> Self {
        Self { name: NAME, sw_version: version.to_owned() }
    }
}

/// A status that must say `online`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Availability {
    pub topic: String,
    pub value_template: &'static str,
}

impl Availability {
    pub(super) fn of(topic: String) -> Self {
        Self { topic, value_template: template::AVAILABLE }
    }
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Component {
    Here(Box<Entity>),
    /// Nothing but its platform: Home Assistant removes it.
    Gone {
        platform: String,
    },
}

/// One entity. Home Assistant takes `qos` from here only, although its documentation calls it shared.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(default)]
pub(super) struct Entity {
    pub platform: &'static str,
    pub unique_id: String,
    pub default_entity_id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_of_measurement: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggested_display_precision: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_category: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub event_types: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_attributes_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_attributes_template: Option<String>,
    /// Instead of the device's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability: Option<Vec<Availability>>,
    pub qos: u8,
}

/// What distinguishes the entities of one device.
#[derive(Debug)]
pub(super) struct Maker {
    /// The device's, with `/`.
    pub identifier: String,
    /// The device's, as entity ids are written.
    pub slug: String,
}

impl Maker {
    /// An entity of `platform`; `key` distinguishes it from the others of its device, `name` is read by people.
    pub(super) fn entity(&self, platform: &'static str, key: &str, name: &str) -> Entity {
        Entity {
            platform,
            unique_id: format!("{}/{key}", self.identifier),
            // Only ever a proposal: Home Assistant adds a number to one that is taken, and people rename them.
            default_entity_id: format!("{platform}.{}_{}", self.slug, key.rsplit('/').next().unwrap_or(key))
                .replace('-', "_"),
            name: name.to_owned(),
            qos: 1,
            ..Entity::default()
        }
    }
}

fn in_order<S: Serializer>(components: &[(String, Component)], s: S) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(Some(components.len()))?;
    for (key, component) in components {
        map.serialize_entry(key, component)?;
    }
    map.end()
}
