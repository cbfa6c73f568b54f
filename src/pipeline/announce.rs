//! What was kept is announced to the audience: in order, once it is safe, and without making the analyst wait for the disk. So
//! events that come close together share a commit.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, info};

use super::{Audience, Shared};
use crate::event::Event;
use crate::outbox::Receipt;

/// Events on their way to the disk; then the analyst waits.
const ON_THE_WAY: usize = 256;

/// Where the analyst's listener puts what it has appended, and the task that announces it.
pub(super) fn start(shared: &Shared) -> (mpsc::Sender<(Event, Receipt)>, JoinHandle<()>) {
    let (sender, mut kept) = mpsc::channel::<(Event, Receipt)>(ON_THE_WAY);
    let audience = shared.audience.clone();
    let task = tokio::spawn(async move {
        while let Some((event, receipt)) = kept.recv().await {
            receipt.kept().await;
            announce(&*audience, &event);
        }
    });
    (sender, task)
}

/// From here on it counts as announced: in the log, too.
pub(super) fn announce(audience: &dyn Audience, event: &Event) {
    let camera = event.camera.as_str();
    info!(
        camera,
        event = %event.id,
        r#type = event.kind.name(),
        confidence = event.confidence.map(two_digits),
        total_ms = event.timing_ms.map(|timing| timing.total.round()),
        alert = alert(event),
        reason = event.reason,
        "{}",
        event.description.as_deref().unwrap_or("(no words)")
    );
    // For whoever holds what was announced against what arrived.
    debug!(camera, seq = event.seq, id = %event.id, "kept");
    audience.event(event);
}

/// The rules that have just turned on, if any.
fn alert(event: &Event) -> Option<String> {
    let rules: Vec<_> = event.alert.iter().map(crate::ids::RuleId::as_str).collect();
    (!rules.is_empty()).then(|| rules.join(", "))
}

/// For the log; the event itself keeps four.
fn two_digits(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}
