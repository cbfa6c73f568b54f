//! Secrets arrive where they belong and are shown nowhere.

use secrecy::ExposeSecret as _;

use super::*;
use crate::source::Location;

const CAMERA: &str = "[[camera]]\nid = \"a\"\nurl = \"test://\"\n";

fn url(loaded: &Loaded) -> &str {
    match &loaded.config.cameras[0].source.location {
        Location::Rtsp { url, .. } | Location::Http { url } => url.expose_secret(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_password_comes_from_a_file_without_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), " p@ss word \r\n").unwrap();
    let config = folder.path().join("eyewitness.toml");
    let text = "[mqtt]\nurl = \"mqtt://b\"\nusername = \"me\"\npassword_file = \"secret\"\n\
                [[camera]]\nid = \"a\"\nurl = \"rtsp://host/x\"\nusername = \"a:b\"\npassword_file = \"secret\"\n";
    std::fs::write(&config, text).unwrap();
    let loaded = Config::load(&config, &environment).unwrap();
    assert_eq!(loaded.config.mqtt.as_ref().unwrap().password.as_ref().unwrap().expose_secret(), " p@ss word ");
    assert_eq!(url(&loaded), "rtsp://a%3Ab:%20p%40ss%20word%20@host/x");
    assert_eq!(loaded.notices, []);
}

#[test]
fn a_password_from_the_environment_fits_into_the_address() {
    let loaded =
        load("[mqtt]\nurl = \"mqtt://b\"\n[[camera]]\nid = \"a\"\nurl = \"rtsp://viewer:${FRONT_DOOR}@host/x\"\n");
    assert_eq!(url(&loaded), "rtsp://viewer:s3cret%2Fwith%40signs@host/x");
    assert_eq!(loaded.notices, []);
}

#[test]
fn a_password_in_clear_text_is_noticed() {
    let loaded = load(
        "[mqtt]\nurl = \"mqtts://b\"\nusername = \"me\"\npassword = \"hunter2\"\nverify = false\n\
         [[camera]]\nid = \"a\"\nurl = \"rtsp://me:hunter2@host/x\"\n",
    );
    let notices: Vec<String> = loaded.notices.iter().map(Notice::to_string).collect();
    snapshot!("notices_secrets", notices.join("\n"));
}

#[test]
fn debug_shows_no_secret() {
    let loaded = load(&format!(
        "[mqtt]\nurl = \"mqtt://b\"\nusername = \"me\"\npassword = \"hunter2\"\n\
         [[camera]]\nid = \"b\"\nurl = \"rtsp://me:hunter2@host/x\"\n[[camera]]\nid = \"c\"\nurl = \"http://host/${{HUNTER}}\"\n{CAMERA}"
    ));
    let shown = format!("{loaded:?} {loaded:#?}");
    assert!(shown.contains("`b`") && shown.contains("REDACTED"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn no_report_shows_a_secret() {
    for text in [
        "[mqtt]\nurl = \"mqtt://b\"\npassword = \"hunter2\"",
        "[mqtt]\nurl = \"mqtt://b\"\npassword = \"hunter2\nx = 1",
        "[mqtt]\nurl = \"mqtt://b\"\npassword = hunter2",
        "[mqtt]\nurl = \"mqtt://b\"\npassword: hunter2",
        "[mqtt]\nurl = \"mqtt://b\"\npassword \"hunter2\"",
        "[mqtt]\nurl = \"mqtt://b\"\npassword =\n\"hunter2\"",
        "[mqtt]\nurl = \"mqtt://b\"\npassword = \"\"\"\nhunter2\"\"\" x",
        "[mqtt]\nurl = \"mqtt://b\"\npassword = [\"hunter2\"]",
        "[mqtt]\nurl = \"mqtt://b\"\npasswort = \"hunter2\"",
        "[mqtt]\nurl = \"mqtt://b\"\nmqtt.password = \"hunter2\"",
        "[mqtt]\nurl = \"mqtt://me:hunter2@b\"",
        "[mqtt]\nurl = \"mqtt://me:hunter2\\@b\"",
        "[mqtt]\nurl = \"hunter2@b\"",
        "[mqtt]\nurl = \"me:${HUNTER}@b\"",
        "[mqtt]\nurl = \"${HUNTER}\"",
        "mqtt = { url = \"mqtt://b\", password = \"hunter2\" }",
        "mqtt.password = \"hunter2\" # was hunter2\nmqtt.x = 1",
        "[[camera]]\nid = \"x\"\nurl = \"rtsp://me:hunter2@\"",
        "[[camera]]\nid = \"x\"\nurl = \"rtps://me:hunter2@host\"",
        "[[camera]]\nid = \"x\"\nurl = \"${HUNTER}://host\"",
        "[[camera]]\nid = \"x\"\nurl = \"csi://${HUNTER}\"",
        "[[camera]]\nid = \"x\"\nurl = rtsp://me:hunter2@host",
        "\"rtsp://me:hunter2@host\" = 1",
        "[[camera]]\nid = \"x\"\nurl = \"test://\"\ndecode = \"rtsp://me:hunter2@host\"",
        "[[camera]]\nid = \"${HUNTER}!\"\nurl = \"test://\"",
        "[[camera]]\nid = \"x\"\nurl = \"test://\"\ndecode = \"${HUNTER}\"\ntimeout = \"${HUNTER}\"",
        "[[camera]]\nid = \"x\"\nurl = \"test://\"\ndecoder = \"${HUNTER}!\"",
        "[model]\nbudget = \"${HUNTER}\"\n[http]\nlisten = \"${HUNTER}\"\n[log]\nfilter = \"${HUNTER}=${HUNTER}\"",
    ] {
        let text = format!("{text}\n{CAMERA}");
        let shown = match Config::parse("eyewitness.toml", &text, &environment) {
            Ok(loaded) => format!("{loaded:?}"),
            Err(error) => {
                let ours = format!("{} {error:?} {error}", error.render(false, 100));
                format!("{ours} {:?}", miette::Report::new(error))
            }
        };
        assert!(!shown.contains("hunter2"), "{text}\n---\n{shown}");
    }
}

#[test]
fn a_secret_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    std::fs::write(folder.path().join("bytes"), b"\xff\xfe").unwrap();
    std::fs::write(folder.path().join("large"), vec![b'x'; 70_000]).unwrap();
    let headline = |name: &str| {
        let file = folder.path().join(name).display().to_string();
        let text = format!("[mqtt]\nurl = \"mqtt://b\"\nusername = \"me\"\npassword_file = \"{file}\"\n{CAMERA}");
        let report = report(&text).replace(&folder.path().display().to_string(), "/run/credentials");
        report.lines().find(|line| line.contains('×')).unwrap_or_default().to_owned()
    };
    snapshot!("password_files", ["missing", "empty", "bytes", "large", ""].map(headline).join("\n"));
}
