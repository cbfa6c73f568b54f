//! The whole outbox on disks that fail, lose power and get damaged.

mod basic;
mod crash;
mod damage;
mod flash;
mod trouble;

use std::time::Duration;

use super::*;
use crate::event::Event;
use flash::Flash;

fn quick() -> Backoff {
    Backoff::new(Duration::from_millis(1), Duration::from_millis(5))
}

fn start(flash: &Flash, settings: &Settings) -> Outbox {
    Outbox::start(Box::new(flash.plug()), settings, Clock::system(), quick()).expect("nobody else has it")
}

fn unbounded() -> Settings {
    Settings { max_size: u64::MAX, max_age: Duration::MAX, ..Settings::default() }
}

fn event(camera: &str, seq: u64) -> Event {
    super::model::event(camera, seq)
}

fn camera(name: &str) -> CameraId {
    CameraId::new(name).unwrap()
}

async fn bounded<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it comes within the bound")
}

/// Waits until it holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never: {what}");
}

/// Takes and acknowledges all that waits: camera and number of each.
async fn drain(outbox: &Outbox) -> Vec<(String, u64)> {
    let mut all = vec![];
    while outbox.stats().rows > 0 {
        let offer = bounded(outbox.next()).await;
        all.push((offer.event.camera.to_string(), offer.event.seq));
        outbox.ack(offer.row);
    }
    all
}

/// The numbers of one camera.
fn seqs(all: &[(String, u64)], camera: &str) -> Vec<u64> {
    all.iter().filter(|(name, _)| name == camera).map(|(_, seq)| *seq).collect()
}
