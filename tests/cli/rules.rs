//! `rules fit` with the real model on a few pictures, and `replay --truth` with labels of rules.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::files::{self, CAMERA, CAT, Folder};
use crate::support::program::run;
use crate::{refused, says};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/tiny/fixtures");

/// A person, and things that are none.
fn labels() -> String {
    let of = |file: &str, answer: &str| serde_json::json!({"image": format!("{FIXTURES}/{file}"), "answer": answer});
    let frames =
        [of("astronaut_300.png", "yes"), of("chelsea.png", "no"), of("coffee_330.png", "no"), of("rocket.jpg", "no")];
    serde_json::json!({"frames": frames}).to_string()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_question_is_fitted_saved_used_and_taken_back() {
    let folder = Folder::new();
    folder.write("labels.json", labels());
    let ask = ["rules", "fit", "labels.json", "--ask", "Is there a person?"];
    let shown = run(folder.path(), &ask);
    assert_eq!(shown.status, 0, "{shown:?}");
    says(
        &shown.out,
        &["Is there a person?  (tiny/int8@cpu", "  1 labels yes, 3 no\n", "as the model says it", "ECE", "Platt"],
    );
    says(
        &shown.err,
        &["Warning: only 1 label is `yes`", "too few labels to hold any back", "Nothing was written: `--save`"],
    );
    assert!(!folder.path().join("state").exists());

    let saved = run(folder.path(), &[&ask[..], &["--save", "--json"]].concat());
    assert_eq!(saved.status, 0, "{saved:?}");
    let path = folder.path().join("state/eyewitness/calibration.json");
    let document = json(&saved.out);
    assert_eq!(document["saved"], path.to_str().unwrap());
    assert_eq!((&document["method"], &document["before"]["wrong"]), (&"Platt".into(), &0.into()), "{document}");
    says(&saved.err, &["which is new. To undo it: rm '", "from its next start on"]);
    let first = fs::read_to_string(&path).unwrap();
    let entry = &json(&first)["entries"][0];
    assert_eq!((&entry["model"], &entry["ask"]), (&"tiny/int8".into(), &"Is there a person?".into()), "{entry}");
    assert!(entry["platt"]["a"].as_f64().unwrap() > 0.0, "{entry}");

    // The same labels give the same file, and another question stands beside it.
    run(folder.path(), &[&ask[..], &["--save", "again.json"]].concat());
    assert_eq!(fs::read_to_string(folder.path().join("again.json")).unwrap(), first);
    let other = run(folder.path(), &["rules", "fit", "labels.json", "--ask", "Is there someone?", "--save", "state"]);
    assert_eq!(other.status, 0, "{other:?}");
    says(&other.err, &["beside what else it holds. To undo it: mv '"]);
    assert_eq!(json(&fs::read_to_string(&path).unwrap())["entries"].as_array().unwrap().len(), 2);
    assert_eq!(fs::read_to_string(path.with_extension("json.before")).unwrap(), first);
}

#[test]
fn a_rule_is_asked_as_the_daemon_asks_it() {
    let folder = Folder::new();
    // Both halves of one picture: the part that the rule is about decides.
    let picture = image::open(Path::new(FIXTURES).join("astronaut_300.png")).unwrap();
    for (name, yes_at) in [("left.png", 0), ("right.png", 300)] {
        let mut both = image::RgbImage::from_pixel(600, 300, image::Rgb([90, 120, 90]));
        image::imageops::overlay(&mut both, &picture.to_rgb8(), yes_at, 0);
        both.save(folder.path().join(name)).unwrap();
    }
    folder.write(
        "labels.json",
        r#"{"frames": [{"image": "left.png", "answer": "yes"}, {"image": "right.png", "answer": "no"}]}"#,
    );
    let rule = "[[camera.rule]]\nid = \"left\"\nask = \"Is there a person?\"\n\
                region = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]\non_above = 0.9\n";
    folder.write("a.toml", format!("{CAMERA}{rule}"));
    let args = ["rules", "fit", "labels.json", "-c", "a.toml", "--rule", "ball/left", "--json", "--save", "."];
    let fitted = run(folder.path(), &args);
    assert_eq!(fitted.status, 0, "{fitted:?}");
    let document = json(&fitted.out);
    assert_eq!((&document["what"], &document["before"]["wrong"]), (&"ball/left: Is there a person?".into(), &0.into()));
    let entry = json(&fs::read_to_string(folder.path().join("calibration.json")).unwrap())["entries"][0].clone();
    assert_eq!((&entry["camera"], &entry["rule"]), (&"ball".into(), &"left".into()), "{entry}");
    // Masked, there is nobody, and the two cannot be told apart: that is no curve that rises.
    folder.write("b.toml", format!("{CAMERA}masks = [[[0, 0], [1, 0], [1, 1], [0, 1]]]\n{rule}"));
    let blind = run(folder.path(), &["rules", "fit", "labels.json", "-c", "b.toml", "--rule", "ball/left", "--json"]);
    assert_eq!(json(&blind.out)["before"]["wrong"], 1, "{blind:?}");
}

#[test]
fn what_is_wrong_with_labels_and_rules_is_said_at_once() {
    let folder = Folder::new();
    folder.write("labels.json", labels());
    folder.write("yes.json", labels().replace("\"no\"", "\"yes\""));
    folder.write(
        "wrong.json",
        r#"{"frames": [{"image": "gone.png", "answer": "yes"}, {"image": "gone.png", "answer": "perhaps"}],
            "clips": [{"clip": "film.mp4", "yes": [[2, 3], [2.5, 4], [5, 600]]}]}"#,
    );
    fs::copy(files::film(), folder.path().join("film.mp4")).unwrap();
    folder.write("a.toml", format!("{CAMERA}[[camera.rule]]\nid = \"cat\"\nask = \"Is there a cat?\"\n"));
    let fit = |args: &[&str]| run(folder.path(), &[&["rules", "fit"], args].concat());
    let all = fit(&["wrong.json", "--ask", "Is it?"]);
    refused(
        &all,
        64,
        &[
            "the labels `wrong.json` cannot be used:\n  frames[0]: there is no picture `gone.png`",
            "frames[1]: unknown variant `perhaps`",
            "clips[0], film.mp4: `yes`: [5, 600] goes beyond the clip, which lasts",
            "clips[0], film.mp4: `yes` [2, 3] and `yes` [2.5, 4] overlap",
        ],
    );
    for (args, words) in [
        (&["nowhere.json", "--ask", "Is it?"][..], "the labels `nowhere.json` cannot be used: there is no such file"),
        (&["labels.json"], "frames[0]: it asks nothing: write `ask`, or say `--rule` or `--ask`"),
        (&["labels.json", "--ask", " "], "`--ask` asks nothing"),
        (&["labels.json", "--ask", "?", "--clip", "a.mp4"], "`--clip a.mp4`: the labels do not name it"),
        (&["labels.json", "--ask", "?", "--every", "1ms"], "it is from \"100ms\" to \"1h\""),
        (
            &["labels.json", "-c", "a.toml", "--rule", "ball/dog"],
            "there is no rule `ball/dog` in the config\n  help: its rules are `ball/cat`",
        ),
        (
            &["yes.json", "--ask", "Is there a person?"],
            "every label is `yes`: what the other answer looks like cannot be learnt",
        ),
    ] {
        refused(&fit(args), 64, &[words]);
    }
    // A calibration that is something else is not written over.
    folder.write("precious.json", "precious");
    let kept = fit(&["labels.json", "--ask", "Is there a person?", "--save", "precious.json"]);
    assert_eq!(kept.status, 1, "{kept:?}");
    says(&kept.err, &["nothing was saved", "this is no calibration file"]);
    assert_eq!(fs::read(folder.path().join("precious.json")).unwrap(), b"precious");
    // Turned round.
    let cat = serde_json::json!({"frames": [{"image": CAT, "answer": "no"}, {"image": format!("{FIXTURES}/rocket.jpg"), "answer": "yes"}]});
    folder.write("turned.json", cat.to_string());
    let turned = fit(&["turned.json", "--ask", "Is there a cat?"]);
    refused(&turned, 1, &["says yes more often where no is right"]);
}

