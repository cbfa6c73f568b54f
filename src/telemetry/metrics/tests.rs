use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;

fn figures() -> OutboxFigures {
    OutboxFigures { rows: 3, bytes: 4096, evicted: 2, refused: 1, unreadable: 5, durable: Some(true) }
}

/// Everything that has a number, each at least once.
fn full() -> Metrics {
    let metrics = Metrics::new();
    for camera in ["door", "yard"] {
        metrics.camera_up(camera, true);
        metrics.frame(camera, "no_motion");
        metrics.frames_by(camera, "no_motion", 2);
        metrics.frame(camera, "described");
        metrics.event(camera, "start");
        metrics.description(camera, "model");
        metrics.question(camera, "answered");
        metrics.signal_dropped(camera);
        metrics.snapshot_dropped(camera);
        metrics.camera_reconnected(camera);
        metrics.rule_answer(camera, "parcel", "unsure");
        metrics.rules_skipped(camera);
        metrics.description_checked(camera, Checked::Corrected);
    }
    for stage in ["encode", "decode"] {
        metrics.stage(stage, Duration::from_millis(20));
        metrics.stage(stage, Duration::from_secs(99));
    }
    metrics.answer(9, Duration::from_millis(20), Duration::from_millis(40));
    metrics.model("tiny/int8@cpu");
    metrics.placed("decoder", "cpu", 175);
    metrics.outbox(figures());
    metrics.broker(Some(BrokerFigures { connected: true, acknowledged: 77 }));
    metrics.http_refused();
    metrics
}

