//! The documented example, and the declared keys: they may not drift apart from what is read.

use super::keys::{FILE, Kind, Table};
use super::*;

const EXAMPLE: &str = include_str!("../../../config/eyewitness.toml");

/// The example with every key uncommented; where a key stands there twice, the first wins.
fn uncommented() -> String {
    let is_setting = |line: &str| {
        let name = line.split('=').next().unwrap_or_default().trim();
        line.contains(" = ") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let end = EXAMPLE.find("# A second camera").unwrap();
    let line = |line: &str| match line.strip_prefix("# ").filter(|line| is_setting(line)) {
        Some(setting) => format!("{setting}\n"),
        None => format!("{line}\n"),
    };
    EXAMPLE[..end].lines().map(line).collect()
}

/// The lines of the example that belong to a table.
fn part(text: &str, table: &Table) -> String {
    let mut current = String::new();
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with('[') {
            line.clone_into(&mut current);
        } else if current == table.header {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[test]
fn the_example_loads() {
    let Loaded { config, notices } = load(EXAMPLE);
    assert_eq!(notices, []);
    assert_eq!(config.cameras[0].source.camera.as_str(), "front-door");
    assert!(config.mqtt.is_some());
}

#[test]
fn the_example_names_every_key() {
    let text = uncommented();
    for table in FILE.all() {
        let part = part(&text, table);
        for key in table.keys {
            assert!(
                part.lines().any(|line| line.starts_with(&format!("{} = ", key.name))),
                "{} {}",
                table.header,
                key.name
            );
        }
    }
}

#[test]
fn the_example_shows_defaults_or_examples() {
    let text = uncommented();
    for table in FILE.all() {
        let part = part(&text, table);
        for key in table.keys.iter().filter(|key| !key.required && key.name != "password") {
            let line = part.lines().find(|line| line.starts_with(&format!("{} = ", key.name))).unwrap();
            let value = line.split_once(" = ").unwrap().1;
            assert!(value == key.example || Some(value) == key.default, "{} {line}", table.header);
        }
    }
}

/// A file with one key set, in its table, and all that the table needs.
fn with_key(table: &Table, name: &str, value: &str) -> String {
    let setting = format!("{name} = {value}\n");
    let required = |table: &Table| -> String {
        let others = table.keys.iter().filter(|key| key.required && key.name != name);
        others.map(|key| format!("{} = {}\n", key.name, key.example)).collect()
    };
    let camera = "[[camera]]\nid = \"a\"\nurl = \"rtsp://host/x\"\n";
    match table.header {
        "" => format!("{setting}{camera}"),
        "[[camera]]" => format!("[[camera]]\n{}{setting}", required(table)),
        header if header.contains("camera.") => format!("{camera}{header}\n{}{setting}", required(table)),
        header => format!("{header}\n{}{setting}{camera}", required(table)),
    }
}

#[test]
fn every_declared_key_is_read_as_its_kind() {
    for table in FILE.all() {
        for key in table.keys {
            let error = Config::parse("x", &with_key(table, key.name, "2026-11-23"), &environment).unwrap_err();
            let ConfigError::Invalid { problems, .. } = error else { panic!() };
            let wrong = |p: &&Problem| p.code == Code::WrongType && p.message.starts_with(&format!("`{}`", key.name));
            assert_eq!(problems.iter().filter(wrong).count(), 1, "{} {}: {problems:?}", table.header, key.name);
        }
    }
}

#[test]
fn every_declared_choice_is_read() {
    for table in FILE.all() {
        for key in table.keys {
            let Kind::Choice(words) = key.kind else { continue };
            for word in words {
                let text =
                    with_key(table, key.name, &format!("\"{word}\"")).replace("rtsp://10.0.0.20/stream1", "x.mp4");
                let text = if key.name == "transport" { text.replace("x.mp4", "rtsp://x") } else { text };
                load(&text);
            }
        }
    }
}

#[test]
fn the_declared_defaults_are_the_defaults() {
    for table in FILE.all() {
        for key in table.keys {
            let Some(default) = key.default.filter(|_| key.name != "verify") else { continue };
            let address = if matches!(key.name, "loop" | "pace") { "clip.mp4" } else { "rtsp://host/x" };
            let fit = |text: String| text.replace("rtsp://10.0.0.20/stream1", address);
            let explicit = format!("{:?}", load(&fit(with_key(table, key.name, default))).config);
            let name = if table.header.is_empty() { "" } else { "# " };
            let without = with_key(table, key.name, default).replace(&format!("{} = {default}", key.name), name);
            assert_eq!(explicit, format!("{:?}", load(&fit(without)).config), "{} {}", table.header, key.name);
        }
    }
    let verify =
        load("[mqtt]\nurl = \"mqtts://b\"\n[[camera]]\nid = \"a\"\nurl = \"test://\"\n").config.mqtt.unwrap().tls;
    assert!(verify.unwrap().verify);
}
