//! What a config means to the stages.

use super::snapshots::Snapshots;
use crate::analyst::{self, Allowance, General};
use std::sync::Arc;

use crate::config::{CameraConfig, Config};
use crate::rules::Calibrations;
use crate::source::{Location, Pace};

/// A clip that plays as fast as it is understood.
pub(super) fn is_fast(camera: &CameraConfig) -> bool {
    matches!(camera.source.location, Location::File { pace: Pace::Fast, .. })
}

/// Whether all there is to see of the cameras that are on comes to an end: clips that do not repeat, and at least one.
pub(super) fn ends_by_itself<'a>(enabled: impl Iterator<Item = &'a CameraConfig>) -> bool {
    let mut enabled = enabled.peekable();
    let finite = |camera: &CameraConfig| matches!(camera.source.location, Location::File { repeat: false, .. });
    enabled.peek().is_some() && enabled.all(finite)
}

/// One camera as the analyst knows it.
pub(super) fn camera(camera: &CameraConfig) -> analyst::Camera {
    analyst::Camera {
        id: camera.source.camera.clone(),
        prompt: camera.prompt.clone(),
        rules: camera.rules.clone(),
        masks: camera.gate.masks.clone().into(),
        view: camera.view,
        reuse_for: camera.gate.reuse_for,
        allowance: Allowance { calls: camera.gate.budget, share: camera.gate.share },
        own_time: is_fast(camera),
    }
}

/// What holds for all cameras.
pub(super) fn general(config: &Config) -> General {
    General {
        allowance: Allowance { calls: config.model.budget, share: config.model.share },
        max_tokens: config.model.max_tokens,
        deadline: config.model.deadline,
    }
}

/// Pictures of which cameras are made, and how.
pub(super) fn apply_snapshots(config: &Config, snapshots: &Snapshots) {
    let cameras = config.cameras.iter().map(|camera| &camera.source.camera);
    snapshots.apply(config.mqtt.as_ref().and_then(|mqtt| mqtt.snapshots), cameras);
}

/// The analyst's settings, with a lane for each enabled camera, in their order.
pub(super) fn analyst(config: &Config, calibrations: Arc<Calibrations>, seed: Option<u64>) -> analyst::Settings {
    let enabled = config.cameras.iter().filter(|camera| camera.enabled);
    analyst::Settings {
        node: config.node.clone(),
        cameras: enabled.map(camera).collect(),
        general: general(config),
        calibrations,
        seed,
    }
}
