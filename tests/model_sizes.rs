//! Sets whose encoder takes any size of picture: a view gets the smallest one that shows all there is to see, in f32 and in f16.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eyewitness::clock::Clock;
use eyewitness::frame::{Colour, Matrix, Picture, PixelFormat, Range};
use eyewitness::units::Region;
use eyewitness::vlm::{Engine, GraphError, LoadError, Precision, Provider, Question, Settings};
use support::program::run;
use support::published::{self, Form};
use tempfile::TempDir;

/// A published set made faster, in both float types.
fn fast(folder: &TempDir) -> PathBuf {
    let set = folder.path().join("set");
    std::fs::create_dir(&set).unwrap();
    published::write(&set, Form::PLAIN);
    let ended = run(folder.path(), &["models", "optimize", "set", "--precision", "fp32,fp16"]);
    assert_eq!(ended.status, 0, "{}", ended.err);
    folder.path().join("set-fast")
}

fn open(set: &Path, precision: Precision, edges: &[u32]) -> Result<Engine, LoadError> {
    let settings =
        Settings { provider: Provider::Cpu, precision, threads: 1, edges: edges.into(), ..Settings::new(set) };
    Engine::open(&settings, Clock::system())
}

/// As a camera sees it: a gradient with a bright square in it.
fn picture(side: u32) -> Picture {
    let side = side as usize;
    let luma = |i: usize| {
        let (x, y) = (i % side, i / side);
        let lit = (side / 4..side / 2).contains(&x) && (side / 3..side / 2).contains(&y);
        if lit { 220 } else { 30 + (x * 120 / side) as u8 }
    };
    let mut data: Vec<u8> = (0..side * side).map(luma).collect();
    data.resize(side * side * 3 / 2, 120);
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
    Picture::packed(side as u32, side as u32, PixelFormat::Nv12, colour, data).unwrap()
}

/// Probabilities are exact enough to tell which size was looked at.
fn p_yes(engine: &mut Engine, picture: Picture, view: Region) -> f32 {
    let clock = Clock::system();
    let question = Question {
        picture,
        view,
        masks: Arc::new([]),
        prompt: "Describe the scene.".into(),
        asks: vec!["Is there a dog?".into()],
        max_tokens: 4,
        deadline: clock.now().plus(Duration::from_secs(60)),
        describe: true,
        recall: None,
        check: false,
    };
    let answer = engine.answer_alone(&question).unwrap();
    assert!(answer.tokens <= 4);
    answer.p_yes[0]
}

#[test]
fn a_view_gets_the_size_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let set = fast(&folder);
    let full = open(&set, Precision::Fp32, &[]).unwrap().info().picture.width;
    let (half, quarter) = (full / 2, Region { x: 0.25, y: 0.25, w: 0.25, h: 0.25 });
    for (precision, near) in [(Precision::Fp32, 1e-6), (Precision::Fp16, 5e-4)] {
        let mut both = open(&set, precision, &[half, full]).unwrap();
        assert_eq!((both.info().edges.as_slice(), both.info().picture.width), (&[half, full][..], full));
        let mut small = open(&set, precision, &[half]).unwrap();
        assert_eq!(small.info().picture.width, half);
        let mut large = open(&set, precision, &[]).unwrap();
        // A quarter of this picture has as many pixels as the small size shows.
        let seen = picture(2 * full);
        let [by_both, by_small, by_large] =
            [&mut both, &mut small, &mut large].map(|engine| p_yes(engine, seen.clone(), quarter));
        println!("{precision:?}: {by_both} {by_small} {by_large}");
        assert!((by_both - by_small).abs() <= near, "{precision:?}: {by_both}, not {by_small}");
        assert!((by_both - by_large).abs() > 10.0 * near, "{precision:?}: the sizes cannot be told apart");
        let [by_both, by_large] = [&mut both, &mut large].map(|engine| p_yes(engine, seen.clone(), Region::WHOLE));
        assert!((by_both - by_large).abs() <= near, "{precision:?}: {by_both}, not {by_large}");
        // And back again: what one size left behind does not reach the other.
        let again = p_yes(&mut both, seen.clone(), quarter);
        assert!((again - by_small).abs() <= near, "{precision:?}: {again}, not {by_small}");
    }
}

#[test]
fn a_graph_of_one_size_says_so() {
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
    let error = open(&tiny, Precision::Auto, &[144, 288]).unwrap_err();
    let LoadError::Graph(GraphError::Wrong { wrong, .. }) = &error else { panic!("{error}") };
    assert_eq!(wrong, "it takes pictures of 288 pixels only, not of 144");
}
