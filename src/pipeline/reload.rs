//! A changed config on a running system: what did not change is not touched.

use std::collections::BTreeSet;

use super::{Pipeline, delivery, settings};
use crate::config::{CameraConfig, Config};
use crate::ids::CameraId;
use crate::vlm;

/// What a new config changed, in words for the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// What runs differently now.
    pub changed: Vec<String>,
    /// What differs in the file and takes a restart.
    pub needs_restart: Vec<&'static str>,
}

impl Pipeline {
    /// Goes over to another config: cameras that come, go or change; prompts, rules, gate values, budgets; the broker; the
    /// bounds of the outbox. The rest is said to need a restart, and stays as it is.
    pub async fn apply(&mut self, new: &Config) -> Applied {
        let mut applied = differences(&self.config, new);
        self.shared.inbox.set_general(settings::general(new));
        self.shared.desk.set_general(settings::general(new));
        self.watched.lock().await.change(&new.cameras, &self.shared).await;
        settings::apply_snapshots(new, &self.shared.snapshots);
        if (new.outbox.max_size, new.outbox.max_age) != (self.config.outbox.max_size, self.config.outbox.max_age) {
            self.shared.outbox.set_bounds(new.outbox.max_size, new.outbox.max_age);
        }
        if new.mqtt != self.config.mqtt {
            self.change_broker(new).await;
        }
        if new.stop_timeout != self.config.stop_timeout {
            applied.changed.push("stop_timeout".to_owned());
        }
        self.config = in_force(&self.config, new);
        applied
    }

    async fn change_broker(&mut self, new: &Config) {
        let mut running = self.delivery.lock().await;
        // `None`: everything has ended already.
        let Some(old) = running.take() else { return };
        old.stop().await;
        let (connection, delivery) = delivery::start(new.mqtt.clone(), self.cameras.clone(), &self.shared);
        *running = Some(delivery);
        drop(running);
        self.connection.send_replace(connection);
    }
}

/// The new config, with the old values of what takes a restart.
fn in_force(old: &Config, new: &Config) -> Config {
    let mut config = new.clone();
    config.node.clone_from(&old.node);
    config.explain.clone_from(&old.explain);
    config.outbox.path.clone_from(&old.outbox.path);
    config.model.settings.clone_from(&old.model.settings);
    config
}

/// What differs, in words. Pure.
fn differences(old: &Config, new: &Config) -> Applied {
    let mut changed = Vec::new();
    let (before, after) = (ids(old), ids(new));
    changed.extend(after.difference(&before).map(|id| format!("camera `{id}` is new")));
    changed.extend(before.difference(&after).map(|id| format!("camera `{id}` is gone")));
    for was in &old.cameras {
        let same_id = |camera: &&CameraConfig| camera.source.camera == was.source.camera;
        if let Some(is) = new.cameras.iter().find(same_id).filter(|is| *is != was) {
            changed.push(format!("camera `{}`: {}", is.source.camera, of_camera(was, is).join(", ")));
        }
    }
    if settings::general(old) != settings::general(new) {
        changed.push("budget, deadline or length of descriptions".to_owned());
    }
    if old.mqtt != new.mqtt {
        changed.push("the broker".to_owned());
    }
    if (old.outbox.max_size, old.outbox.max_age) != (new.outbox.max_size, new.outbox.max_age) {
        changed.push("the bounds of the outbox".to_owned());
    }
    let parts = [
        ("node", old.node != new.node),
        ("[outbox] path", old.outbox.path != new.outbox.path),
        ("[model]", model_differs(old, new)),
        ("[explain]", old.explain != new.explain),
    ];
    let needs_restart = parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect();
    Applied { changed, needs_restart }
}

fn ids(config: &Config) -> BTreeSet<CameraId> {
    config.cameras.iter().map(|camera| camera.source.camera.clone()).collect()
}

/// The number of cameras is part of a model's settings, but no reason to load it anew.
fn model_differs(old: &Config, new: &Config) -> bool {
    let streams = old.model.settings.streams;
    vlm::Settings { streams, ..new.model.settings.clone() } != old.model.settings
}

fn of_camera(was: &CameraConfig, is: &CameraConfig) -> Vec<&'static str> {
    let parts = [
        (if is.enabled { "enabled" } else { "disabled" }, was.enabled != is.enabled),
        ("its source", was.source != is.source),
        ("its gate", was.gate != is.gate),
        ("its prompt", was.prompt != is.prompt),
        ("its rules", was.rules != is.rules),
        ("its view", was.view != is.view),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "node = \"box\"\n[mqtt]\nurl = \"mqtt://a\"\npassword = \"one\"\nusername = \"u\"\n\
        [model]\nprompt = \"Look.\"\n[[camera]]\nid = \"door\"\nurl = \"rtsp://u:secret@h/x\"\n\
        [[camera]]\nid = \"yard\"\nurl = \"test://\"\nprompt = \"Own.\"\n";

    fn config(text: &str) -> Config {
        Config::parse("test", text, &|_| None).unwrap().config
    }

    fn applied(from: &str, to: &str) -> (String, Vec<&'static str>) {
        let Applied { changed, needs_restart } = differences(&config(BASE), &config(&BASE.replace(from, to)));
        (changed.join("; "), needs_restart)
    }

    #[test]
    fn nothing_changed_is_nothing_to_do() {
        assert_eq!(applied("", ""), (String::new(), vec![]));
    }

    #[test]
    fn each_change_is_named_and_secrets_are_not() {
        assert_eq!(applied("Look.", "See.").0, "camera `door`: its prompt");
        assert_eq!(applied(":secret@", ":other@").0, "camera `door`: its source");
        assert_eq!(applied("\"one\"", "\"two\"").0, "the broker");
        assert_eq!(applied("\"yard\"", "\"barn\"").0, "camera `barn` is new; camera `yard` is gone");
        assert_eq!(applied("\"test://\"", "\"test://\"\nenabled = false").0, "camera `yard`: disabled");
        let gate = applied("\"Own.\"\n", "\"Own.\"\n[camera.gate]\nsettle = \"5s\"\n").0;
        assert_eq!(gate, "camera `yard`: its source, its gate");
    }

    #[test]
    fn what_takes_a_restart_is_said_and_stays() {
        let text = BASE.replace("\"box\"", "\"shed\"").replace("prompt = \"Look.\"", "threads = 1");
        let (old, new) = (config(BASE), config(&text));
        let Applied { needs_restart, .. } = differences(&old, &new);
        assert_eq!(needs_restart, ["node", "[model]"]);
        let now = in_force(&old, &new);
        assert_eq!((now.node.as_str(), now.model.settings.threads), ("box", 0));
        // Another number of cameras is no other model.
        let more = format!("{BASE}[[camera]]\nid = \"attic\"\nurl = \"test://\"\n");
        assert!(differences(&old, &config(&more)).needs_restart.is_empty());
    }
}
