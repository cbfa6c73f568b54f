use serde_json::Value;

use super::channels::{CHANNELS, PARAMETERS};
use super::*;
use crate::ids::{CameraId, NodeId, RuleId};
use crate::mqtt::topics::Topics;

#[test]
fn the_document_in_docs_is_what_the_program_prints() {
    let kept: Value = serde_json::from_str(include_str!("../../../docs/asyncapi.json")).unwrap();
    // What differs is read better in a diff than here.
    assert!(kept == asyncapi::document(), "write it again: `eyewitness schema mqtt > docs/asyncapi.json`");
}

/// The same as the program speaks on.
#[test]
fn the_addresses_are_our_topics() {
    let topics = Topics::new("{prefix}", &NodeId::new("a-node").unwrap());
    let (camera, rule) = (CameraId::new("a-camera").unwrap(), RuleId::new("a-rule").unwrap());
    let ours = [
        ("nodeStatus", topics.status()),
        ("stats", topics.stats()),
        ("cameraStatus", topics.camera_status(&camera)),
        ("event", topics.event(&camera)),
        ("description", topics.description(&camera)),
        ("ruleState", topics.rule(&camera, &rule)),
        ("snapshot", topics.snapshot(&camera)),
        ("enabledState", topics.enabled_state(&camera)),
        ("enabledSet", topics.enabled_set(&camera)),
        ("answer", topics.answer(camera.as_str())),
    ];
    for (name, topic) in ours {
        let address = CHANNELS.iter().find(|channel| channel.name == name).unwrap().address;
        let topic = topic.replace("a-node", "{node}").replace("a-camera", "{camera}").replace("a-rule", "{rule}");
        assert_eq!(address, topic, "{name}");
    }
}

#[test]
fn every_parameter_and_every_reference_is_there() {
    let document = asyncapi::document();
    for channel in &CHANNELS {
        for part in channel.address.split('{').skip(1) {
            let name = part.split('}').next().unwrap();
            assert!(PARAMETERS.iter().any(|(known, ..)| *known == name), "{name} in {}", channel.address);
            assert!(document["channels"][channel.name]["parameters"][name].is_object(), "{name} in {}", channel.name);
        }
    }
    let mut references = Vec::new();
    gather(&document, &mut references);
    assert!(references.len() > 40, "{references:?}");
    for reference in references {
        let place = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(place).is_some(), "{reference} leads nowhere");
    }
}

fn gather(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            references.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| gather(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| gather(value, references)),
        _ => {}
    }
}

#[test]
fn the_event_s_schema_takes_events_and_nothing_else() {
    let schema = serde_json::to_value(event()).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let event: Value = serde_json::from_str(EVENT).unwrap();
    assert!(
        validator.is_valid(&event),
        "{:?}",
        validator.iter_errors(&event).map(|e| e.to_string()).collect::<Vec<_>>()
    );
    for (field, wrong) in [
        ("schema", "\"eyewitness.event.v2\""),
        ("id", "\"42\""),
        ("seq", "-1"),
        ("type", "\"begin\""),
        ("camera", "\"Front Door\""),
        ("at", "\"2026-11-23 09:14\""),
        ("started_at", "null"),
        ("confidence", "71"),
        ("cause", "\"boredom\""),
        ("source", "null"),
        ("region", "[0.1,0.2,0.3]"),
        ("rules", "{\"parcel\":{\"answer\":\"maybe\",\"p\":0.5}}"),
        ("rules", "{\"parcel\":{\"p\":0.5}}"),
        ("checked", "{\"person\":\"no\"}"),
        ("timing_ms", "{\"wait\":1}"),
        ("replayed", "\"no\""),
    ] {
        let mut other = event.clone();
        other[field] = serde_json::from_str(wrong).unwrap();
        assert!(!validator.is_valid(&other), "{field}: {wrong}");
        other.as_object_mut().unwrap().remove(field);
        assert!(!validator.is_valid(&other), "without {field}");
    }
}

const EVENT: &str = r#"{"schema":"eyewitness.event.v1","id":"01JD0000000000000000000000","seq":42,"type":"start",
"node":"garage","camera":"front-door","started_at":"2026-11-23T09:14:03.120Z","at":"2026-11-23T09:14:03.900Z",
"ended_at":null,"description":"A man walks.","confidence":null,"cause":"motion","source":"model",
"model":"tiny/int8@cpu","region":[0.41,0.1,0.22,0.8],"rules":{"parcel":{"answer":"no","p":0.04}},
"checked":{"person":0.98},"timing_ms":{"wait":3.1,"preprocess":0.9,"encode":21.0,"prefill":9.8,"decode":40.2,"total":75.0},
"replayed":false}"#;
