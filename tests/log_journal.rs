//! What arrives in systemd's journal: a socket of ours stands where the journal's would, in a mount namespace of its own, so
//! that this machine's journal sees nothing of it.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use eyewitness::telemetry::{LogError, LogFormat, init};
use tracing::{debug, info, info_span, warn};

const SOCKET: &str = "/run/systemd/journal/socket";

/// An empty /run, and then this test program once more.
const INSIDE: &str = r#"mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && exec "$0" "$@""#;

#[test]
fn the_journal_gets_fields() {
    let namespace = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command
    };
    let possible = namespace().arg("mount -t tmpfs tmpfs /run").output();
    if !possible.is_ok_and(|output| output.status.success()) {
        // Some containers forbid it. Nothing else can stand where the journal's socket is.
        println!("not tested: this system allows no mount namespace");
        return;
    }
    let output = namespace()
        .arg(INSIDE)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "inside", "--ignored", "--nocapture"])
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "it did not run: {said}");
}

#[test]
#[ignore = "runs in the namespace that the other test makes"]
fn inside() {
    assert!(matches!(init("info", LogFormat::Journal), Err(LogError::Journal(_))), "nobody listens yet");
    let journal = Journal(UnixDatagram::bind(SOCKET).unwrap());
    journal.0.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let log = init("info", LogFormat::Journal).unwrap();

    info_span!("analyst", camera = %"front-door").in_scope(|| {
        info!(event = %"01JD", r#type = "start", confidence = Some(0.5), reason = None::<&str>, "A man\nwalks\u{1b}[31m");
    });
    let entry = journal.next();
    for (name, value) in [
        ("MESSAGE", "A man\nwalks\u{1b}[31m"),
        ("PRIORITY", "6"),
        ("SYSLOG_IDENTIFIER", "eyewitness"),
        ("SPAN_NAME", "analyst"),
        ("TARGET", "log_journal"),
        ("EYEWITNESS_CAMERA", "front-door"),
        ("EYEWITNESS_EVENT", "01JD"),
        ("EYEWITNESS_TYPE", "start"),
        ("EYEWITNESS_CONFIDENCE", "0.5"),
    ] {
        assert_eq!(entry.get(name).map(String::as_str), Some(value), "{name} of {entry:?}");
    }
    // Nothing to say is no field.
    assert!(!entry.contains_key("EYEWITNESS_REASON"), "{entry:?}");
    let strange = |name: &&String| name.starts_with('_') || !name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    assert_eq!(entry.keys().find(strange), None, "the journal would drop it");

    // A value of ours does not pass for one of the journal's.
    warn!(priority = 0, syslog_identifier = "sshd", "no");
    let entry = journal.next();
    assert_eq!((&*entry["PRIORITY"], &*entry["SYSLOG_IDENTIFIER"]), ("4", "eyewitness"));
    assert_eq!(entry["EYEWITNESS_PRIORITY"], "0");

    // More than a datagram holds is passed as a file, which is not read here; the next one is whole again.
    info!("{}", "long ".repeat(200_000));
    journal.0.recv(&mut [0; 16]).unwrap();

    // The filter changes while it runs; one that is wrong changes nothing.
    debug!("too quiet");
    assert!(log.set_filter("info,log_journal=debug").unwrap());
    debug!("loud enough");
    let entry = journal.next();
    assert_eq!((&*entry["MESSAGE"], &*entry["PRIORITY"]), ("loud enough", "7"));
    assert!(matches!(log.set_filter("info=loud"), Err(LogError::Filter { .. })));
    debug!("as before");
    assert_eq!(journal.next()["MESSAGE"], "as before");
    assert!(log.set_filter("error").unwrap());
    warn!("too quiet again");
    assert!(log.set_filter("warn").unwrap());
    warn!("last");
    assert_eq!(journal.next()["MESSAGE"], "last");
    assert!(matches!(init("info", LogFormat::Text), Err(LogError::Twice(_))));
}

struct Journal(UnixDatagram);

impl Journal {
    /// The next entry in the journal's native form: a name, and either `=` and a line, or a line's end, the length in
    /// eight bytes and the value.
    fn next(&self) -> BTreeMap<String, String> {
        let mut entry = BTreeMap::new();
        let mut buffer = vec![0; 64 << 10];
        let count = loop {
            // The library sends an empty one to see who listens.
            match self.0.recv(&mut buffer).unwrap() {
                0 => {}
                count => break count,
            }
        };
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
            let line = std::str::from_utf8(&rest[..end]).unwrap();
            rest = &rest[end + 1..];
            let (name, value) = if let Some((name, value)) = line.split_once('=') {
                (name, value.to_owned())
            } else {
                let (length, behind) = rest.split_at(8);
                let length = usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
                rest = &behind[length + 1..];
                (line, String::from_utf8(behind[..length].to_vec()).unwrap())
            };
            entry.insert(name.to_owned(), value);
        }
        entry
    }
}
