//! The payloads as people read them, and what is on a broker already.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::mqtt::discovery::stray::Verdict;

type Rules = Vec<(RuleId, Arc<str>)>;

struct House {
    node: NodeId,
    topics: Topics,
    cameras: Vec<(CameraId, Rules)>,
}

impl House {
    fn new(node: &str, cameras: &[(&str, &[(&str, &str)])]) -> Self {
        let node = NodeId::new(node).unwrap();
        let rules = |rules: &[(&str, &str)]| {
            rules.iter().map(|(id, ask)| (RuleId::new(id).unwrap(), Arc::from(*ask))).collect()
        };
        let cameras = cameras.iter().map(|(id, asked)| (CameraId::new(id).unwrap(), rules(asked))).collect();
        Self { topics: Topics::new("eyewitness", &node), node, cameras }
    }

    fn garage() -> Self {
        let door = [("parcel", "Is there a parcel on the ground?"), ("gate_open", r#"Is the "gate" {{ open }}?"#)];
        Self::new("garage", &[("front-door", &door), ("yard", &[])])
    }

    fn with<T>(&self, snapshots: bool, work: impl FnOnce(&Facts<'_>) -> T) -> T {
        let cameras: Vec<_> = self.cameras.iter().map(|(id, rules)| CameraFacts { id, rules }).collect();
        work(&Facts {
            node: &self.node,
            prefix: "homeassistant",
            topics: &self.topics,
            version: "1.2.3",
            cameras: &cameras,
            snapshots,
            http: None,
            shown: true,
        })
    }

    fn publish(&self) -> Vec<Message> {
        self.with(true, publish)
    }

    fn stray(&self, topic: &str, payload: &str) -> Verdict {
        self.with(true, |facts| stray(topic, payload.as_bytes(), facts))
    }
}

fn pretty(message: &Message) -> String {
    // Through a value the keys would be sorted.
    let mut out = String::new();
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for c in text(message).chars() {
        let line = |out: &mut String, depth: usize| out.push_str(&format!("\n{}", "  ".repeat(depth)));
        match c {
            _ if quoted => {
                out.push(c);
                (quoted, escaped) = (escaped || c != '"', !escaped && c == '\\');
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c => {
                quoted = c == '"';
                out.push(c);
            }
        }
    }
    format!("{}{}\n{out}", message.topic, if message.retain { " (retained)" } else { "" })
}

fn text(message: &Message) -> &str {
    std::str::from_utf8(&message.payload).unwrap()
}

fn value(message: &Message) -> Value {
    serde_json::from_str(text(message)).unwrap()
}

#[test]
fn a_camera_with_rules_and_pictures() {
    insta::assert_snapshot!(pretty(&House::garage().publish()[1]));
}

#[test]
fn a_box() {
    let house = House::garage();
    let message =
        house.with(false, |facts| publish(&Facts { http: Some("http://garage.lan:8089"), ..*facts }))[0].clone();
    insta::assert_snapshot!(pretty(&message));
}

#[test]
fn without_pictures_there_is_no_picture() {
    let said = House::garage().with(false, publish);
    assert_eq!(said.len(), 3);
    assert!(said.iter().all(|message| value(message)["components"]["snapshot"].is_null()));
    assert!(House::garage().with(false, |facts| publish(&Facts { shown: false, ..*facts })).is_empty());
}

#[test]
fn what_must_stay_available_while_a_camera_is_away_does() {
    let device = value(&House::garage().publish()[1]);
    assert_eq!(device["availability_mode"], "all");
    let topics = |of: &Value| -> Vec<String> {
        of.as_array().unwrap().iter().map(|one| one["topic"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(topics(&device["availability"]), ["eyewitness/garage/status", "eyewitness/garage/front-door/status"]);
    let alone: Vec<_> = device["components"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, entity)| !entity["availability"].is_null())
        .map(|(key, entity)| {
            assert_eq!(topics(&entity["availability"]), ["eyewitness/garage/status"], "{key}");
            key.as_str()
        })
        .collect();
    assert_eq!(alone, ["enabled", "frames_skipped", "last_described", "model_time", "status"]);
}

#[test]
fn names_read_well() {
    for (id, name) in
        [("front-door", "Front door"), ("gate_open", "Gate open"), ("cam2", "Cam2"), ("--", "--"), ("-a", "A")]
    {
        assert_eq!(spoken(id), name);
    }
}

const DOOR: &str = "homeassistant/device/eyewitness_garage_front-door/config";

#[test]
fn what_we_said_ourselves_is_no_stray() {
    let house = House::garage();
    for message in house.publish() {
        assert_eq!(house.stray(&message.topic, text(&message)), Verdict::Nothing);
        assert_eq!(house.stray(&message.topic, ""), Verdict::Nothing);
    }
}

#[test]
fn a_camera_that_is_no_more_is_taken_back() {
    let before = House::garage().publish();
    let now = House::new("garage", &[("front-door", &[])]);
    let yard = &before[2];
    let removed = crate::mqtt::message::nothing(yard.topic.clone());
    assert_eq!(now.stray(&yard.topic, text(yard)), Verdict::Remove(removed));
    // Home Assistant is not to see us any more.
    let all: Vec<_> = before
        .iter()
        .map(|message| {
            let facts =
                |facts: &Facts<'_>| stray(&message.topic, text(message).as_bytes(), &Facts { shown: false, ..*facts });
            House::garage().with(true, facts)
        })
        .collect();
    assert!(all.iter().all(|verdict| matches!(verdict, Verdict::Remove(_))), "{all:?}");
}

#[test]
fn a_rule_that_is_no_more_is_taken_away_with_its_platform_alone() {
    let before = House::garage().publish();
    let now = House::new("garage", &[("front-door", &[("parcel", "Is there a parcel on the ground?")]), ("yard", &[])]);
    let Verdict::Replace(message) = now.with(false, |facts| stray(DOOR, text(&before[1]).as_bytes(), facts)) else {
        panic!()
    };
    assert!(message.retain);
    let components = value(&message)["components"].clone();
    assert_eq!(components["rule_gate_open"], json!({"platform": "binary_sensor"}));
    assert_eq!(components["snapshot"], json!({"platform": "image"}));
    assert_eq!(components["rule_parcel"], value(&before[1])["components"]["rule_parcel"]);
    // First of all: what Home Assistant is busy with makes it drop what follows.
    assert!(text(&message).contains(r#""components":{"rule_gate_open":{"platform":"binary_sensor"},"snapshot""#));
    // What is gone needs no second removal.
    assert_eq!(now.with(false, |facts| stray(DOOR, text(&message).as_bytes(), facts)), Verdict::Nothing);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let house = House::garage();
    let elsewhere = "homeassistant/device/0x00124b/config";
    for payload in
        [r#"{"origin":{"name":"Other"},"device":{"identifiers":["x"]},"components":{}}"#, "no JSON", "[]", "{}"]
    {
        assert_eq!(house.stray(elsewhere, payload), Verdict::Nothing, "{payload}");
        // Below our name, but no camera of ours and never said by us.
        assert_eq!(
            house.stray("homeassistant/device/eyewitness_garage_pond/config", payload),
            Verdict::Nothing,
            "{payload}"
        );
    }
    let words = |payload: &str| match house.stray(DOOR, payload) {
        Verdict::Foreign { words } => words,
        other => panic!("{payload}: {other:?}"),
    };
    insta::assert_snapshot!(
        [
            r#"{"o":{"name":"Other"},"cmps":{}}"#,
            "no JSON",
            r#"{"origin":{"name":"Eyewitness"},"device":{"identifiers":["eyewitness/garage_front/door"]},"components":{}}"#,
        ]
        .map(words)
        .join("\n"),
        @r"
    Home Assistant will not see camera `front-door` through us: `Other` announces something there (topic `homeassistant/device/eyewitness_garage_front-door/config`), and it is left alone; give the node or the camera another name, choose another mqtt.home_assistant_prefix, or remove that message (an empty retained one)
    Home Assistant will not see camera `front-door` through us: something lies there that does not say whose it is (topic `homeassistant/device/eyewitness_garage_front-door/config`), and it is left alone; give the node or the camera another name, choose another mqtt.home_assistant_prefix, or remove that message (an empty retained one)
    Home Assistant will not see camera `front-door` through us: another Eyewitness announces `eyewitness/garage_front/door` there (topic `homeassistant/device/eyewitness_garage_front-door/config`), and it is left alone; give the node or the camera another name, choose another mqtt.home_assistant_prefix, or remove that message (an empty retained one)
    "
    );
    let long = format!(r#"{{"origin":{{"name":"Eyewitness"}},"x":"{}"}}"#, "x".repeat(1 << 20));
    assert!(words(&long).contains("does not say whose it is"));
    assert!(words("{\"origin\":{\"name\":\"a\\nb\"}}").contains("`ab` announces"));
}

/// Nodes and cameras of two boxes, whose topics may be the same.
#[test]
fn two_boxes_whose_names_run_together_do_not_touch_each_other() {
    let (one, other) = (House::new("a", &[("b_c", &[])]), House::new("a_b", &[("c", &[])]));
    let (said, theirs) = (one.publish(), other.publish());
    assert_eq!(said[1].topic, theirs[1].topic);
    assert!(matches!(one.stray(&theirs[1].topic, text(&theirs[1])), Verdict::Foreign { .. }));
    // `a` has no camera `b`, but may have had one: the box `a_b` is none of it.
    assert_eq!(one.stray(&theirs[0].topic, text(&theirs[0])), Verdict::Nothing);
    let empty = House::new("a", &[]);
    assert_eq!(empty.stray(&theirs[1].topic, text(&theirs[1])), Verdict::Nothing);
    assert!(matches!(empty.stray(&said[1].topic, text(&said[1])), Verdict::Remove(_)));
}

fn id() -> impl Strategy<Value = String> {
    "[a-z0-9_-]{1,12}"
}

proptest! {
    #[test]
    fn whatever_the_names_every_entity_is_one_of_its_kind(
        node in id(),
        cameras in prop::collection::btree_map(id(), prop::collection::btree_map(id(), any::<String>(), 0..4), 0..4),
    ) {
        let cameras: Vec<_> = cameras.into_iter().map(|(id, rules)| (id, rules.into_iter().collect::<Vec<_>>())).collect();
        let borrowed: Vec<Vec<_>> = cameras.iter()
            .map(|(_, rules)| rules.iter().map(|(id, ask)| (id.as_str(), ask.as_str())).collect()).collect();
        let house: Vec<_> = cameras.iter().zip(&borrowed).map(|((id, _), rules)| (id.as_str(), rules.as_slice())).collect();
        let house = House::new(&node, &house);
        let said = house.publish();
        prop_assert_eq!(said.len(), cameras.len() + 1);
        let mut ids = std::collections::BTreeSet::new();
        for message in &said {
            let device = value(message);
            prop_assert!(ids.insert(device["device"]["identifiers"][0].as_str().unwrap().to_owned()));
            for (key, entity) in device["components"].as_object().unwrap() {
                prop_assert!(!key.contains(' '), "Home Assistant splits at spaces");
                let unique = format!("{}/{}", entity["platform"], entity["unique_id"]);
                prop_assert!(ids.insert(unique));
                prop_assert!(!entity["state_topic"].is_null() || !entity["image_topic"].is_null());
            }
        }
    }

    /// Between the quotes there is neither a bare quote nor the end of a line, so a question cannot end its place in the template.
    #[test]
    fn a_question_stays_in_its_quotes(ask in any::<String>()) {
        let house = House::new("n", &[("c", &[("r", ask.as_str())])]);
        let device = value(&house.publish()[1]);
        let template = device["components"]["rule_r"]["json_attributes_template"].as_str().unwrap().to_owned();
        let literal = template.split_once("question=").unwrap().1.split_once(") if value_json").unwrap();
        let (literal, rest) = match serde_json::from_str::<String>(literal.0) {
            Ok(read) => (read, literal.1),
            // The question itself has these words.
            Err(_) => return Ok(()),
        };
        prop_assert_eq!(literal, ask);
        prop_assert_eq!(rest, " is mapping else {}) | to_json }}");
    }

    #[test]
    fn nothing_that_lies_there_is_too_much(topic in "homeassistant/device/(eyewitness_)?[a-z_/]{0,9}/config", payload in any::<Vec<u8>>()) {
        House::garage().with(true, |facts| stray(&topic, &payload, facts));
    }
}
