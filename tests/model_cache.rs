//! What is kept from one start to the next: graphs as they were optimised, and what the first start found out. Whatever is wrong
//! with it, the model starts all the same, and nothing half written stays.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::image::read_file;
use eyewitness::units::Region;
use eyewitness::vlm::{Info, Model, Provider, Question, Settings};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn settings(cache: &Path) -> Settings {
    let cache = Some(cache.to_owned());
    Settings { provider: Provider::Cpu, threads: 1, cache, ..Settings::new(root().join("models/tiny")) }
}

/// What it says about a picture, and what was loaded.
async fn says(cache: &Path) -> (String, Vec<f32>, Info) {
    let clock = Clock::system();
    let model = Model::start(settings(cache), clock).unwrap();
    let question = Question {
        picture: read_file(&root().join("models/tiny/fixtures/coffee_330.png")).unwrap(),
        view: Region::WHOLE,
        masks: Arc::new([]),
        prompt: "Describe the scene.".into(),
        asks: vec!["Is there a cup?".into(), "Is there a person?".into()],
        max_tokens: 48,
        deadline: clock.now().plus(Duration::from_secs(60)),
        describe: true,
        recall: None,
        check: false,
    };
    let answer = model.ask(question).await.unwrap();
    (answer.text, answer.p_yes, model.info().clone())
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.extend([path]);
        };
    }
    found
}

#[tokio::test]
async fn a_second_start_knows_what_the_first_found_out() {
    let cache = tempfile::tempdir().unwrap();
    let first = says(cache.path()).await;
    // Hashes are remembered only of files that are some seconds old.
    let files = |folder: &Path| {
        files(folder).into_iter().filter(|file| !file.ends_with("hashes.json")).collect::<BTreeSet<_>>()
    };
    let kept = files(cache.path());
    assert_eq!(kept.len(), 4, "three graphs and what was found out: {kept:?}");
    assert!(first.2.shared_buffers, "the default model writes its keys and values in place");
    assert!(first.2.placement.iter().all(|placement| placement.on("cpu") > 0), "{:?}", first.2.placement);
    assert_eq!(says(cache.path()).await, first, "the same words, numbers and facts");
    assert_eq!(files(cache.path()), kept);
}

/// The rehearsal behind a second start is no reason to wait, and its end no reason to forget.
#[tokio::test]
async fn a_stop_right_after_a_second_start_forgets_nothing() {
    let cache = tempfile::tempdir().unwrap();
    let first = says(cache.path()).await;
    let kept = files(cache.path());
    for _ in 0..3 {
        drop(Model::start(settings(cache.path()), Clock::system()).unwrap());
    }
    assert!(kept.is_subset(&files(cache.path())), "{kept:?}");
    assert_eq!(says(cache.path()).await, first);
}

#[tokio::test]
async fn what_is_damaged_is_made_anew() {
    let cache = tempfile::tempdir().unwrap();
    let first = says(cache.path()).await;
    let kept = files(cache.path());
    for file in &kept {
        let whole = fs::read(file).unwrap();
        fs::write(file, &whole[..whole.len() / 2]).unwrap();
    }
    assert_eq!(says(cache.path()).await, first);
    assert_eq!(files(cache.path()), kept);
    for file in &kept {
        fs::write(file, "").unwrap();
    }
    assert_eq!(says(cache.path()).await, first);
    assert!(files(cache.path()).iter().all(|file| fs::metadata(file).unwrap().len() > 0));
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_no_reason_not_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let (text, p_yes, info) = says(&file).await;
    assert!(text.contains("coffee") && p_yes[0] > 0.9 && info.shared_buffers, "{text} {p_yes:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "in the way");
}
