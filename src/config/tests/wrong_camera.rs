//! Wrong cameras, gates and rules.

use super::*;

#[test]
fn no_camera() {
    snapshot!("no_camera", report("node = \"garage\"\n"));
}

#[test]
fn cameras_without_what_they_need() {
    snapshot!("camera_incomplete", report("[[camera]]\n[[camera]]\nid = \"a\"\n[[camera.rule]]\n"));
}

#[test]
fn ids_twice() {
    snapshot!(
        "duplicate_ids",
        report(
            "[[camera]]\nid = \"a\"\nurl = \"test://\"\n[[camera.rule]]\nid = \"x\"\nask = \"Is it?\"\n\
             [[camera.rule]]\nid = \"x\"\nask = \"Is it not?\"\n[[camera]]\nid = \"a\"\nurl = \"test://\"\n\
             [[camera]]\nid = \"Front Door\"\nurl = \"test://\"\n"
        )
    );
}

#[test]
fn addresses() {
    snapshot!(
        "camera_addresses",
        report(
            "[[camera]]\nid = \"a\"\nurl = \"ftp://me:hunter2@host/x\"\n[[camera]]\nid = \"b\"\nurl = \"rtsp://\"\n\
             [[camera]]\nid = \"c\"\nurl = \"csi://left\"\n[[camera]]\nid = \"d\"\nurl = \"\"\n\
             [[camera]]\nid = \"e\"\nurl = \"rtps://viewer:${FRONT_DOOR}@host/x\"\n"
        )
    );
}

#[test]
fn keys_for_another_kind_of_camera() {
    snapshot!(
        "camera_misfits",
        report_camera(
            "loop = true\npace = \"fast\"\n[[camera]]\nid = \"b\"\nurl = \"clip.mp4\"\ntransport = \"udp\"\nusername = \"me\"\n"
        )
    );
}

#[test]
fn credentials_twice() {
    snapshot!(
        "camera_credentials",
        report(
            "[[camera]]\nid = \"a\"\nurl = \"rtsp://me:hunter2@host/x\"\nusername = \"me\"\npassword = \"hunter2\"\npassword_file = \"/nowhere/secret\"\n"
        )
    );
}

#[test]
fn numbers_and_words() {
    snapshot!(
        "camera_values",
        report_camera(
            "fps = 0\ntimeout = \"0s\"\ndecode = \"keyframe\"\ntransport = \"TCP\"\ndecoder = \"avdec_h264 ! x\"\nenabled = \"yes\"\n"
        )
    );
    snapshot!("camera_fps", report_camera("fps = 61.5"));
    snapshot!("camera_fps_nan", report_camera("fps = nan"));
}

#[test]
fn masks() {
    snapshot!(
        "masks",
        report_camera(
            "masks = [\n  [[0.0, 0.0], [1.0, 0.0]],\n  [[0, 0], [640, 0], [640, 480]],\n  [[0, 0], [1], [\"a\", 1], 5],\n  \"all\",\n]\n"
        )
    );
    snapshot!("masks_flat", report_camera("masks = [[0, 0], [0.5, 0], [0.5, 0.5]]"));
    snapshot!("masks_kind", report_camera("masks = \"left\""));
    snapshot!("zones", report_camera("zones = [[[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [1.2, 0.0], [1.0, 1.0]]]\n"));
}

#[test]
fn gates() {
    snapshot!(
        "gate_values",
        report_camera(
            "[camera.gate]\nsensitivity = 1.5\nsettle = 2\nmin_interval = \"90s\"\nreuse_for = \"-1s\"\nbudget = \"12\"\nshare = 1.5\n"
        )
    );
    snapshot!("gate_intervals", report_camera("[camera.gate]\nmin_interval = \"10s\"\nrefresh = \"5s\"\n"));
}

#[test]
fn rules() {
    snapshot!(
        "rules",
        report_camera("[[camera.rule]]\nid = \"Parcel?\"\nask = \"\"\n[[camera.rule]]\nid = 7\nask = true\n")
    );
    let keys = |keys: &str| report_camera(&format!("[[camera.rule]]\nid = \"x\"\nask = \"Is it?\"\n{keys}"));
    snapshot!(
        "rule_values",
        keys(
            "when = \"sometimes\"\nevery = \"10s\"\nregion = [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]]\non_above = 0.2\n\
              off_below = 0.8\nhold = \"-1s\"\nagree = \"most\"\nalert = \"yes\"\n"
        )
    );
    snapshot!("rule_agree", keys("agree = \"2 of 4\"\nwhen = \"1ms\"\nregion = 7\non_above = 1.5\n"));
}

#[test]
fn more_than_a_box_can_take() {
    let cameras = |count: usize| -> String {
        (0..count).map(|i| format!("[[camera]]\nid = \"c{i}\"\nurl = \"test://\"\n")).collect()
    };
    assert_eq!(load(&cameras(64)).config.cameras.len(), 64);
    snapshot!("most_cameras", report(&cameras(70)));
    let long = "x".repeat((16 << 10) + 1);
    snapshot!(
        "most_letters",
        report_with_camera(&format!("[mqtt]\nurl = \"mqtt://b\"\nusername = \"me\"\npassword = \"{long}\"\n"))
    );
    let rules: String = (0..33).map(|i| format!("[[camera.rule]]\nid = \"r{i}\"\nask = \"Is it {i}?\"\n")).collect();
    snapshot!("most_rules", report_camera(&rules));
    let points = vec!["[0.5, 0.5]"; 257].join(", ");
    let polygons = vec!["[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]"; 65].join(", ");
    snapshot!("most_places", report_camera(&format!("masks = [[{points}]]\nzones = [{polygons}]\n")));
}
