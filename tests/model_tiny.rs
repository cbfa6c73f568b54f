//! The default model against its fixtures (`models/tiny/fixtures/expected.json`): preprocessing, prompt, first logits, yes/no
//! and, where the margins allow it, the sentence. Then what the thread around it promises.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::frame::{Colour, Matrix, Picture, PixelFormat, Range};
use eyewitness::image::{Preprocessor, read_file};
use eyewitness::units::{Polygon, Region};
use eyewitness::vlm::{AskError, Engine, Model, PromptError, Provider, Question, Settings};
use serde_json::Value;

/// The graphs are int8 with ranges taken per picture: one sample in a hundred that is rounded the other way (Pillow's resizer
/// and JPEG decoder against ours) moves the features' length by 2 %, measured with the reference loop.
const FEATURES: f64 = 0.05;

/// The same moves an unclear yes/no by up to 0.2, a clear one hardly.
#[track_caller]
fn near(have: f64, want: f64, what: &str) {
    let clear = !(0.1..=0.9).contains(&want);
    assert!((have - want).abs() < if clear { 0.1 } else { 0.3 }, "{what}: {have}, not {want}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn settings() -> Settings {
    Settings { provider: Provider::Cpu, threads: 1, ..Settings::new(root().join("models/tiny")) }
}

fn fixtures() -> (PathBuf, Value) {
    let folder = root().join("models/tiny/fixtures");
    let expected = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    (folder, expected)
}

fn question(clock: Clock, picture: Picture, asks: &[&str]) -> Question {
    Question {
        picture,
        view: Region::WHOLE,
        masks: Arc::new([]),
        prompt: "Describe the scene.".into(),
        asks: asks.iter().map(|ask| Arc::from(*ask)).collect(),
        max_tokens: 48,
        deadline: clock.now().plus(Duration::from_secs(60)),
        describe: true,
        recall: None,
        check: false,
    }
}

fn l2(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn the_way_from_pixels_to_the_first_logits_is_the_reference() {
    let mut engine = Engine::open(&settings(), Clock::system()).unwrap();
    assert_eq!(engine.info().label, "tiny/int8@cpu");
    let mut preprocessor = Preprocessor::new(engine.info().picture);
    let mut pixels = vec![0.0; engine.info().picture.values()];
    let (folder, expected) = fixtures();
    for picture in expected["pictures"].as_array().unwrap() {
        let file = picture["file"].as_str().unwrap();
        preprocessor.run(&read_file(&folder.join(file)).unwrap(), Region::WHOLE, &[], &mut pixels);
        let probe = engine.probe(&pixels, "Describe the scene.", 1).unwrap();
        assert_eq!(probe.prompt_ids.len() as u64, picture["prompt_tokens"].as_u64().unwrap());
        let (have, want) = (l2(&probe.features), picture["image_features_l2"].as_f64().unwrap());
        assert!((have / want - 1.0).abs() < FEATURES, "{file}: features {have}, not {want}");
        let mut furthest: f64 = 0.0;
        for top in picture["first_step_top5"].as_array().unwrap() {
            let have = f64::from(probe.first_logits[top["id"].as_u64().unwrap() as usize]);
            furthest = furthest.max((have - top["logit"].as_f64().unwrap()).abs());
        }
        assert!(furthest < 0.5, "{file}: a logit is off by {furthest}");
        assert_eq!(u64::from(probe.token_ids[0]), picture["token_ids"][0].as_u64().unwrap(), "{file}");
        println!("{file}: features {have:.3} (reference {want}), top-5 logits within {furthest:.4}");
    }
}

#[tokio::test]
async fn sentences_and_yes_no_are_the_reference() {
    let clock = Clock::system();
    let model = Model::start(settings(), clock).unwrap();
    let (folder, expected) = fixtures();
    for picture in expected["pictures"].as_array().unwrap() {
        let file = picture["file"].as_str().unwrap();
        let wanted = picture["p_yes"].as_object().unwrap();
        let asks: Vec<&str> = wanted.keys().map(String::as_str).collect();
        let answer = model.ask(question(clock, read_file(&folder.join(file)).unwrap(), &asks)).await.unwrap();
        for ((ask, want), have) in wanted.iter().zip(&answer.p_yes) {
            let want = want.as_f64().unwrap();
            near(f64::from(*have), want, &format!("{file}: {ask}"));
        }
        let ids: Vec<u64> = answer.token_ids.iter().map(|id| u64::from(*id)).collect();
        let reference: Vec<u64> =
            picture["token_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
        let exact = ids == reference && answer.text == picture["sentence"].as_str().unwrap();
        let margin = picture["smallest_logit_margin"].as_f64().unwrap();
        // Below this, another processor may pick another word.
        if margin >= 0.3 {
            assert!(exact, "{file}: {} instead of {}", answer.text, picture["sentence"]);
        }
        assert_eq!(ids[0], reference[0], "{file}");
        if exact {
            let want = picture["mean_token_probability"].as_f64().unwrap();
            assert!((f64::from(answer.confidence) - want).abs() < 0.05, "{file}: confidence {}", answer.confidence);
        }
        assert_eq!(answer.tokens, ids.len());
        println!("{file}: exact {exact} (margin {margin}): {} p_yes {:?}", answer.text, answer.p_yes);
    }
}

/// A yes/no comes out the same alone and beside other questions: thresholds hold for both.
#[tokio::test]
async fn questions_together_are_answered_as_alone() {
    let clock = Clock::system();
    let model = Model::start(settings(), clock).unwrap();
    let (folder, expected) = fixtures();
    for picture in expected["pictures"].as_array().unwrap() {
        let file = picture["file"].as_str().unwrap();
        let pixels = read_file(&folder.join(file)).unwrap();
        let wanted = picture["p_yes"].as_object().unwrap();
        let asks: Vec<&str> = wanted.keys().map(String::as_str).collect();
        let together = model.ask(question(clock, pixels.clone(), &asks)).await.unwrap();
        for (ask, together) in asks.iter().zip(&together.p_yes) {
            let alone = Question { describe: false, ..question(clock, pixels.clone(), &[ask]) };
            let alone = model.ask(alone).await.unwrap().p_yes[0];
            println!("{file}: {ask} alone {alone:.4}, together {together:.4}, reference {}", wanted[*ask]);
            assert!((alone - together).abs() < 1e-6, "{file}: {ask} alone {alone}, together {together}");
            near(f64::from(alone), wanted[*ask].as_f64().unwrap(), &format!("{file}: {ask}"));
        }
        // Alone, a description goes through the decoder in one piece, which is faster; int8 rounds it another way.
        let alone = model.ask(question(clock, pixels, &[])).await.unwrap();
        assert_eq!(alone.token_ids[0], together.token_ids[0]);
        println!("{file}: alone {:?}, together {:?}, reference {}", alone.text, together.text, picture["sentence"]);
    }
}

/// A camera's picture instead of a file's: what the model says must not hang on the pixel format.
#[tokio::test]
async fn a_camera_picture_is_seen_like_the_file() {
    let clock = Clock::system();
    let model = Model::start(settings(), clock).unwrap();
    let file = read_file(&root().join("models/tiny/fixtures/chelsea.png")).unwrap();
    let camera = as_nv12(&file);
    let asks = ["Is there a cat?", "Is there a person?", "Is there a car?"];
    let file = model.ask(question(clock, file, &asks)).await.unwrap();
    let camera = model.ask(question(clock, camera, &asks)).await.unwrap();
    println!("file: {} {:?}\ncamera: {} {:?}", file.text, file.p_yes, camera.text, camera.p_yes);
    for (file, camera) in file.p_yes.iter().zip(&camera.p_yes) {
        assert!((file - camera).abs() < 0.1);
    }
    let timing = camera.timing;
    assert!(timing.first_token >= timing.preprocess + timing.encode);
    assert!(timing.total >= timing.first_token + timing.decode && timing.total >= timing.host);
}

#[tokio::test]
async fn a_masked_picture_tells_nothing() {
    let clock = Clock::system();
    let model = Model::start(settings(), clock).unwrap();
    let mut asked =
        question(clock, read_file(&root().join("models/tiny/fixtures/chelsea.png")).unwrap(), &["Is there a cat?"]);
    asked.masks = Arc::new([Polygon(vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])]);
    asked.describe = false;
    let answer = model.ask(asked).await.unwrap();
    assert!(answer.p_yes[0] < 0.5, "a cat through the mask: {answer:?}");
    assert_eq!((answer.text.as_str(), answer.tokens, answer.confidence), ("", 0, 0.0));
}

#[tokio::test]
async fn late_and_bad_questions_leave_the_model_ready() {
    let clock = Clock::system();
    let model = Model::start(settings(), clock).unwrap();
    let picture = read_file(&root().join("models/tiny/fixtures/coffee_330.png")).unwrap();

    let late = Question { deadline: clock.now(), ..question(clock, picture.clone(), &[]) };
    assert!(matches!(model.ask(late).await, Err(AskError::Expired)));
    // Far less than a description takes: it ends in the middle of a graph.
    let soon =
        Question { deadline: clock.now().plus(Duration::from_millis(3)), ..question(clock, picture.clone(), &[]) };
    assert!(matches!(model.ask(soon).await, Err(AskError::Expired)));
    let given_up =
        tokio::time::timeout(Duration::from_millis(3), model.ask(question(clock, picture.clone(), &[]))).await;
    assert!(given_up.is_err());

    let control = Question { prompt: "what is <image>?".into(), ..question(clock, picture.clone(), &[]) };
    let error = model.ask(control).await.unwrap_err();
    assert!(matches!(error, AskError::Prompt(PromptError::ControlToken { .. })), "{error}");

    let answer = model.ask(question(clock, picture.clone(), &["Is there a cup?"])).await.unwrap();
    assert!(answer.tokens > 3 && answer.p_yes[0] > 0.9, "{answer:?}");
    let short = Question { max_tokens: 2, ..question(clock, picture.clone(), &[]) };
    assert_eq!(model.ask(short).await.unwrap().tokens, 2);
    let endless = Question { max_tokens: 5000, ..question(clock, picture, &[]) };
    let error = model.ask(endless).await.unwrap_err();
    assert!(matches!(error, AskError::Prompt(PromptError::TooLong { limit: 2048, .. })), "{error}");
}

/// More askers than places: all are answered, one after the other.
#[tokio::test]
async fn many_may_ask_at_once() {
    let clock = Clock::system();
    let model = Model::start(settings(), clock).unwrap();
    let picture = read_file(&root().join("models/tiny/fixtures/coffee_330.png")).unwrap();
    let asked = (0..5).map(|_| model.ask(question(clock, picture.clone(), &[])));
    let answers: Vec<_> = futures_util::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.text == answers[0].text));
    assert!(answers.iter().any(|answer| answer.timing.wait > answers[0].timing.wait));
}

