//! Disks that are full, read-only, away, or somebody else's.

use std::fs;

use super::*;
use crate::outbox::folder::FILE;

#[tokio::test]
async fn a_full_disk_is_got_over_in_memory_and_caught_up_with() {
    let flash = Flash::default();
    let outbox = start(&flash, &unbounded());
    outbox.connected();
    outbox.append(event("a", 1)).await.kept().await;
    flash.break_after(0, u32::MAX);
    for seq in 2..=20 {
        bounded(outbox.append(event("a", seq))).await.kept().await;
    }
    let Keeping::Failing(words) = outbox.keeping() else { panic!("{:?}", outbox.keeping()) };
    assert!(words.contains("make room on it"), "{words}");
    // What was on the disk can still be read, and comes first.
    let first = bounded(outbox.next()).await;
    assert_eq!(first.event.seq, 1);
    assert!(outbox.ack(first.row));
    assert_eq!(bounded(outbox.next()).await.event.seq, 2);
    flash.heal();
    until("it is on disk again", || outbox.keeping() == Keeping::Disk).await;
    drop(outbox);
    let outbox = start(&flash, &unbounded());
    assert_eq!(outbox.last_seq(&camera("a")), 20);
    assert_eq!(seqs(&drain(&outbox).await, "a"), (2..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_disk_that_is_away_at_the_begin_is_taken_over_later() {
    let flash = Flash::default();
    let outbox = start(&flash, &unbounded());
    for seq in 1..=5 {
        outbox.append(event("a", seq)).await.kept().await;
    }
    drop(outbox);
    flash.state().reads_fail = true;
    let outbox = start(&flash, &unbounded());
    assert!(matches!(outbox.keeping(), Keeping::Failing(_)));
    outbox.append(event("b", 1)).await.kept().await;
    outbox.append(event("a", 1)).await.kept().await;
    assert_eq!(outbox.stats().rows, 2);
    let early = bounded(outbox.next()).await;
    assert!(outbox.ack(early.row));
    flash.state().reads_fail = false;
    until("it is on disk", || outbox.keeping() == Keeping::Disk).await;
    assert_eq!((outbox.stats().rows, outbox.last_seq(&camera("a"))), (6, 5));
    drop(outbox);
    // And all of it once more from the disk: numbers of rows went on behind those that were there.
    let outbox = start(&flash, &unbounded());
    let all = drain(&outbox).await;
    assert_eq!(all.len(), 6);
    outbox.append(event("a", 6)).await.kept().await;
    assert_eq!(seqs(&drain(&outbox).await, "a"), [6]);
}

#[tokio::test]
async fn what_is_held_in_memory_is_bounded_and_ends_go_last() {
    let size = event("a", 100).to_json().len() as u64;
    let flash = Flash::default();
    let outbox = start(&flash, &Settings { max_size: 10 * size, max_age: Duration::MAX, ..Settings::default() });
    flash.break_after(0, u32::MAX);
    for seq in 100..150 {
        let mut event = event("a", seq);
        if seq < 105 {
            event.kind = crate::event::Kind::End;
        }
        outbox.append(event).await.kept().await;
    }
    let stats = outbox.stats();
    assert!(stats.bytes <= 10 * size && stats.rows + stats.evicted_total == 50, "{stats:?}");
    let left = seqs(&drain(&outbox).await, "a");
    assert!(left.starts_with(&[100, 101, 102, 103, 104]), "{left:?}");
}

#[tokio::test]
async fn a_file_in_place_of_the_folder_is_said_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    fs::write(&path, "a letter").unwrap();
    let settings = Settings { path: path.clone(), ..Settings::default() };
    assert!(probe(&settings).unwrap_err().contains("has to be a folder"), "{:?}", probe(&settings));
    let outbox = Outbox::start(Box::new(Folder::new(&path)), &settings, Clock::system(), quick()).unwrap();
    let Keeping::Failing(words) = outbox.keeping() else { panic!("{:?}", outbox.keeping()) };
    assert!(words.contains("has to be a folder"), "{words}");
    outbox.append(event("a", 1)).await.kept().await;
    fs::remove_file(&path).unwrap();
    until("it is on disk", || outbox.keeping() == Keeping::Disk).await;
    assert!(probe(&settings).is_ok());
    outbox.close().await;
    assert!(path.join(FILE).exists());
}

#[tokio::test]
async fn one_process_at_a_time() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { path: folder.path().join("deep/outbox"), ..Settings::default() };
    let first = Outbox::open(&settings, Clock::system()).unwrap();
    let error = Outbox::open(&settings, Clock::system()).unwrap_err();
    assert!(error.to_string().contains("in use by another process"), "{error}");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&settings.path), mode(&settings.path.join(FILE))), (0o700, 0o600));
    first.close().await;
    assert!(Outbox::open(&settings, Clock::system()).is_ok());
}

