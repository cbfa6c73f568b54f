//! What right configs mean.

use super::*;
use std::time::Duration;

use crate::ids::RuleId;
use crate::rules::{Agree, Bounds, Rule, When};
use crate::source::{Decode, Location, Pace, Transport};

const CAMERA: &str = "[[camera]]\nid = \"a\"\nurl = \"test://\"\n";

#[test]
fn one_camera_is_enough() {
    let Loaded { config, notices } = load(CAMERA);
    let camera = &config.cameras[0];
    assert!(config.mqtt.is_none() && camera.enabled && camera.rules.is_empty());
    assert_eq!((camera.source.fps, camera.source.timeout), (5.0, Duration::from_secs(20)));
    assert_eq!((&*camera.prompt, config.model.max_tokens), ("Describe the scene.", 48));
    assert_eq!((config.model.deadline, config.stop_timeout), (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!(camera.gate, gate::Settings::default());
    assert_eq!(config.outbox, outbox::Settings::default());
    assert_eq!(config.http.listen, Some(([127, 0, 0, 1], 8089).into()));
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].line, None);
}

#[test]
fn keys_arrive_where_they_belong() {
    let config = load(
        "node = \"garage\"\n[mqtt]\nurl = \"mqtts://broker.lan\"\nprefix = \"house/eyes\"\nkeep_alive = \"1m\"\n\
         [model]\nprompt = \"Say it.\"\nthreads = 2\nprecision = \"int8\"\nprovider = \"cpu\"\npath = \"set\"\n\
         [[camera]]\nid = \"a\"\nurl = \"rtsp://host/x\"\ntransport = \"udp\"\ndecode = \"keyframes\"\ndecoder = \"avdec_h264\"\n\
         fps = 2.5\nmasks = [[[0, 0], [1, 0], [1, 0.5]]]\nzones = [[[0, 0], [1, 0], [1, 1], [0, 1]]]\nenabled = false\n[camera.gate]\nsettle = \"500ms\"\n\
         [[camera.rule]]\nid = \"parcel\"\nask = \"Is there a parcel?\"\n\
         [[camera]]\nid = \"b\"\nurl = \"clip.mp4\"\nloop = true\npace = \"fast\"\nprompt = \"And here?\"\n",
    )
    .config;
    let mqtt = config.mqtt.unwrap();
    assert_eq!((mqtt.host.as_str(), mqtt.port, mqtt.node.as_str()), ("broker.lan", 8883, "garage"));
    assert_eq!((mqtt.prefix.as_str(), mqtt.keep_alive), ("house/eyes", Duration::from_secs(60)));
    assert!(mqtt.tls.unwrap().verify);
    assert_eq!((config.model.settings.threads, config.model.settings.precision), (2, vlm::Precision::Int8));
    assert_eq!(config.model.settings.path, Path::new("set"));
    let [a, b] = config.cameras.try_into().unwrap();
    assert!(matches!(a.source.location, Location::Rtsp { transport: Transport::Udp, .. }));
    assert_eq!(
        (a.source.decode, a.source.decoder.as_deref(), a.source.fps),
        (Decode::Keyframes, Some("avdec_h264"), 2.5)
    );
    assert_eq!((a.gate.settle, a.enabled), (Duration::from_millis(500), false));
    assert_eq!((a.gate.masks[0].0.len(), a.gate.zones[0].0.len()), (3, 4));
    assert_eq!((a.rules[0].id.as_str(), &*a.rules[0].ask), ("parcel", "Is there a parcel?"));
    assert!(
        matches!(&b.source.location, Location::File { path, pace: Pace::Fast, repeat: true } if path == Path::new("clip.mp4"))
    );
    assert_eq!((&*a.prompt, &*b.prompt), ("Say it.", "And here?"));
}

