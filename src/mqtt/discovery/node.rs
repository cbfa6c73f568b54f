//! The box as a device.

use super::payload::{About, Availability, Component, Device, Entity, Maker, Origin};
use super::{Facts, config_topic, identifier, template};

pub(super) fn device(facts: &Facts<'_>) -> Device {
    let Facts { node, topics, .. } = *facts;
    let maker = Maker { identifier: identifier(node, None), slug: format!("eyewitness_{node}") };
    let components = [("connection", connection(facts, &maker)), ("outbox", outbox(facts, &maker))];
    Device {
        topic: config_topic(facts.prefix, node, None),
        device: About {
            identifiers: [maker.identifier],
            name: format!("Eyewitness {node}"),
            manufacturer: super::NAME,
            model: "Node",
            sw_version: facts.version.to_owned(),
            via_device: None,
            configuration_url: facts.http.map(str::to_owned),
        },
        origin: Origin::of(facts.version),
        availability: vec![Availability::of(topics.status())],
        availability_mode: "all",
        components: components.map(|(key, entity)| (key.to_owned(), Component::Here(Box::new(entity)))).into(),
    }
}

/// Whether the daemon is there. It is told by the will, so it stays available when everything else is not.
fn connection(facts: &Facts<'_>, maker: &Maker) -> Entity {
    Entity {
        device_class: Some("connectivity"),
        entity_category: Some("diagnostic"),
        state_topic: Some(facts.topics.status()),
        value_template: Some(template::CONNECTED.to_owned()),
        json_attributes_topic: Some(facts.topics.status()),
        json_attributes_template: Some(template::whole_with_state("node_state")),
        availability: Some(Vec::new()),
        ..maker.entity("binary_sensor", "connection", "Connection")
    }
}

fn outbox(facts: &Facts<'_>, maker: &Maker) -> Entity {
    Entity {
        icon: Some("mdi:tray-full"),
        state_class: Some("measurement"),
        unit_of_measurement: Some("events"),
        entity_category: Some("diagnostic"),
        state_topic: Some(facts.topics.stats()),
        value_template: Some(template::WAITING.to_owned()),
        ..maker.entity("sensor", "events_waiting", "Events waiting")
    }
}
