//! One camera's config for clips: that of a config file, or the defaults. What of a config would leave the machine is
//! taken out of it here.

use std::path::Path;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::run::{load, report};
use crate::config::{self, Config};
use crate::ids::{self, CameraId};
use crate::source::{Location, Pace};

const DEFAULTS: &str = "node = \"replay\"\n\n[[camera]]\nid = \"clip\"\nurl = \"test://\"\n";

/// A config with exactly one camera.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Setup {
    /// Its file name, or "the defaults".
    pub(in crate::cli) name: String,
    /// As it was typed, without its secrets.
    pub(in crate::cli) text: String,
    pub(in crate::cli) config: Config,
    /// Whether the camera's id comes from the config; else it is that of the clip.
    named: bool,
}

impl Setup {
    pub(in crate::cli) fn defaults() -> Result<Self, Failure> {
        let loaded = Config::parse("the defaults", DEFAULTS, &|_| None)
            .map_err(|error| Failure::report(Exit::Config, report(&error)))?;
        Ok(Self { name: "the defaults".into(), text: String::new(), config: prepared(loaded.config), named: false })
    }

    /// The camera `wanted` of a config file, or its only one.
    pub(in crate::cli) fn load(path: &Path, wanted: Option<&str>) -> Result<Self, Failure> {
        let mut config = load(path)?.config;
        let at = choose(&config, path, wanted)?;
        config.cameras = vec![config.cameras.swap_remove(at)];
        // It was read a moment ago.
        let text = std::fs::read_to_string(path).map_err(|error| Failure::config(&error))?;
        let text = config::redact(&text);
        Ok(Self { name: super::file_name(path), text, config: prepared(config), named: true })
    }

    pub(in crate::cli) fn camera(&self) -> &CameraId {
        &self.config.cameras[0].source.camera
    }

    /// The config with which a clip is played.
    pub(in crate::cli) fn for_clip(&self, clip: &Path) -> Config {
        let mut config = self.config.clone();
        let source = &mut config.cameras[0].source;
        source.location = Location::File { path: clip.to_owned(), pace: Pace::Fast, repeat: false };
        if !self.named
            && let Some(stem) = clip.file_stem().and_then(|stem| stem.to_str())
            && let Ok(id) = CameraId::new(&ids::slug(stem))
        {
            source.camera = id;
        }
        config
    }
}

fn prepared(mut config: Config) -> Config {
    config.mqtt = None;
    config.explain.path = None;
    config.cameras[0].enabled = true;
    config
}

/// Index of the camera `wanted`, or of the only one.
pub(in crate::cli) fn choose(config: &Config, path: &Path, wanted: Option<&str>) -> Result<usize, Failure> {
    let ids: Vec<_> = config.cameras.iter().map(|camera| camera.source.camera.as_str()).collect();
    let known = || ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let shown = path.display();
    match wanted {
        Some(wanted) => ids.iter().position(|id| *id == wanted).ok_or_else(|| {
            Failure::usage(format!("there is no camera `{wanted}` in `{shown}`\n  help: its cameras are {}", known()))
        }),
        None if ids.len() == 1 => Ok(0),
        None => Err(Failure::usage(format!(
            "`{shown}` has several cameras\n  help: say which one with `--camera ID`: {}",
            known()
        ))),
    }
}