fn as_nv12(rgb: &Picture) -> Picture {
    let (w, h) = (rgb.width() as usize, rgb.height() as usize);
    let plane = rgb.plane(0);
    let pixel = |x: usize, y: usize| {
        let at = y.min(h - 1) * plane.stride + 3 * x.min(w - 1);
        [0, 1, 2].map(|c| f32::from(plane.data[at + c]))
    };
    let yuv = |[r, g, b]: [f32; 3]| {
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let (cb, cr) = ((b - y) / 1.8556, (r - y) / 1.5748);
        [16.0 + y * 219.0 / 255.0, 128.0 + cb * 224.0 / 255.0, 128.0 + cr * 224.0 / 255.0]
    };
    let mut data: Vec<u8> = (0..w * h).map(|i| yuv(pixel(i % w, i / w))[0].round() as u8).collect();
    for y in 0..h.div_ceil(2) {
        for x in 0..w.div_ceil(2) {
            let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(i, j)| yuv(pixel(2 * x + i, 2 * y + j)));
            for chroma in [1, 2] {
                data.push((four.iter().map(|p| p[chroma]).sum::<f32>() / 4.0).round() as u8);
            }
        }
    }
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    Picture::packed(rgb.width(), rgb.height(), PixelFormat::Nv12, colour, data).unwrap()
}
