//! What becomes of the analyst's results: events into the outbox, outcomes and times into the counters.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tracing::debug;

use super::announce::announce;
use super::audience::Audience;
use super::camera::note;
use super::progress::Beat;
use super::rules;
use super::snapshots::Snapshots;
use crate::analyst::{Listener, Ruling};
use crate::clock::Clock;
use crate::event::{Event, Kind};
use crate::frame::Frame;
use crate::gate::Settled;
use crate::ids::CameraId;
use crate::outbox::{Keeping, Outbox, Receipt};
use crate::rules::{RuleNow, RuleStates};
use crate::telemetry::{Checked, Metrics};
use crate::units::Polygon;
use crate::vlm::Answer;

pub(super) struct Deliver {
    pub(super) outbox: Arc<Outbox>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) beat: Beat,
    pub(super) clock: Clock,
    /// Appended, and to be announced once it is kept.
    pub(super) kept: mpsc::Sender<(Event, Receipt)>,
    pub(super) audience: Arc<dyn Audience>,
    pub(super) rules: watch::Sender<RuleStates>,
    pub(super) snapshots: Arc<Snapshots>,
}

impl Listener for Deliver {
    async fn event(&mut self, event: Event) {
        let camera = event.camera.as_str();
        self.metrics.event(camera, event.kind.name());
        // An end only repeats what was said.
        if event.kind != Kind::End {
            self.metrics.description(camera, event.source.name());
        }
        // The audience hears what was kept: first the outbox, then everybody else.
        let receipt = self.outbox.append(event.clone()).await;
        if self.outbox.keeping() == Keeping::Memory {
            // There is no disk to wait for, and a replay wants its events in step with its frames.
            receipt.kept().await;
            announce(&*self.audience, &event);
        } else {
            // The other end lives as long as this one.
            self.kept.send((event, receipt)).await.ok();
        }
    }

    fn last_seq(&self, camera: &CameraId) -> u64 {
        self.outbox.last_seq(camera)
    }

    fn described(&mut self, event: &mut Event, frame: &Frame, masks: &Arc<[Polygon]>) {
        event.snapshot = self.snapshots.take(&event.camera, frame, masks.clone(), event.id, event.seq);
    }

    fn frame(&mut self, camera: &CameraId, settled: Settled) {
        note(&settled);
        self.audience.settled(camera, &settled);
        self.metrics.frame(camera.as_str(), settled.outcome.name());
    }

    fn ruled(&mut self, camera: &CameraId, frame: &Frame, ruling: &Ruling) {
        let Ruling { rule, p, answer, state, .. } = ruling;
        debug!(%rule, frame = frame.seq, at = %frame.at.wall, p, answer = answer.name(), state = state.name(), "ruled");
        self.metrics.rule_answer(camera.as_str(), rule.as_str(), answer.name());
        self.audience.ruled(camera, frame, ruling);
    }

    fn rules(&mut self, camera: &CameraId, now: Arc<[RuleNow]>) {
        rules::said(&self.rules, camera, &now);
    }

    fn answer(&mut self, camera: &CameraId, answer: &Answer) {
        self.audience.answered(camera, answer);
        let t = &answer.timing;
        for (stage, took) in [("wait", t.wait), ("preprocess", t.preprocess), ("encode", t.encode)] {
            self.metrics.stage(stage, took);
        }
        if answer.recalled {
            self.metrics.recalled(t.total);
            return;
        }
        if let Some(result) = checked(answer) {
            self.metrics.description_checked(camera.as_str(), result);
        }
        let stages = [
            ("embed", t.embed),
            ("prefill", t.prefill),
            ("decode", t.decode),
            ("detokenise", t.detokenise),
            ("host", t.host),
        ];
        for (stage, took) in stages {
            self.metrics.stage(stage, took);
        }
        self.metrics.answer(answer.tokens as u64, t.first_token, t.total);
    }

    fn beat(&mut self) {
        self.beat.beat(self.clock.now());
    }
}

/// What asking the description back came to; `None`: it names nothing that is asked back.
fn checked(answer: &Answer) -> Option<Checked> {
    match answer {
        Answer { agrees: false, .. } => Some(Checked::Doubtful),
        Answer { before: Some(_), .. } => Some(Checked::Corrected),
        Answer { checked, .. } => (!checked.is_empty()).then_some(Checked::Agreed),
    }
}
