//! The rules' states as delivery sees them: one entry per rule of the config, whatever the analyst has said of it so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::config::CameraConfig;
use crate::ids::CameraId;
use crate::rules::{RuleNow, RuleStates, State};

/// These are the rules there are now: those that were there go on, the others are unsure.
pub(super) fn list(states: &watch::Sender<RuleStates>, cameras: &[CameraConfig], now: Timestamp) {
    states.send_modify(|states| {
        let fresh = cameras.iter().map(|config| {
            let camera = config.source.camera.clone();
            let known = states.get(&camera).map(|rules| &**rules).unwrap_or_default();
            let rules = config.rules.iter().map(|rule| {
                let same = |was: &&RuleNow| was.id == rule.id && was.ask == rule.ask;
                known.iter().find(same).map_or_else(
                    || RuleNow {
                        id: rule.id.clone(),
                        ask: rule.ask.clone(),
                        alert: rule.alert,
                        state: State::Unsure,
                        p: None,
                        at: now,
                    },
                    |was| RuleNow { alert: rule.alert, ..was.clone() },
                )
            });
            (camera, rules.collect())
        });
        *states = Arc::new(fresh.collect::<BTreeMap<_, _>>());
    });
}

/// What the analyst has come to. A camera or a rule that is gone meanwhile stays gone.
pub(super) fn said(states: &watch::Sender<RuleStates>, camera: &CameraId, now: &[RuleNow]) {
    states.send_if_modified(|states| {
        let Some(known) = states.get(camera) else { return false };
        let newer = |was: &RuleNow| now.iter().find(|is| is.id == was.id && is.ask == was.ask).unwrap_or(was).clone();
        let rules: Arc<[RuleNow]> = known.iter().map(newer).collect();
        if rules == *known {
            return false;
        }
        Arc::make_mut(states).insert(camera.clone(), rules);
        true
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn cameras(rules: &str) -> Vec<CameraConfig> {
        let text = format!("[[camera]]\nid = \"a\"\nurl = \"test://\"\n{rules}");
        Config::parse("test", &text, &|_| None).unwrap().config.cameras
    }

    const DOG: &str = "[[camera.rule]]\nid = \"dog\"\nask = \"A dog?\"\n";
    const CAT: &str = "[[camera.rule]]\nid = \"cat\"\nask = \"A cat?\"\n";

    #[test]
    fn rules_come_go_and_keep_their_state() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let (sender, mut seen) = watch::channel(RuleStates::default());
        let camera = CameraId::new("a").unwrap();
        list(&sender, &cameras(DOG), at(1));
        let mut dog = seen.borrow_and_update()[&camera][0].clone();
        assert_eq!((dog.state, dog.p, dog.at), (State::Unsure, None, at(1)));
        (dog.state, dog.p, dog.at) = (State::On, Some(0.9), at(2));
        said(&sender, &camera, std::slice::from_ref(&dog));
        assert!(seen.has_changed().unwrap() && seen.borrow_and_update()[&camera][0] == dog);
        // The same again is no news, and what was said of a rule that is gone is none either.
        said(&sender, &camera, std::slice::from_ref(&dog));
        assert!(!seen.has_changed().unwrap());
        list(&sender, &cameras(&format!("{CAT}{DOG}")), at(3));
        let states: Vec<_> = seen.borrow_and_update()[&camera].iter().map(|rule| rule.state).collect();
        assert_eq!(states, [State::Unsure, State::On]);
        list(&sender, &cameras(CAT), at(4));
        said(&sender, &camera, &[dog]);
        assert_eq!(seen.borrow_and_update()[&camera].len(), 1);
    }
}
