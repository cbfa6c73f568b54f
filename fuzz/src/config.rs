//! A config's text, with an environment that holds a secret.

use std::fmt::Write as _;

use eyewitness::config::{Config, Loaded, differing, redact};
use secrecy::ExposeSecret;

/// Stands in no config and no message by chance.
const SECRET: &str = "Tr0ub4dor&3-q";

pub(crate) fn run(data: &[u8]) {
    // What is not UTF-8 never comes so far.
    let Ok(text) = std::str::from_utf8(data) else { return };
    let hidden = redact(text);
    assert_eq!(hidden.len(), text.len(), "places in the text stay where they are");
    let said = match Config::parse("fuzz.toml", text, &environment) {
        Ok(loaded) => {
            holds(&loaded, text, &hidden);
            loaded.notices.iter().fold(format!("{:?}", loaded.config.mqtt), |mut said, notice| {
                writeln!(said, "{notice}").expect("a string takes all");
                said
            })
        }
        Err(error) => {
            let (wide, narrow) = (error.render(false, 100), error.render(true, 0));
            assert!(!wide.trim().is_empty(), "an error says something");
            format!("{wide}{narrow}{error}")
        }
    };
    assert!(text.contains(SECRET) || !said.contains(SECRET), "the environment's secret was said:\n{said}");
}

fn environment(name: &str) -> Option<String> {
    match name {
        "PASSWORD" => Some(SECRET.to_owned()),
        "EMPTY" => Some(String::new()),
        "LONG" => Some("x".repeat(5000)),
        "URL" => Some(format!("rtsp://me:{SECRET}@10.0.0.20/stream1")),
        "STATE_DIRECTORY" => Some("/var/lib/eyewitness".to_owned()),
        _ => None,
    }
}

/// What every config that was taken must be.
fn holds(Loaded { config, .. }: &Loaded, text: &str, hidden: &str) {
    assert!(!config.cameras.is_empty(), "a config without cameras is none");
    let mut ids: Vec<_> = config.cameras.iter().map(|camera| &camera.source.camera).collect();
    assert!(differing((text, ids[0]), (text, ids[0])).is_empty(), "a config is like itself");
    ids.sort();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "cameras have ids of their own");
    for camera in &config.cameras {
        let points = camera.gate.masks.iter().chain(&camera.gate.zones).flat_map(|polygon| &polygon.0);
        assert!(points.flatten().all(|side| (0.0..=1.0).contains(side)), "a point outside the picture");
        assert!(camera.source.fps > 0.0 && (0.0..=1.0).contains(&camera.gate.sensitivity));
    }
    // A password that was typed once, and stands for itself: then its place is known.
    let password = config.mqtt.as_ref().and_then(|mqtt| mqtt.password.as_ref()).map(ExposeSecret::expose_secret);
    if let Some(password) = password.filter(|password| password.len() > 5 && text.matches(password).count() == 1) {
        assert!(!hidden.contains(password), "`{password}` is shown:\n{hidden}");
    }
}