#[test]
fn a_clip_is_looked_at_as_its_labels_say() {
    let Some(clips) = std::env::var_os("EYEWITNESS_CLIPS").map(std::path::PathBuf::from).filter(|clips| clips.is_dir())
    else {
        println!("skipped: EYEWITNESS_CLIPS names no folder with labelled clips");
        return;
    };
    let folder = Folder::new();
    let labels = clips.join("labels.json");
    let ask = ["--ask", "Is there a car?", "--clip", "car-detection.mp4", "--json"];
    let fitted = run(folder.path(), &[&["rules", "fit", labels.to_str().unwrap()], &ask[..]].concat());
    assert_eq!(fitted.status, 0, "{fitted:?}");
    let document = json(&fitted.out);
    let labels = &document["labels"];
    let count = |what: &str| labels[what].as_u64().unwrap();
    assert_eq!(count("yes") + count("no") + count("left_out"), 31, "one a second: {labels}");
    assert!((8..=12).contains(&count("yes")) && count("left_out") > 0, "{labels}");
    assert_eq!(
        (&document["before"]["wrong"], &document["folds"]["through_stretches"]),
        (&0.into(), &false.into()),
        "{document}"
    );
}

#[test]
fn rules_are_held_against_labels() {
    let folder = Folder::new();
    let rule = "[[camera.rule]]\nid = \"person\"\nask = \"Is there a person?\"\nwhen = \"always\"\nevery = \"1s\"\n";
    folder.write("a.toml", format!("{CAMERA}[camera.gate]\nbudget = \"60/min\"\n{rule}"));
    // The film shows a picture that is no person: whatever the rule says, all of these labels call it right, or wrong.
    let labels = |rules: Value| serde_json::json!({"clips": {"film.mp4": {"rules": rules}}}).to_string();
    folder.write("no.json", labels(serde_json::json!({"person": {}, "dog": {}})));
    folder.write("yes.json", labels(serde_json::json!({"person": {"yes": [[0, 60]]}})));
    folder.write("half.json", labels(serde_json::json!({"person": {"yes": [[0, 3]], "unknown": [[3, 60]]}})));
    let film = files::film().to_str().unwrap();
    let play = |labels: &str, more: &[&str]| {
        run(folder.path(), &[&["replay", film, "-c", "a.toml", "--truth", labels], more].concat())
    };
    let shown = play("no.json", &["--report", "report.html"]);
    assert_eq!(shown.status, 0, "{shown:?}");
    says(
        &shown.out,
        &["\n  rule    answers ", "\n  dog           0 ", "never asked: has the config such a rule?", "\n  person "],
    );
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    says(&page, &["The rules, held against what is right", "Is there a person?"]);

    let rule = |labels: &str| {
        let document = json(&play(labels, &["--json"]).out);
        let rules = document["rules"].as_array().unwrap().clone();
        rules.into_iter().find(|rule| rule["rule"] == "person").unwrap()
    };
    let (no, yes, half) = (rule("no.json"), rule("yes.json"), rule("half.json"));
    let answers = no["answers"].as_u64().unwrap();
    assert!(answers >= 3, "{no}");
    assert_eq!(
        (&no["no"], &no["yes"], &yes["no"], &yes["yes"]),
        (&answers.into(), &0.into(), &0.into(), &answers.into())
    );
    let count = |rule: &Value, what: &str| rule[what].as_u64().unwrap();
    // What is right by the one labels is wrong by the other; unsure stays unsure.
    assert_eq!(count(&no, "wrong") + count(&yes, "wrong") + count(&no, "unsure"), answers, "{no} {yes}");
    assert_eq!(no["unsure"], yes["unsure"]);
    assert_eq!(count(&half, "answers") + count(&half, "not_labelled"), answers, "{half}");
    assert!(count(&half, "not_labelled") > 0);
    let wrong = play("wrong.json", &[]);
    refused(&wrong, 64, &["the labels `wrong.json` cannot be read"]);
}
