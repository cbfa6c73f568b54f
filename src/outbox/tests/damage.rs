//! Files that are damaged: found, set aside, saved from as far as it goes, and never a reason to stop.

use std::fs;
use std::path::Path;

use super::*;
use crate::outbox::folder::FILE;

/// Five rows of `a` and one of `b` wait; the first two of `a` are acknowledged.
async fn fill(flash: &Flash) {
    let outbox = start(flash, &unbounded());
    outbox.connected();
    for seq in 1..=5 {
        outbox.append(event("a", seq)).await.kept().await;
    }
    for _ in 0..2 {
        let offer = bounded(outbox.next()).await;
        outbox.ack(offer.row);
    }
    outbox.append(event("b", 1)).await.kept().await;
    outbox.close().await;
}

/// Opens it: nothing of what is found was never there, nothing comes twice, and it works.
async fn check(flash: &Flash, what: &str) -> Vec<(String, u64)> {
    let outbox = start(flash, &unbounded());
    let found = drain(&outbox).await;
    let stats = outbox.stats();
    assert!(seqs(&found, "a").is_sorted() && found.len() <= 6, "{what}: {found:?} {stats:?}");
    let seq = outbox.last_seq(&camera("a")) + 1;
    bounded(outbox.append(event("a", seq)).await.kept()).await;
    until("it is on disk", || outbox.keeping() == Keeping::Disk).await;
    assert_eq!(drain(&outbox).await, [("a".to_owned(), seq)], "{what}");
    outbox.close().await;
    let outbox = start(flash, &unbounded());
    assert_eq!((outbox.keeping(), outbox.last_seq(&camera("a"))), (Keeping::Disk, seq), "{what}");
    found
}

#[tokio::test]
async fn a_file_that_is_cut_off_anywhere() {
    let whole = Flash::default();
    fill(&whole).await;
    let file = whole.state().synced.clone();
    let mut saved = 0;
    for length in (0..file.len()).step_by(4096) {
        let flash = Flash::default();
        flash.damage(|now| *now = file[..length].to_vec());
        saved += usize::from(check(&flash, &format!("cut off at {length}")).await.len() == 4);
    }
    assert!(saved > 0, "nothing was ever saved");
}

#[tokio::test]
async fn bytes_that_changed_anywhere() {
    let whole = Flash::default();
    fill(&whole).await;
    let file = whole.state().synced.clone();
    let used: Vec<usize> = (0..file.len()).filter(|at| file[*at] != 0).collect();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..150 {
        let flash = Flash::default();
        let mut changed = file.clone();
        for _ in 0..1 << (round % 8) {
            changed[used[random.usize(..used.len())]] ^= 1 << random.u8(..8);
        }
        flash.damage(|now| *now = changed);
        check(&flash, &format!("round {round}")).await;
    }
}

#[tokio::test]
async fn a_file_of_something_else() {
    let mut random = fastrand::Rng::with_seed(7);
    let noise: Vec<u8> = (0..100_000).map(|_| random.u8(..)).collect();
    for (what, bytes) in [("noise", noise.as_slice()), ("text", b"SQLite format 3\0"), ("zeros", &[0; 9000])] {
        let flash = Flash::default();
        flash.damage(|now| *now = bytes.to_vec());
        assert_eq!(check(&flash, what).await, []);
        assert_eq!(flash.state().aside, [bytes.to_vec()], "{what}");
    }
    let empty = Flash::default();
    assert_eq!(check(&empty, "nothing").await, []);
    assert_eq!(empty.state().aside.len(), 0);
}

#[tokio::test]
async fn a_database_of_something_else_and_one_of_a_later_version() {
    let table = redb::TableDefinition::<&str, u64>::new("meta");
    for (key, value, says) in [("version", 2, "later"), ("visits", 3, "else")] {
        let flash = Flash::default();
        let db = flash.plug().open().unwrap();
        let write = db.begin_write().unwrap();
        write.open_table(table).unwrap().insert(key, value).unwrap();
        write.commit().unwrap();
        drop(db);
        assert_eq!(check(&flash, says).await, []);
        assert_eq!(flash.state().aside.len(), 1, "{says}");
    }
}

#[tokio::test]
async fn damage_while_it_is_open() {
    let flash = Flash::default();
    let outbox = start(&flash, &unbounded());
    outbox.connected();
    for seq in 1..=3000 {
        let _ = outbox.append(event("a", seq)).await;
    }
    outbox.append(event("b", 1)).await.kept().await;
    flash.damage(|now| {
        let length = now.len();
        now[length / 3..length / 2].fill(0x55);
    });
    let found = drain(&outbox).await;
    let stats = outbox.stats();
    assert_eq!(found.len() as u64 + stats.unreadable_total, 3001, "{stats:?}");
    assert!(seqs(&found, "a").is_sorted());
    bounded(outbox.append(event("b", 2)).await.kept()).await;
    until("it is on disk", || outbox.keeping() == Keeping::Disk).await;
    assert!(flash.state().aside.len() <= 2);
}

#[tokio::test]
async fn what_is_set_aside_is_kept_beside_it_twice_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { path: folder.path().join("outbox"), ..Settings::default() };
    fs::create_dir(&settings.path).unwrap();
    let names = |path: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    for old in ["20240101T000000Z", "20250101T000000Z", "20230101T000000Z"] {
        fs::write(settings.path.join(format!("{FILE}.corrupt-{old}")), old).unwrap();
    }
    fs::write(settings.path.join(FILE), "no database").unwrap();
    let outbox = Outbox::open(&settings, Clock::system()).unwrap();
    assert_eq!(outbox.keeping(), Keeping::Disk);
    outbox.close().await;
    let names = names(&settings.path);
    assert_eq!(names[..2], [FILE.to_owned(), format!("{FILE}.corrupt-20250101T000000Z")], "{names:?}");
    assert_eq!(names.len(), 3);
    assert_eq!(fs::read(settings.path.join(&names[2])).unwrap(), b"no database");
}
