//! Files that cannot be read, and text that is no TOML.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn report_file(path: &Path) -> String {
    let folder = path.parent().unwrap().display().to_string();
    Config::load(path, &environment).unwrap_err().render(false, 100).replace(&folder, "/etc/eyewitness")
}

#[test]
fn a_file_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    snapshot!("file_missing", report_file(&folder.path().join("eyewitness.toml")));
}

#[test]
fn a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conf.d");
    fs::create_dir(&path).unwrap();
    snapshot!("file_folder", report_file(&path));
}

#[test]
fn a_file_that_may_not_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eyewitness.toml");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser reads everything; what would be said is the same.
    let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let error = Config::load(&path, &environment).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. } | ConfigError::Invalid { .. }));
    let error = ConfigError::Unreadable { path: "/etc/eyewitness/eyewitness.toml".into(), source };
    snapshot!("file_unreadable", error.render(false, 100));
}

#[test]
fn a_file_that_is_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eyewitness.toml");
    fs::write(&path, b"node = \"a\"\n# caf\xe9\n").unwrap();
    snapshot!("file_not_utf8", report_file(&path));
}

#[test]
fn a_file_that_is_far_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eyewitness.toml");
    fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    snapshot!("file_too_large", report_file(&path));
}

#[test]
fn an_empty_file() {
    snapshot!("file_empty", report(""));
}

#[test]
fn text_without_quotes_and_yaml() {
    snapshot!(
        "syntax_unquoted",
        report(
            "node: garage\n[mqtt]\nurl = mqtt://broker\nkeep_alive = 30s\n[[camera]\nid = \"a\nurl = 'test://'\nfps =\n"
        )
    );
}

#[test]
fn backslashes_and_words() {
    snapshot!("syntax_backslash", report_with_camera("[model]\npath = \"C:\\models\\tiny\"\nhello\n= 5\n"));
}

#[test]
fn a_syntax_error_does_not_hide_the_rest() {
    snapshot!("syntax_and_more", report_with_camera("nodes = \"a\"\n[model]\nthreads = -1\nprompt = Say it.\n"));
}

#[test]
fn keys_and_tables_twice() {
    snapshot!(
        "duplicate_keys",
        report_with_camera("node = \"a\"\nnode = \"b\"\n[model]\n[log]\n[model]\nthreads = 1\n")
    );
}