#[test]
fn what_is_counted_stands_in_the_text() {
    let metrics = full();
    assert_eq!(metrics.frames_of("door", "no_motion"), 3);
    assert_eq!(metrics.frames_of("shed", "no_motion"), 0);
    assert_eq!(metrics.events_of("door", "start"), 1);
    assert_eq!(metrics.descriptions_of("door", "model"), 1);
    assert_eq!(metrics.model_time(), Duration::from_millis(40));
    let text = metrics.text();
    for line in [
        r#"eyewitness_frames_total{camera="door",outcome="no_motion"} 3"#,
        r#"eyewitness_events_total{camera="door",type="start"} 1"#,
        r#"eyewitness_descriptions_total{camera="door",source="model"} 1"#,
        r#"eyewitness_questions_total{camera="door",outcome="answered"} 1"#,
        r#"eyewitness_stage_seconds_count{stage="encode"} 2"#,
        "eyewitness_first_token_seconds_count 1",
        "eyewitness_tokens_total 9",
        "eyewitness_model_seconds_total 0.04",
        r#"eyewitness_signals_dropped_total{camera="door"} 1"#,
        r#"eyewitness_snapshots_dropped_total{camera="door"} 1"#,
        r#"eyewitness_camera_up{camera="door"} 1"#,
        r#"eyewitness_camera_reconnects_total{camera="door"} 1"#,
        r#"eyewitness_provider_info{provider="cpu",precision="int8",model="tiny"} 1"#,
        r#"eyewitness_provider_nodes{part="decoder",provider="cpu"} 175"#,
        concat!("eyewitness_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "eyewitness_outbox_rows 3",
        "eyewitness_outbox_bytes 4096",
        "eyewitness_outbox_evicted_total 2",
        "eyewitness_outbox_refused_total 1",
        "eyewitness_outbox_unreadable_total 5",
        "eyewitness_outbox_durable 1",
        "eyewitness_mqtt_connected 1",
        "eyewitness_mqtt_acknowledged_total 77",
        "eyewitness_http_connections_refused_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
    }
}

#[test]
fn the_text_is_open_metrics() {
    let families = parse(&full().text());
    assert!(families.len() > 25, "{families:?}");
    let text = Metrics::new().text();
    let early = parse(&text);
    assert_eq!(early["eyewitness_build_info"], "gauge");
    assert!(!early.contains_key("eyewitness_mqtt_connected"), "{text}");
    assert!(!early.contains_key("eyewitness_outbox_rows"), "{text}");
}

#[test]
fn the_process_has_its_usual_names() {
    let families = parse(&Metrics::new().text());
    for (name, kind) in [
        ("process_cpu_seconds", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_open_fds", "gauge"),
        ("process_start_time_seconds", "gauge"),
    ] {
        assert_eq!(families.get(name).map(String::as_str), Some(kind), "{name}");
    }
}

#[test]
fn the_documentation_names_every_metric() {
    const DOC: &str = include_str!("../../../docs/monitoring.md");
    for (name, kind) in parse(&full().text()) {
        let name = if kind == "counter" { format!("{name}_total") } else { name };
        let row = DOC.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{name}")));
        let row = row.unwrap_or_else(|| panic!("`{name}` is not in docs/monitoring.md"));
        assert!(row.contains(&format!("| {kind} |")), "{name} is a {kind}: {row}");
    }
}

#[test]
fn what_does_not_apply_has_no_series() {
    let metrics = full();
    metrics.outbox(OutboxFigures { durable: None, ..figures() });
    metrics.broker(None);
    let text = metrics.text();
    assert!(!text.contains("outbox_durable") && !text.contains("mqtt_"), "{text}");
    metrics.outbox(OutboxFigures { durable: Some(false), ..figures() });
    metrics.broker(Some(BrokerFigures { connected: false, acknowledged: 77 }));
    let text = metrics.text();
    assert!(text.contains("outbox_durable 0\n") && text.contains("mqtt_connected 0\n"), "{text}");
}

#[test]
fn a_forgotten_camera_leaves_nothing_and_the_others_all() {
    let metrics = full();
    let others = |text: &str| text.lines().filter(|line| line.contains("camera=\"yard\"")).count();
    let before = others(&metrics.text());
    metrics.forget_camera("door");
    metrics.forget_camera("never-there");
    let text = metrics.text();
    assert!(!text.contains("\"door\""), "{text}");
    assert!(before >= 6, "{before}");
    assert_eq!(others(&text), before);
    metrics.frame("door", "no_motion");
    assert_eq!(metrics.frames_of("door", "no_motion"), 1);
}

#[test]
fn a_camera_is_known_before_anything_has_happened() {
    let metrics = Metrics::new();
    metrics.camera_up("door", false);
    let text = metrics.text();
    assert!(text.contains(r#"eyewitness_camera_up{camera="door"} 0"#), "{text}");
    assert!(text.contains(r#"eyewitness_camera_reconnects_total{camera="door"} 0"#), "{text}");
}

#[test]
#[should_panic(expected = "belongs to no family")]
fn the_reader_of_this_test_finds_a_stray_sample() {
    parse("# HELP a A.\n# TYPE a counter\na 1\n# EOF\n");
}

/// Reads OpenMetrics 1.0 as far as we write it, and panics at what a scraper would refuse: returns each family's type.
fn parse(text: &str) -> BTreeMap<String, String> {
    let lines: Vec<&str> = text.strip_suffix("# EOF\n").expect("it ends with EOF").lines().collect();
    let mut families = BTreeMap::new();
    let mut family = ("", "");
    let mut helped = "";
    let mut series = BTreeSet::new();
    // Of the histogram that is being read: labels without `le`, and the last bucket's count.
    let mut bucket: Option<(String, f64)> = None;
    for line in lines {
        if let Some(rest) = line.strip_prefix("# ") {
            let [word, name, value] = rest.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            match word {
                "HELP" => {
                    assert!(value.ends_with('.') && !value.ends_with(".."), "{line}");
                    helped = name;
                }
                "TYPE" => {
                    assert_eq!(helped, name, "a type without a help");
                    assert!(["counter", "gauge", "histogram"].contains(&value), "{line}");
                    assert!(families.insert(name.to_owned(), value.to_owned()).is_none(), "twice: {line}");
                    family = (name, value);
                }
                "UNIT" => assert!(name == family.0 && name.ends_with(&format!("_{value}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        assert!(value.is_finite() && value >= 0.0, "{line}");
        assert!(series.insert(key), "twice: {line}");
        let (name, labels) = key.split_once('{').map_or((key, ""), |(name, rest)| {
            (name, rest.strip_suffix('}').unwrap_or_else(|| panic!("an open bracket: {line}")))
        });
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{line}");
        for label in labels.split(',').filter(|_| !labels.is_empty()) {
            let (_, quoted) = label.split_once('=').unwrap();
            assert!(quoted.len() >= 2 && quoted.starts_with('"') && quoted.ends_with('"'), "{line}");
        }
        let suffix = name.strip_prefix(family.0);
        match (family.1, suffix) {
            ("counter", Some("_total")) | ("gauge", Some("")) | ("histogram", Some("_sum")) => {}
            ("histogram", Some("_bucket")) => {
                let (le, others): (Vec<_>, Vec<_>) = labels.split(',').partition(|label| label.starts_with("le="));
                let [le] = le[..] else { panic!("one `le`: {line}") };
                let _: f64 = le["le=".len()..].trim_matches('"').parse().unwrap();
                let others = others.join(",");
                if let Some((same, count)) = &bucket {
                    assert!(*same != others || value >= *count, "buckets add up: {line}");
                }
                bucket = Some((others, value));
            }
            ("histogram", Some("_count")) => bucket = None,
            _ => panic!("`{name}` belongs to no family: {line}"),
        }
    }
    families
}
