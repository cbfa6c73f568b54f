//! Where optimised graphs are kept, when there is no room for them.

use std::fs;
use std::process::{Command, Stdio};

use crate::files::{CAT, Folder};
use crate::support::program;

/// As on a full disk, every write beyond a limit fails; the program only says that it could not keep the graphs.
#[test]
fn a_full_disk_under_the_cache_is_said_and_survived() {
    let folder = Folder::new();
    let inner = program::command(folder.path(), &["describe", CAT]);
    let mut limited = Command::new("sh");
    // A file ends at 512 KiB here; the signal for it is ignored, so that the write itself fails.
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""])
        .arg(inner.get_program())
        .args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let cache = folder.path().join("cache");
    limited.env("CACHE_DIRECTORY", &cache).current_dir(folder.path()).stdin(Stdio::null());
    let ended = program::ended(limited);
    assert_eq!(ended.status, 0, "{}", ended.err);
    assert!(ended.out.contains("cat"), "{}", ended.out);
    assert!(ended.err.contains("the optimised graph cannot be kept"), "{}", ended.err);
    let graphs: Vec<_> = fs::read_dir(cache.join("graphs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let whole = |path: &std::path::PathBuf| path.metadata().unwrap().len() < 512 << 10 && path.is_file();
    assert!(graphs.iter().all(whole), "nothing half written: {graphs:?}");

    // With room again, the next start keeps them.
    let mut roomy = program::command(folder.path(), &["describe", CAT]);
    roomy.env("CACHE_DIRECTORY", &cache);
    let ended = program::ended(roomy);
    assert_eq!((ended.status, ended.err.contains("cannot be kept")), (0, false), "{}", ended.err);
    assert_eq!(fs::read_dir(cache.join("graphs")).unwrap().count(), 3);
}
