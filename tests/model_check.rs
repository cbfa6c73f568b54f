//! What a description names is asked back, on the real default model: sentences that agree stay as they are, others are said
//! again without what is not there.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::image::read_file;
use eyewitness::units::Region;
use eyewitness::vlm::{Answer, Checking, LoadError, Model, Provider, Question, Settings, Thing};

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny")
}

fn settings(set: &Path) -> Settings {
    Settings { provider: Provider::Cpu, threads: 1, ..Settings::new(set) }
}

fn thing(name: &str, question: &str, words: &[&str]) -> Thing {
    Thing::new(name, question, words, &[] as &[&str], Thing::BOUND).unwrap()
}

/// What it says about the cat.
async fn cat(settings: Settings, check: bool, asks: &[&str]) -> (Answer, bool) {
    let clock = Clock::system();
    let model = Model::start(settings, clock).unwrap();
    let question = Question {
        picture: read_file(&tiny().join("fixtures/chelsea.png")).unwrap(),
        view: Region::WHOLE,
        masks: Arc::new([]),
        prompt: "Describe the scene.".into(),
        asks: asks.iter().map(|ask| (*ask).into()).collect(),
        max_tokens: 48,
        deadline: clock.now().plus(Duration::from_secs(60)),
        describe: true,
        recall: None,
        check,
    };
    (model.ask(question).await.unwrap(), model.info().checks)
}

fn names(answer: &Answer) -> Vec<(&str, bool)> {
    answer.checked.iter().map(|(name, p)| (&**name, *p >= 0.5)).collect()
}

#[tokio::test]
async fn a_sentence_that_agrees_is_the_same_as_unchecked() {
    let (plain, on) = cat(settings(&tiny()), false, &[]).await;
    assert!(on && plain.text.contains("cat") && plain.agrees && plain.checked.is_empty(), "{plain:?}");
    let (checked, _) = cat(settings(&tiny()), true, &[]).await;
    assert_eq!(
        (&checked.text, &checked.token_ids, checked.confidence),
        (&plain.text, &plain.token_ids, plain.confidence)
    );
    assert_eq!(names(&checked), [("cat", true)]);
    assert!(checked.agrees && checked.before.is_none() && checked.corrections == 0, "{checked:?}");
    assert!(checked.timing.check > Duration::ZERO && plain.timing.check == Duration::ZERO);
}

#[tokio::test]
async fn what_is_not_there_is_not_said_again() {
    // Of a cat the model answers right; so the question is another one.
    let things = vec![thing("cat", "Is there a car?", &["cat", "kitten"])];
    for asks in [&[][..], &["Is there a cat?"]] {
        let (answer, _) = cat(Settings { things: things.clone(), ..settings(&tiny()) }, true, asks).await;
        assert!(answer.before.as_ref().unwrap().contains("cat"), "{answer:?}");
        assert!(!answer.text.is_empty() && !answer.text.to_lowercase().contains("cat"), "{answer:?}");
        assert!((1..=2).contains(&answer.corrections), "{answer:?}");
        assert!(names(&answer).contains(&("cat", false)), "{answer:?}");
        assert_eq!(answer.p_yes.len(), asks.len());
        // Rules hear what the model says, whatever became of the sentence.
        assert!(answer.p_yes.iter().all(|p| *p > 0.9), "{answer:?}");
        if !answer.agrees {
            assert!(answer.confidence < 0.5, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn the_least_contradicted_goes_out_where_nothing_agrees() {
    // Whatever the sentence begins with is contradicted.
    let words =
        ["a", "an", "the", "two", "dog", "cat", "picture", "white", "brown", "small", "one", "there", "some", "black"];
    let things = vec![thing("anything", "Is there a car?", &words)];
    let (answer, _) = cat(Settings { things, ..settings(&tiny()) }, true, &[]).await;
    assert!(!answer.text.is_empty() && answer.corrections >= 1, "{answer:?}");
    if !answer.agrees {
        assert!(answer.confidence < 0.2, "{answer:?}");
    }
}

#[tokio::test]
async fn the_set_and_the_config_say_whether() {
    let off = Settings { check: Checking::Off, ..settings(&tiny()) };
    let (answer, on) = cat(off, true, &[]).await;
    assert!(!on && answer.checked.is_empty() && answer.agrees, "{answer:?}");

    // A set without the file is not checked, unless the config has something to ask.
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("bare");
    copy(&set);
    fs::remove_file(set.join("probes.json")).unwrap();
    assert!(!cat(settings(&set), true, &[]).await.1);
    let things = vec![thing("cat", "Is there a cat?", &["cat"])];
    assert!(!cat(Settings { things: things.clone(), ..settings(&set) }, true, &[]).await.1);
    let (answer, on) = cat(Settings { things, check: Checking::On, ..settings(&set) }, true, &[]).await;
    assert!(on && names(&answer) == [("cat", true)], "{answer:?}");

    // What was measured counts: here, that its yes about cats means nothing.
    let calibration = r#"{"schema":"eyewitness.calibration.v1","entries":[
        {"model":"bare/int8","ask":"Is there a cat?","platt":{"a":0.0,"b":-2.0},"labels":{"yes":30,"no":30}}]}"#;
    fs::copy(tiny().join("probes.json"), set.join("probes.json")).unwrap();
    fs::write(set.join("calibration.json"), calibration).unwrap();
    let (answer, _) = cat(settings(&set), true, &[]).await;
    assert!(names(&answer).contains(&("cat", false)) && answer.before.is_some(), "{answer:?}");

    fs::write(set.join("probes.json"), "{\"schema\":\"eyewitness.probes.v1\",\"check\":1}").unwrap();
    let error = Model::start(settings(&set), Clock::system()).unwrap_err();
    let LoadError::Set(error) = error else { unreachable!("{error}") };
    assert!(error.to_string().contains("probes.json: invalid type: integer `1`, expected a boolean"), "{error}");
}

fn copy(to: &Path) {
    fs::create_dir_all(to.join("onnx")).unwrap();
    for part in ["", "onnx"] {
        for entry in fs::read_dir(tiny().join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, to.join(part).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
}
