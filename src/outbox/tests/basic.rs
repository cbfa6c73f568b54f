//! What an outbox is for, on a disk that works.

use super::*;

fn outbox() -> Outbox {
    Outbox::new(&Settings::default(), Clock::system())
}

#[tokio::test]
async fn a_waiting_consumer_is_woken() {
    let outbox = std::sync::Arc::new(outbox());
    outbox.connected();
    let consumer = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.next().await.event.seq }
    });
    outbox.append(event("a", 1)).await.kept().await;
    assert_eq!(bounded(consumer).await.unwrap(), 1);
}

#[tokio::test]
async fn what_waits_survives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { path: folder.path().join("outbox"), ..Settings::default() };
    let camera = CameraId::new("a").unwrap();
    let first = Outbox::open(&settings, Clock::system()).unwrap();
    assert_eq!(first.keeping(), Keeping::Disk);
    assert!(matches!(Outbox::open(&settings, Clock::system()), Err(OpenError::InUse { .. })));
    for seq in 1..=5 {
        let mut event = event("a", seq);
        event.description = Some(format!("{seq} men"));
        first.append(event).await.kept().await;
    }
    first.connected();
    let offer = bounded(first.next()).await;
    assert_eq!((offer.event.seq, offer.event.replayed), (1, true));
    first.ack(offer.row);
    first.close().await;
    drop(first);
    let second = Outbox::open(&settings, Clock::system()).unwrap();
    assert_eq!((second.stats().rows, second.last_seq(&camera)), (4, 5));
    assert_eq!(second.latest(&camera).unwrap().description.as_deref(), Some("5 men"));
    assert_eq!(second.unfinished().iter().map(|event| event.seq).collect::<Vec<_>>(), [5]);
    assert_eq!(second.unfinished(), []);
    second.connected();
    let live = event("b", 1);
    second.append(live).await.kept().await;
    let mut seqs = vec![];
    for _ in 0..5 {
        let offer = bounded(second.next()).await;
        assert_eq!(offer.event.replayed, offer.event.camera == camera);
        seqs.push((offer.event.camera.to_string(), offer.event.seq));
        assert!(second.ack(offer.row));
    }
    seqs.sort();
    assert_eq!(seqs.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(), [2, 3, 4, 5, 1]);
    drop(second);
    let third = Outbox::open(&settings, Clock::system()).unwrap();
    assert_eq!((third.stats().rows, third.last_seq(&camera)), (0, 5));
}

#[tokio::test]
async fn rows_come_again_after_a_lost_connection_and_go_with_the_ack() {
    let outbox = outbox();
    outbox.append(event("a", 1)).await.kept().await;
    outbox.connected();
    outbox.append(event("a", 2)).await.kept().await;
    let (first, second) = (bounded(outbox.next()).await, bounded(outbox.next()).await);
    assert_eq!((first.event.seq, first.event.replayed), (1, true));
    assert_eq!((second.event.seq, second.event.replayed), (2, false));
    let mut acknowledged = outbox.acknowledged();
    assert!(outbox.ack(first.row));
    assert!(acknowledged.has_changed().unwrap());
    outbox.disconnected();
    outbox.connected();
    let again = bounded(outbox.next()).await;
    assert_eq!((again.event.seq, again.event.replayed), (2, true));
    assert!(outbox.ack(again.row));
    assert!(!outbox.ack(again.row));
    let stats = outbox.stats();
    assert_eq!((stats.rows, stats.bytes, stats.acked_total, stats.evicted_total), (0, 0, 2, 0));
    assert_eq!(acknowledged.borrow_and_update().rows, 2);
}
