//! What was kept is announced to the audience: in order, once it is safe, and without making the analyst wait for the disk. So
//! events that come close together share a commit.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Shared;
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
            audience.event(&event);
        }
    });
    (sender, task)
}