#[tokio::test]
async fn ten_thousand_rows_of_one_camera_do_not_hold_up_another() {
    let flash = Flash::default();
    let outbox = start(&flash, &unbounded());
    let mut last = None;
    for seq in 1..=10_000 {
        last = Some(outbox.append(event("a", seq)).await);
    }
    last.unwrap().kept().await;
    drop(outbox);
    let outbox = start(&flash, &unbounded());
    outbox.connected();
    for seq in 1..=100 {
        let offer = bounded(outbox.next()).await;
        assert_eq!(offer.event.seq, seq);
        outbox.ack(offer.row);
    }
    outbox.append(event("b", 1)).await.kept().await;
    let next = [bounded(outbox.next()).await, bounded(outbox.next()).await];
    assert!(next.iter().any(|offer| offer.event.camera.as_str() == "b"), "{next:?}");
    outbox.disconnected();
    let all = drain(&outbox).await;
    assert_eq!(seqs(&all, "a"), (101..=10_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_slow_card_takes_a_thousand_events_in_a_second() {
    let clock = Clock::system();
    let flash = Flash::default();
    flash.state().sync_takes = Duration::from_millis(20);
    let outbox = start(&flash, &unbounded());
    let (start, syncs) = (clock.now(), flash.state().syncs);
    let mut receipts = vec![];
    for seq in 1..=1000 {
        receipts.push(outbox.append(event("a", seq)).await);
    }
    for receipt in receipts {
        receipt.kept().await;
    }
    let (took, syncs) = (clock.now().since(start), flash.state().syncs - syncs);
    assert!(took < Duration::from_secs(1), "{took:?}, {syncs} syncs");
    assert!(syncs < 30, "{syncs} syncs");
    // Acknowledgements alone wait for each other.
    outbox.connected();
    let before = outbox.stats().commits_total;
    assert_eq!(drain(&outbox).await.len(), 1000);
    until("the removals are on the disk", || flash.state().unsynced() == 0).await;
    let commits = outbox.stats().commits_total - before;
    assert!(commits <= 8, "{commits} commits");
}

/// The kernel itself says no: the file may not grow beyond 4 MiB. The test runs itself once more under that limit.
#[test]
fn a_file_that_may_not_grow() {
    const CHILD: &str = "EYEWITNESS_FILE_LIMIT";
    if std::env::var_os(CHILD).is_none() {
        let script =
            "trap '' XFSZ; ulimit -S -f 8192; exec \"$0\" --exact outbox::tests::trouble::a_file_that_may_not_grow";
        let program = std::env::current_exe().unwrap();
        let run = std::process::Command::new("sh").args(["-c", script]).arg(program).env(CHILD, "1").output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { path: folder.path().join("outbox"), ..Settings::default() };
    let medium = Box::new(Folder::new(&settings.path));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let outbox = Outbox::start(medium, &settings, Clock::system(), quick()).unwrap();
        let mut seq = 0;
        let append = async |outbox: &Outbox, seq: u64| {
            let event = Event { description: Some("x".repeat(40_000)), ..event("a", seq) };
            bounded(outbox.append(event).await.kept()).await;
        };
        while outbox.keeping() == Keeping::Disk && seq < 3000 {
            seq += 1;
            append(&outbox, seq).await;
        }
        let Keeping::Failing(words) = outbox.keeping() else { panic!("{seq} fitted") };
        assert!(words.contains("allow larger files"), "{words}");
        seq += 1;
        append(&outbox, seq).await;
        let first = bounded(outbox.next()).await;
        assert_eq!((first.event.seq, outbox.stats().rows), (1, seq));
        outbox.ack(first.row);
        let more = std::process::Command::new("prlimit")
            .args(["--fsize=unlimited:unlimited", "--pid", &std::process::id().to_string()])
            .status();
        if more.is_ok_and(|status| status.success()) {
            until("it is on disk again", || outbox.keeping() == Keeping::Disk).await;
            outbox.close().await;
            drop(outbox);
            let outbox = Outbox::open(&settings, Clock::system()).unwrap();
            assert_eq!(seqs(&drain(&outbox).await, "a"), (2..=seq).collect::<Vec<_>>());
        } else {
            assert_eq!(seqs(&drain(&outbox).await, "a"), (2..=seq).collect::<Vec<_>>());
        }
    });
}