#[test]
fn a_second_broker() {
    let mqtt = |keys: &str| load(&format!("[mqtt]\nurl = \"mqtt://first\"\n{keys}\n{CAMERA}")).config.mqtt.unwrap();
    assert!(mqtt("").fallback.is_none());
    let settings = mqtt("fallback_url = \"mqtts://second:99\"\nverify = false\nusername = \"eve\"");
    let [(_, first), (_, second)] = settings.brokers().try_into().unwrap();
    assert_eq!((first.host.as_str(), first.port, first.tls.is_some()), ("first", 1883, false));
    assert_eq!((second.host.as_str(), second.port), ("second", 99));
    assert_eq!((second.tls.unwrap().verify, second.username.as_deref()), (false, Some("eve")));
}

#[test]
fn addresses_of_brokers() {
    for (url, host, port, tls) in [
        ("mqtt://broker", "broker", 1883, false),
        ("mqtt://10.0.0.2:1884/", "10.0.0.2", 1884, false),
        ("mqtts://[fe80::1]:9", "fe80::1", 9, true),
        ("MQTTS://Broker.lan", "Broker.lan", 8883, true),
    ] {
        let mqtt = load(&format!("[mqtt]\nurl = \"{url}\"\n{CAMERA}")).config.mqtt.unwrap();
        assert_eq!((mqtt.host.as_str(), mqtt.port, mqtt.tls.is_some()), (host, port, tls), "{url}");
    }
}

#[test]
fn relative_paths_start_at_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eyewitness.toml");
    std::fs::write(&path, "[model]\npath = \"set\"\n[[camera]]\nid = \"a\"\nurl = \"clip.mp4\"\n[[camera]]\nid = \"b\"\nurl = \"/clip.mp4\"\n").unwrap();
    let config = Config::load(&path, &environment).unwrap().config;
    assert_eq!(config.model.settings.path, folder.path().join("set"));
    let paths = config.cameras.iter().map(|camera| match &camera.source.location {
        Location::File { path, .. } => path.clone(),
        other => panic!("{other:?}"),
    });
    assert!(paths.eq([folder.path().join("clip.mp4"), "/clip.mp4".into()]));
}

#[test]
fn rules_have_a_memory() {
    let rule = |keys: &str| {
        let text = format!("{CAMERA}[[camera.rule]]\nid = \"r\"\nask = \"Is it?\"\n{keys}");
        load(&text).config.cameras[0].rules[0].clone()
    };
    let plain = rule("");
    assert_eq!(plain, Rule::new(RuleId::new("r").unwrap(), "Is it?"));
    assert_eq!((plain.bounds(false), plain.bounds(true)), (Bounds::WIDE, Bounds::CALIBRATED));
    let second = Duration::from_secs(1);
    assert_eq!(rule("when = \"event\"\n").when, When::Event);
    assert_eq!(rule("when = \"30s\"\n").when, When::During(30 * second));
    assert_eq!(rule("when = \"always\"\n").when, When::Always(10 * second));
    assert_eq!(rule("when = \"always\"\nevery = \"1m\"\n").when, When::Always(60 * second));
    let full = rule(
        "on_above = 0.9\noff_below = 0.5\nhold = \"20s\"\nagree = \"3 of 5\"\nalert = true\n\
                     ask_negated = \"Is it not?\"\nregion = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]\n",
    );
    assert_eq!((full.hold, full.agree, full.alert), (20 * second, Agree { least: 3, of: 5 }, true));
    assert_eq!(full.bounds(true), Bounds { on: 0.9, off: 0.5 });
    assert_eq!((full.negated.as_deref(), full.region.unwrap().0.len()), (Some("Is it not?"), 3));
    // One side alone moves the other out of its way.
    assert_eq!(rule("on_above = 0.1\n").bounds(false), Bounds { on: 0.1, off: 0.1 });
}

#[test]
fn what_the_model_sees_depends_on_rules_unless_it_is_said() {
    let view = |text: &str| load(&format!("{CAMERA}{text}")).config.cameras[0].view;
    let rule = "[[camera.rule]]\nid = \"r\"\nask = \"Is the gate open?\"\n";
    assert_eq!((view(""), view("view = \"both\"\n")), (View::Region, View::Both));
    assert_eq!((view(rule), view(&format!("view = \"region\"\n{rule}"))), (View::Whole, View::Region));
}

