//! Events that the run before could not end: it was killed, or the power went. Whoever waits for their end hears it now.

use tracing::info;

use super::Shared;
use super::announce::announce;
use crate::event::{Event, Kind, Source};

/// Appends the end of each.
pub(super) async fn tell(shared: &Shared) {
    for last in shared.outbox.unfinished() {
        let seq = shared.outbox.last_seq(&last.camera) + 1;
        let end = end(last, seq);
        info!(camera = end.camera.as_str(), event = %end.id, "an event that was interrupted is ended");
        shared.metrics.event(end.camera.as_str(), end.kind.name());
        shared.outbox.append(end.clone()).await.kept().await;
        announce(&*shared.audience, &end);
    }
}

/// The end of the event that `last` was said of; when it really ended, nobody saw.
fn end(last: Event, seq: u64) -> Event {
    let source = if last.description.is_some() { Source::Cache } else { Source::None };
    Event {
        seq,
        kind: Kind::End,
        ended_at: Some(last.at),
        source,
        reason: Some("Eyewitness was interrupted".to_owned()),
        timing_ms: None,
        replayed: false,
        ..last
    }
}
