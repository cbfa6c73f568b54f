//! Ready: what the daemon is for gets done. Decided from the parts alone, so that the page, systemd's status line and a
//! test see the same.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::clock::rfc3339;
use crate::ids::CameraId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It does its work.
    Ok,
    /// It does not yet, or not for the moment: it starts, or tries again.
    Waiting,
    /// It does not, and will not by itself.
    Failed,
    /// The config has it that way, or somebody has turned it off.
    Off,
}

/// How one part is, why, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub state: State,
    /// A sentence for people, without secrets; empty if there is nothing to say.
    pub reason: String,
    pub since: Option<Timestamp>,
}

impl Condition {
    #[must_use]
    pub fn new(state: State, reason: impl Into<String>) -> Self {
        Self { state, reason: reason.into(), since: None }
    }

    #[must_use]
    pub fn ok() -> Self {
        Self::new(State::Ok, "")
    }

    #[must_use]
    pub fn waiting(reason: impl Into<String>) -> Self {
        Self::new(State::Waiting, reason)
    }

    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::new(State::Failed, reason)
    }

    #[must_use]
    pub fn off(reason: impl Into<String>) -> Self {
        Self::new(State::Off, reason)
    }

    #[must_use]
    pub fn since(self, since: Timestamp) -> Self {
        Self { since: Some(since), ..self }
    }

    /// Nothing is missing: it works, or it is not wanted.
    fn is_well(&self) -> bool {
        matches!(self.state, State::Ok | State::Off)
    }
}

/// Every part whose state matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// `Ok` once it is loaded.
    pub model: Condition,
    /// `Ok` while events wait on the disk, `Off` if they wait in memory on purpose, `Failed` if they do although they
    /// should not.
    pub outbox: Condition,
    /// `Off` without one in the config.
    pub broker: Condition,
    /// In the config's order; `Off` if disabled.
    pub cameras: Vec<(CameraId, Condition)>,
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// `model`, `outbox`, `broker`, or `camera` and its id.
    pub part: String,
    pub state: State,
    pub reason: String,
    #[serde(serialize_with = "time")]
    pub since: Option<Timestamp>,
}

impl Parts {
    /// Ready: the model is loaded, what is announced survives a restart (or shall not), the broker is connected (or there is
    /// none), and a camera delivers (or all are disabled). One camera is enough: a box with one broken camera of ten does
    /// its work, and `camera_up` tells of the one.
    #[must_use]
    pub fn readiness(self) -> Readiness {
        let Self { model, outbox, broker, cameras } = self;
        let mut enabled =
            cameras.iter().map(|(_, camera)| camera.state).filter(|state| *state != State::Off).peekable();
        let cameras_well = enabled.peek().is_none() || enabled.any(|state| state == State::Ok);
        let ready = model.state == State::Ok && outbox.is_well() && broker.is_well() && cameras_well;
        let first = [("model", model), ("outbox", outbox), ("broker", broker)];
        let first = first.into_iter().map(|(name, condition)| (name.to_owned(), condition));
        let cameras = cameras.into_iter().map(|(id, condition)| (format!("camera {id}"), condition));
        let part =
            |(part, Condition { state, reason, since }): (String, Condition)| Part { part, state, reason, since };
        Readiness { ready, parts: first.chain(cameras).map(part).collect() }
    }
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn time<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(rfc3339).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(model: State, outbox: State, broker: State, cameras: &[State]) -> Parts {
        let condition = |state| Condition::new(state, "");
        let camera = |(n, state): (usize, &State)| (CameraId::new(&format!("c{n}")).unwrap(), condition(*state));
        Parts {
            model: condition(model),
            outbox: condition(outbox),
            broker: condition(broker),
            cameras: cameras.iter().enumerate().map(camera).collect(),
        }
    }

    #[test]
    fn ready_is_what_does_its_work() {
        use State::{Failed, Off, Ok, Waiting};
        for (model, outbox, broker, cameras, ready) in [
            (Ok, Ok, Ok, &[Ok][..], true),
            (Ok, Off, Off, &[Ok], true),
            (Ok, Ok, Ok, &[], true),
            (Ok, Ok, Ok, &[Off, Off], true),
            (Ok, Ok, Ok, &[Waiting, Ok, Failed], true),
            (Ok, Ok, Ok, &[Off, Ok], true),
            (Waiting, Ok, Ok, &[Ok], false),
            (Failed, Ok, Ok, &[Ok], false),
            (Off, Ok, Ok, &[Ok], false),
            (Ok, Failed, Ok, &[Ok], false),
            (Ok, Waiting, Ok, &[Ok], false),
            (Ok, Ok, Waiting, &[Ok], false),
            (Ok, Ok, Failed, &[Ok], false),
            (Ok, Ok, Ok, &[Waiting], false),
            (Ok, Ok, Ok, &[Failed, Waiting], false),
            (Ok, Ok, Ok, &[Off, Failed], false),
        ] {
            let found = parts(model, outbox, broker, cameras).readiness();
            assert_eq!(found.ready, ready, "{found:?}");
            assert_eq!(found.parts.len(), 3 + cameras.len());
        }
    }

    #[test]
    fn it_reads_as_promised() {
        let mut parts = parts(State::Ok, State::Ok, State::Waiting, &[State::Ok]);
        parts.broker = Condition::waiting("nothing listens there").since("2026-11-23T09:14:03.1Z".parse().unwrap());
        let json = serde_json::to_string(&parts.readiness()).unwrap();
        assert_eq!(
            json,
            "{\"ready\":false,\"parts\":[\
             {\"part\":\"model\",\"state\":\"ok\",\"reason\":\"\",\"since\":null},\
             {\"part\":\"outbox\",\"state\":\"ok\",\"reason\":\"\",\"since\":null},\
             {\"part\":\"broker\",\"state\":\"waiting\",\"reason\":\"nothing listens there\",\
             \"since\":\"2026-11-23T09:14:03.100Z\"},\
             {\"part\":\"camera c0\",\"state\":\"ok\",\"reason\":\"\",\"since\":null}]}"
        );
    }
}
