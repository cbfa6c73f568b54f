//! A camera as a device.

use super::payload::{About, Availability, Component, Device, Entity, Maker, Origin};
use super::{CameraFacts, Facts, config_topic, identifier, spoken, template};

/// Every kind of event, as the event entity announces them.
const TYPES: &[&str] = &["start", "update", "end"];

pub(super) fn device(facts: &Facts<'_>, camera: &CameraFacts<'_>) -> Device {
    let (topics, id) = (facts.topics, camera.id);
    let maker = Maker { identifier: identifier(facts.node, Some(id)), slug: id.to_string() };
    let mut components = vec![
        ("event".to_owned(), event(facts, camera, &maker)),
        ("description".to_owned(), description(facts, camera, &maker)),
    ];
    components.extend(rules(facts, camera, &maker));
    if facts.snapshots {
        components.push(("snapshot".to_owned(), snapshot(facts, camera, &maker)));
    }
    components.push(("enabled".to_owned(), enabled(facts, camera, &maker)));
    // What stays available while the camera is away: it tells why, and what there was before.
    let diagnostics = [
        ("status", status(facts, camera, &maker)),
        ("last_described", last_described(facts, camera, &maker)),
        ("model_time", model_time(facts, camera, &maker)),
        ("frames_skipped", frames_skipped(facts, camera, &maker)),
    ];
    components.extend(diagnostics.map(|(key, entity)| {
        let entity = Entity { entity_category: Some("diagnostic"), ..while_node_is_there(facts, entity) };
        (key.to_owned(), entity)
    }));
    Device {
        topic: config_topic(facts.prefix, facts.node, Some(id)),
        device: About {
            identifiers: [maker.identifier],
            name: spoken(id.as_str()),
            manufacturer: super::NAME,
            model: "Camera",
            sw_version: facts.version.to_owned(),
            via_device: Some(identifier(facts.node, None)),
            configuration_url: facts.http.map(str::to_owned),
        },
        origin: Origin::of(facts.version),
        availability: vec![Availability::of(topics.status()), Availability::of(topics.camera_status(id))],
        availability_mode: "all",
        components: components.into_iter().map(|(key, entity)| (key, Component::Here(Box::new(entity)))).collect(),
    }
}

fn event(facts: &Facts<'_>, camera: &CameraFacts<'_>, maker: &Maker) -> Entity {
    Entity {
        icon: Some("mdi:eye"),
        event_types: TYPES,
        state_topic: Some(facts.topics.event(camera.id)),
        value_template: Some(template::EVENT.to_owned()),
        ..maker.entity("event", "event", "Event")
    }
}

fn description(facts: &Facts<'_>, camera: &CameraFacts<'_>, maker: &Maker) -> Entity {
    Entity {
        icon: Some("mdi:text-box-outline"),
        state_topic: Some(facts.topics.description(camera.id)),
        value_template: Some(template::TEXT.to_owned()),
        json_attributes_topic: Some(facts.topics.description(camera.id)),
        json_attributes_template: Some(template::WHOLE.to_owned()),
        ..maker.entity("sensor", "description", "Description")
    }
}

/// A rule that is unsure is `unknown`: no trigger `to: "on"` and no condition on either state holds then. `unavailable` would say that
/// the camera is away, and a state that merely stays would claim what nobody knows any more.
fn rules<'a>(
    facts: &'a Facts<'_>,
    camera: &'a CameraFacts<'_>,
    maker: &'a Maker,
) -> impl Iterator<Item = (String, Entity)> + 'a {
    camera.rules.iter().map(|(rule, ask)| {
        let topic = facts.topics.rule(camera.id, rule);
        let entity = Entity {
            icon: Some("mdi:comment-question-outline"),
            state_topic: Some(topic.clone()),
            value_template: Some(template::RULE.to_owned()),
            json_attributes_topic: Some(topic),
            json_attributes_template: Some(template::whole_with_question("rule_state", ask)),
            ..maker.entity("binary_sensor", &format!("rule/{rule}"), &spoken(rule.as_str()))
        };
        (format!("rule_{rule}"), entity)
    })
}

fn snapshot(facts: &Facts<'_>, camera: &CameraFacts<'_>, maker: &Maker) -> Entity {
    Entity {
        icon: Some("mdi:image-outline"),
        image_topic: Some(facts.topics.snapshot(camera.id)),
        content_type: Some("image/jpeg"),
        ..maker.entity("image", "snapshot", "Snapshot")
    }
}

/// A camera that was switched off must be there to be switched on.
fn enabled(facts: &Facts<'_>, camera: &CameraFacts<'_>, maker: &Maker) -> Entity {
    let entity = Entity {
        icon: Some("mdi:cctv"),
        state_topic: Some(facts.topics.enabled_state(camera.id)),
        command_topic: Some(facts.topics.enabled_set(camera.id)),
        ..maker.entity("switch", "enabled", "Enabled")
    };
    while_node_is_there(facts, entity)
}

fn status(facts: &Facts<'_>, camera: &CameraFacts<'_>, maker: &Maker) -> Entity {
    Entity {
        icon: Some("mdi:information-outline"),
        state_topic: Some(facts.topics.camera_status(camera.id)),
        value_template: Some(template::STATUS.to_owned()),
        json_attributes_topic: Some(facts.topics.camera_status(camera.id)),
        json_attributes_template: Some(template::whole_with_state("camera_state")),
        ..maker.entity("sensor", "status", "Status")
    }
}

fn last_described(facts: &Facts<'_>, camera: &CameraFacts<'_>, maker: &Maker) -> Entity {
    Entity {
        device_class: Some("timestamp"),
        state_topic: Some(facts.topics.description(camera.id)),
        value_template: Some(template::AT.to_owned()),
        ..maker.entity("sensor", "last_described", "Last described")
    }
}

fn model_time(facts: &Facts<'_>, camera: &CameraFacts<'_>, maker: &Maker) -> Entity {
    Entity {
        icon: Some("mdi:timer-outline"),
        device_class: Some("duration"),
        state_class: Some("measurement"),
        unit_of_measurement: Some("ms"),
        suggested_display_precision: Some(0),
        state_topic: Some(facts.topics.event(camera.id)),
        value_template: Some(template::MODEL_TIME.to_owned()),
        ..maker.entity("sensor", "model_time", "Model time")
    }
}

fn frames_skipped(facts: &Facts<'_>, camera: &CameraFacts<'_>, maker: &Maker) -> Entity {
    Entity {
        icon: Some("mdi:filmstrip-off"),
        state_class: Some("total_increasing"),
        unit_of_measurement: Some("frames"),
        state_topic: Some(facts.topics.stats()),
        value_template: Some(template::skipped(camera.id.as_str())),
        ..maker.entity("sensor", "frames_skipped", "Frames skipped")
    }
}

fn while_node_is_there(facts: &Facts<'_>, entity: Entity) -> Entity {
    Entity { availability: Some(vec![Availability::of(facts.topics.status())]), ..entity }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Kind;

    #[test]
    fn every_kind_of_event_is_announced() {
        assert_eq!([Kind::Start, Kind::Update, Kind::End].map(Kind::name), TYPES);
    }
}