#[test]
fn the_outbox_lies_where_it_is_told_to() {
    let path = |text: &str| load(&format!("[outbox]\npath = \"{text}\"\n{CAMERA}")).config.outbox;
    assert_eq!(path("/x").path, Path::new("/x"));
    assert!(path("off").is_off() && !path("./off").is_off());
}

#[test]
fn pictures_and_home_assistant() {
    let mqtt = |keys: &str| load(&format!("[mqtt]\nurl = \"mqtt://b\"\n{keys}\n{CAMERA}"));
    let silent = mqtt("home_assistant = false\nsnapshots = \"off\"");
    assert_eq!(silent.notices, []);
    let settings = silent.config.mqtt.unwrap();
    assert_eq!((settings.home_assistant, settings.snapshots), (Default::default(), None));
    assert_eq!(settings.response_prefix, None);
    let settings = mqtt(
        "home_assistant = true\nhome_assistant_prefix = \"ha\"\nsnapshots = \"event\"\nsnapshot_width = 1280\n\
         snapshot_quality = 90\nresponse_prefix = \"flows\"",
    );
    assert_eq!(settings.notices, []);
    let settings = settings.config.mqtt.unwrap();
    assert_eq!(settings.home_assistant, crate::mqtt::HomeAssistant { announce: true, prefix: "ha".into() });
    assert_eq!(settings.snapshots, Some(crate::mqtt::SnapshotSettings { width: 1280, quality: 90 }));
    assert_eq!(settings.response_prefix.as_deref(), Some("flows"));
    // Said, and no picture leaves the box.
    let alone = mqtt("snapshot_width = 1280\nsnapshot_quality = 90");
    assert_eq!(alone.config.mqtt.unwrap().snapshots, None);
    let notices: Vec<String> = alone.notices.iter().map(Notice::to_string).collect();
    snapshot!("notices_snapshots_off", notices.join("\n"));
}

#[test]
fn the_status_page_is_for_this_machine_unless_it_is_said() {
    let http = |listen: &str| load(&format!("[mqtt]\nurl = \"mqtt://b\"\n[http]\nlisten = \"{listen}\"\n{CAMERA}"));
    let off = http("off");
    assert_eq!((off.config.http.listen, off.notices.len()), (None, 0));
    for own in ["127.0.0.1:80", "[::1]:80", "127.9.9.9:1", "[::ffff:127.0.0.1]:80"] {
        let Loaded { config, notices } = http(own);
        assert_eq!((config.http.listen, notices), (own.parse().ok(), vec![]), "{own}");
    }
    for open in ["0.0.0.0:8089", "[::]:8089", "10.0.0.7:8089"] {
        let Loaded { config, notices } = http(open);
        assert_eq!(config.http.listen, open.parse().ok());
        let words: Vec<String> = notices.iter().map(Notice::to_string).collect();
        assert!(words.len() == 1 && words[0].starts_with("line 4: `listen`"), "{open}: {words:?}");
    }
}

#[test]
fn others_may_ask_only_where_it_is_said() {
    let http = |text: &str| {
        let Loaded { config, notices } = load(&format!("[mqtt]\nurl = \"mqtt://b\"\n[http]\n{text}\n{CAMERA}"));
        (config.http.ask, notices.len())
    };
    assert_eq!(http(""), (true, 0));
    assert_eq!(http("ask = false"), (false, 0));
    assert_eq!(http("listen = \"[::1]:80\""), (true, 0));
    assert_eq!(http("listen = \"127.0.0.1:80\"\nask = false"), (false, 0));
    assert_eq!(http("listen = \"0.0.0.0:80\""), (false, 1));
    assert_eq!(http("listen = \"0.0.0.0:80\"\nask = false"), (false, 1));
    assert_eq!(http("listen = \"0.0.0.0:80\"\nask = true"), (true, 2));
    assert_eq!(http("listen = \"off\"\nask = true"), (false, 0));
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
    let text = format!("\u{feff}{}", CAMERA.replace('\n', "\r\n"));
    assert_eq!(load(&text).config.cameras.len(), 1);
}
