use proptest::prelude::*;

use super::*;
use crate::event::YesNo;
use crate::ids::{CameraId, RuleId};

fn camera(id: &str) -> CameraId {
    CameraId::new(id).unwrap()
}

fn rule(id: &str) -> RuleId {
    RuleId::new(id).unwrap()
}

fn any_p() -> impl Strategy<Value = f32> {
    prop_oneof![4 => 0.0..=1.0_f32, 1 => Just(0.0), 1 => Just(1.0), 1 => 0.0..1e-6_f32, 1 => 0.999_999..=1.0_f32]
}

fn any_platt() -> impl Strategy<Value = Calibration> {
    (0.0..50.0_f64, -50.0..50.0_f64).prop_map(|(a, b)| Calibration::platt(a, b).unwrap())
}

fn any_isotonic() -> impl Strategy<Value = Calibration> {
    (prop::collection::btree_set(0..=1000_u32, 1..30), prop::collection::vec(0..=1000_u32, 30)).prop_map(
        |(said, mut worth)| {
            worth.sort_unstable();
            let points = said.into_iter().zip(worth);
            let point = |(said, worth)| Point { said: f64::from(said) / 1000.0, worth: f64::from(worth) / 1000.0 };
            Calibration::isotonic(points.map(point).collect()).unwrap()
        },
    )
}

fn any_calibration() -> impl Strategy<Value = Calibration> {
    prop_oneof![any_platt(), any_isotonic()]
}

fn any_samples() -> impl Strategy<Value = Vec<Sample>> {
    let sample = (any_p(), any::<bool>(), 0..6_usize).prop_map(|(p, yes, stretch)| Sample { p, yes, stretch });
    prop::collection::vec(sample, 0..300)
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let target = prop_oneof![
        ("[a-z]{1,4}", "[a-z]{1,4}", "[ -~]{0,20}\\?").prop_map(|(camera, rule, ask)| Target::rule(
            super::tests::camera(&camera),
            super::tests::rule(&rule),
            &ask
        )),
        "[ -~äß\"\\\\]{0,20}\\?".prop_map(Target::Ask),
        Just(Target::Default),
    ];
    ("[a-z]{1,9}/(int8|fp32)", target, any_calibration(), any::<[u32; 2]>())
        .prop_map(|(model, target, calibration, labels)| Entry { model, target, calibration, labels })
}

fn entry(model: &str, target: Target, a: f64) -> Entry {
    Entry { model: model.into(), target, calibration: Calibration::platt(a, 0.0).unwrap(), labels: [1, 1] }
}

/// Answers as a model gives them whose logit is `1.5 * (truth - 0.5) * 2 + bias` with spread; seeded.
fn overconfident(count: usize, bias: f64, stretch: usize) -> Vec<Sample> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut sample = |n: usize| {
        let yes = random.bool();
        let noise = (0..6).map(|_| random.f64() - 0.5).sum::<f64>();
        let logit = 4.0 * (if yes { 1.0 } else { -1.0 } + noise * 1.5) + bias;
        Sample { p: sigmoid(logit) as f32, yes, stretch: n / stretch }
    };
    (0..count).map(&mut sample).collect()
}

fn scored(samples: &[Sample], worth: impl Fn(f32) -> f32) -> Score {
    let one = |sample: &Sample| {
        let p = worth(sample.p);
        Scored { p, answer: YesNo::from_probability(p), yes: sample.yes }
    };
    Score::of(&samples.iter().map(one).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn a_calibration_is_a_probability_and_never_falls(calibration in any_calibration(), a in any_p(), b in any_p()) {
        let (low, high) = (a.min(b), a.max(b));
        let (at_low, at_high) = (calibration.apply(low), calibration.apply(high));
        prop_assert!((0.0..=1.0).contains(&at_low) && (0.0..=1.0).contains(&at_high));
        prop_assert!(at_low <= at_high + 1e-6, "{low} -> {at_low}, {high} -> {at_high}");
        prop_assert!(calibration.apply(f32::NAN).is_nan());
    }

    #[test]
    fn as_it_is_changes_nothing(p in any_p()) {
        prop_assert!((Calibration::AS_IS.apply(p) - p).abs() < 2e-6);
        prop_assert_eq!(Calibrations::empty().apply(None, None, "?", p), Calibrated { p, calibrated: false });
    }

    #[test]
    fn two_askings_agree_or_meet_in_the_middle(p in any_p(), q in any_p()) {
        // Who says p to a question and the rest to its opposite said the same twice.
        prop_assert!((combine(p, 1.0 - p) - p).abs() < 1e-3);
        let both = combine(p, q);
        prop_assert!((0.0..=1.0).contains(&both));
        let (low, high) = (p.min(1.0 - q), p.max(1.0 - q));
        prop_assert!(both >= low - 1e-3 && both <= high + 1e-3, "{both} of {p} and {q}");
        // Yes to everything says nothing.
        prop_assert!((combine(p, p) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn what_was_written_is_read_again(entries in prop::collection::vec(any_entry(), 0..12)) {
        let mut all = Calibrations::empty();
        for entry in entries {
            all.insert(entry);
        }
        prop_assert_eq!(Calibrations::from_json(all.to_json().as_bytes()).unwrap(), all);
    }

    #[test]
    fn no_bytes_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..400_usize, byte in any::<u8>()) {
        let _ = Calibrations::from_json(&bytes);
        let mut all = Calibrations::empty();
        all.insert(entry("tiny/int8", Target::ask("Is it?"), 2.0));
        let mut json = all.to_json().into_bytes();
        let at = at % json.len();
        json[at] = byte;
        if let Ok(read) = Calibrations::from_json(&json) {
            let p = read.apply(None, None, "Is it?", 0.7).p;
            prop_assert!((0.0..=1.0).contains(&p));
        }
    }

    #[test]
    fn whatever_the_labels_are_what_is_learnt_is_a_calibration(samples in any_samples(), a in any_p(), b in any_p()) {
        let Ok(fitted) = fit(&samples) else { return Ok(()) };
        let (low, high) = (fitted.calibration.apply(a.min(b)), fitted.calibration.apply(a.max(b)));
        prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high) && low <= high + 1e-6);
        prop_assert!(fitted.held_out.is_empty() || fitted.held_out.len() == samples.len());
        prop_assert!(fitted.held_out.iter().all(|p| (0.0..=1.0).contains(p)));
        // It can be kept.
        let mut all = Calibrations::empty();
        all.insert(Entry { model: "tiny/int8".into(), target: Target::Default, calibration: fitted.calibration.clone(), labels: [0, 0] });
        prop_assert_eq!(Calibrations::from_json(all.to_json().as_bytes()).unwrap(), all);
        prop_assert_eq!(fit(&samples), Ok(fitted), "the same labels, the same calibration");
    }

    #[test]
    fn every_part_and_its_rest_have_both_kinds(samples in any_samples()) {
        let (folds, parts) = super::folds::divide(&samples);
        for part in 0..folds.count() {
            for inside in [true, false] {
                let of = |yes: bool| samples.iter().zip(&parts).any(|(one, its)| one.yes == yes && (*its == part) == inside);
                prop_assert!(of(true) && of(false), "{folds:?}, part {part}");
            }
        }
        if let Folds::Stretches(_) = folds {
            for (a, its) in samples.iter().zip(&parts) {
                for (b, other) in samples.iter().zip(&parts) {
                    prop_assert!(a.stretch != b.stretch || a.yes != b.yes || its == other);
                }
            }
        }
    }

    #[test]
    fn scores_add_up(answers in prop::collection::vec((any_p(), any::<bool>()), 0..100)) {
        let all: Vec<_> = answers.iter().map(|(p, yes)| Scored { p: *p, answer: YesNo::from_probability(*p), yes: *yes }).collect();
        let score = Score::of(&all);
        prop_assert_eq!(score.answers(), all.len());
        prop_assert_eq!(score.yes(), all.iter().filter(|one| one.yes).count());
        prop_assert!((0.0..=1.0).contains(&score.ece) && (0.0..=1.0).contains(&score.brier));
        prop_assert!(score.ece <= score.brier.sqrt() + 1e-9, "bins hide errors, they do not make them");
        let rest = score.error().unwrap_or_default() + score.unsure_rate().unwrap_or_default();
        prop_assert!(rest <= 1.0 + 1e-9);
    }
}

#[test]
fn a_leaning_to_yes_is_taken_out() {
    let samples = overconfident(400, 5.0, 4);
    let fitted = fit(&samples).unwrap();
    assert_eq!(fitted.folds, Folds::Stretches(5));
    assert_ne!(fitted.method, Method::AsIs);
    let before = scored(&samples, |p| p);
    let after = scored(&samples, |p| fitted.calibration.apply(p));
    assert!(before.ece > 0.25, "{before:?}");
    assert!(after.ece < 0.05 && after.log_loss < before.log_loss / 2.0, "{after:?}");
    // On labels that were held out, too.
    let of = |method| fitted.tried.iter().find(|tried| tried.method == method).unwrap().log_loss.unwrap();
    assert!(of(Method::Platt) < of(Method::AsIs) / 2.0, "{:?}", fitted.tried);
    assert_eq!(fitted.held_out.len(), samples.len());
}

#[test]
fn platt_finds_the_curve_that_made_the_labels() {
    // Many labels drawn with sigmoid(0.5 * logit(p) - 1).
    let mut random = fastrand::Rng::with_seed(3);
    let mut draw = |n: usize| {
        let p = random.f32();
        let yes = random.f64() < sigmoid(0.5 * logit(p) - 1.0);
        Sample { p, yes, stretch: n }
    };
    let samples: Vec<_> = (0..20_000).map(&mut draw).collect();
    let fitted = fit(&samples).unwrap();
    for p in [0.05_f32, 0.3, 0.5, 0.9, 0.99] {
        let want = sigmoid(0.5 * logit(p) - 1.0) as f32;
        assert!((fitted.calibration.apply(p) - want).abs() < 0.03, "{p}: {} for {want}", fitted.calibration.apply(p));
    }
}

#[test]
fn pooled_levels_are_those_of_the_book() {
    // Labels 0 1 0 1 1 by rising p: the fall in the middle becomes one level.
    let of = |p: f32, yes: bool| Sample { p, yes, stretch: 0 };
    let mut samples = Vec::new();
    for _ in 0..1000 {
        samples.extend([of(0.1, false), of(0.3, true), of(0.5, false), of(0.7, true), of(0.9, true)]);
    }
    let fitted = fit(&samples).unwrap();
    assert_eq!(fitted.method, Method::Isotonic, "{:?}", fitted.tried);
    let at = |p: f32| fitted.calibration.apply(p);
    for (p, want) in [(0.1, 0.0), (0.3, 0.5), (0.4, 0.5), (0.5, 0.5), (0.7, 1.0), (0.95, 1.0), (0.0, 0.0), (0.6, 0.75)]
    {
        assert!((at(p) - want).abs() < 0.01, "{p}: {} for {want}", at(p));
    }
}

#[test]
fn a_sure_model_that_is_right_stays_modest() {
    let mut samples = vec![Sample { p: 1.0, yes: true, stretch: 0 }; 3];
    samples.extend([Sample { p: 0.0, yes: false, stretch: 1 }; 3]);
    let fitted = fit(&samples).unwrap();
    assert_eq!(fitted.folds, Folds::Through(3));
    assert!(fitted.calibration.apply(1.0) > 0.7 && fitted.calibration.apply(0.0) < 0.3);
    let one = fit(&samples[2..4]).unwrap();
    assert_eq!((one.folds, one.method), (Folds::None, Method::Platt));
    assert!((0.6..0.7).contains(&one.calibration.apply(1.0)), "one label says little: {}", one.calibration.apply(1.0));
}

#[test]
fn what_cannot_be_learnt_is_said() {
    let yes = Sample { p: 0.9, yes: true, stretch: 0 };
    let no = Sample { p: 0.1, yes: false, stretch: 1 };
    assert_eq!(fit(&[]).unwrap_err(), FitError::Nothing);
    let said = fit(&[yes, yes]).unwrap_err();
    assert_eq!(said, FitError::OneKind(true));
    assert!(said.to_string().contains("every label is `yes`"));
    assert_eq!(fit(&[yes, Sample { p: f32::NAN, ..no }]).unwrap_err(), FitError::NoNumber);
    assert_eq!(fit(&[Sample { p: 0.1, ..yes }, Sample { p: 0.9, ..no }]).unwrap_err(), FitError::Backwards);
}

#[test]
fn the_nearest_entry_counts() {
    let (door, person) = (camera("door"), rule("person"));
    let mut all = Calibrations::empty();
    all.insert(entry("tiny/int8", Target::Default, 2.0));
    all.insert(entry("tiny/int8", Target::ask("Is  there a PERSON?"), 3.0));
    all.insert(entry("tiny/int8@cuda", Target::rule(door.clone(), person.clone(), "Is there a person?"), 4.0));
    let a = |camera: Option<&CameraId>, rule: Option<&RuleId>, ask: &str| {
        let worth = all.apply(camera, rule, ask, 0.6);
        assert!(worth.calibrated);
        (logit(worth.p) / logit(0.6)).round()
    };
    assert_eq!(a(Some(&door), Some(&person), " is there a person? "), 4.0);
    assert_eq!(a(Some(&camera("yard")), Some(&person), "Is there a person?"), 3.0);
    assert_eq!(a(None, None, "is there a person?"), 3.0);
    assert_eq!(a(None, None, "Is there a dog?"), 2.0);
    // Who asks something else by the same name has another rule.
    assert_eq!(a(Some(&door), Some(&person), "Is there a dog?"), 2.0);
    // One rule has one entry.
    let mut again = all.clone();
    let old = again.insert(entry("tiny/int8", Target::rule(door, person, "Is there a dog?"), 5.0));
    assert!(old.is_some_and(|old| old.model == "tiny/int8"));
    assert_eq!(again.entries().len(), 3);
}

#[test]
fn the_state_folder_wins_and_another_model_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (set, state) = (folder.path().join("set"), folder.path().join("not/there/yet"));
    let none = Calibrations::of(&set, Some(&state), "tiny/int8@cpu");
    assert_eq!(none, (Calibrations::empty(), Vec::new()));

    let mut of_set = Calibrations::empty();
    of_set.insert(entry("tiny/int8", Target::Default, 2.0));
    of_set.insert(entry("tiny/int8", Target::ask("Is there a dog?"), 3.0));
    of_set.insert(entry("tiny/fp32", Target::ask("Is there a dog?"), 9.0));
    of_set.write(&set.join(FILE)).unwrap();
    let mut of_state = Calibrations::empty();
    of_state.insert(entry("tiny/int8", Target::ask("is there a dog?"), 4.0));
    of_state.write(&state.join(FILE)).unwrap();
    let (known, warnings) = Calibrations::of(&set, Some(&state), "tiny/int8@cpu");
    assert_eq!(warnings, Vec::<String>::new());
    let by = |ask| known.find(None, None, ask).unwrap().calibration.clone();
    assert_eq!(by("Is there a dog?"), Calibration::platt(4.0, 0.0).unwrap());
    assert_eq!(by("Is there a cat?"), Calibration::platt(2.0, 0.0).unwrap());

    let (other, warnings) = Calibrations::of(&set, Some(&state), "tiny/fp32@cpu");
    assert_eq!(other.find(None, None, "Is there a dog?").unwrap().calibration, Calibration::platt(9.0, 0.0).unwrap());
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("was measured with tiny/int8 and is not used for tiny/fp32@cpu"), "{}", warnings[0]);

    std::fs::write(set.join(FILE), "{").unwrap();
    let (known, warnings) = Calibrations::of(&set, Some(&state), "tiny/int8");
    assert_eq!(known, of_state);
    assert!(warnings[0].contains("is not used: this is no calibration file"), "{warnings:?}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_at_once() {
    let said = |json: &str| Calibrations::from_json(json.as_bytes()).unwrap_err().to_string();
    let entries = |entries: &str| format!(r#"{{"schema":"{SCHEMA}","entries":[{entries}]}}"#);
    assert!(said("[]").contains("this is no calibration file"));
    assert!(said(r#"{"schema":"eyewitness.calibration.v2","entries":[]}"#).contains("another version"));
    let text = said(&entries(
        r#"{"model":"","default":true,"platt":{"a":1,"b":0}},
           {"model":"t/i","platt":{"a":1,"b":0}},
           {"model":"t/i","camera":"Door","rule":"a","ask":"?","platt":{"a":1,"b":0}},
           {"model":"t/i","ask":" ","platt":{"a":1,"b":0}},
           {"model":"t/i","ask":"x","platt":{"a":-1,"b":0}},
           {"model":"t/i","ask":"y","platt":{"a":1,"b":1e9}},
           {"model":"t/i","ask":"z","isotonic":[[0.5,0.6],[0.4,0.7]]},
           {"model":"t/i","ask":"u","isotonic":[[0.5,1.6]]},
           {"model":"t/i","ask":"v","isotonic":[]},
           {"model":"t/i","ask":"w"},
           {"model":"t/i","default":true,"platt":{"a":1,"b":0}},
           {"model":"t/i","default":true,"platt":{"a":1,"b":0}}"#,
    ));
    for part in [
        "entry 1: `model` is empty",
        "entry 2: it is about nothing",
        "entry 3: `camera`: `D` is not allowed",
        "entry 4: `ask` is no question",
        "entry 5: `platt`: `a` is -1",
        "entry 6: `platt`: `a` and `b` are 1 and 1000000000",
        "entry 7: `isotonic`: its points must rise: [0.4, 0.7]",
        "entry 8: `isotonic`: the point [0.5, 1.6] is not between 0 and 1",
        "entry 9: `isotonic`: it has 0 points",
        "entry 10: it needs `platt` or `isotonic`",
        "and 1 more",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let one = r#"{"model":"t/i","default":true,"platt":{"a":1,"b":0}}"#;
    assert!(said(&entries(&vec![one; MAX_ENTRIES + 1].join(","))).contains("at most 4096"));
    assert!(said(&" ".repeat(MAX_BYTES + 1)).contains("at most 1048576 bytes"));
    // What a later version says more is passed over.
    let more = one.replacen('{', r#"{"mood":"good","#, 1);
    assert_eq!(Calibrations::from_json(entries(&more).as_bytes()).unwrap().entries().len(), 1);
}

#[test]
fn a_file_is_replaced_as_a_whole_and_can_be_read_by_others() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let mut all = Calibrations::empty();
    all.insert(entry("tiny/int8", Target::Default, 2.0));
    all.write(&path).unwrap();
    all.insert(entry("tiny/int8", Target::Default, 3.0));
    all.write(&path).unwrap();
    assert_eq!(Calibrations::read(&path).unwrap(), all);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    let missing = Calibrations::read(&folder.path().join("none")).unwrap_err();
    assert!(missing.to_string().contains("cannot be read"));
    let wrong = all.write(&path.join("below")).unwrap_err();
    assert!(wrong.to_string().contains("cannot be written"));
}

#[test]
fn scores_are_those_of_the_book() {
    let of = |p: f32, answer: YesNo, yes: bool| Scored { p, answer, yes };
    let score = Score::of(&[
        of(0.95, YesNo::Yes, true),
        of(0.95, YesNo::Yes, false),
        of(0.05, YesNo::No, true),
        of(0.05, YesNo::No, false),
        of(0.55, YesNo::Unsure, true),
        of(f32::NAN, YesNo::Unsure, false),
    ]);
    assert_eq!((score.answers(), score.wrong(), score.unsure()), (6, 2, 2));
    assert_eq!((score.precision(), score.recall()), (Some(0.5), Some(1.0 / 3.0)));
    assert_eq!((score.error(), score.unsure_rate()), (Some(2.0 / 6.0), Some(2.0 / 6.0)));
    // Bins: two at 0.95 with half right, two at 0.05 with half, one at 0.55 that is so.
    assert!((score.ece - (0.9 + 0.9 + 0.45) / 5.0).abs() < 1e-6, "{}", score.ece);
    let nothing = Score::of(&[]);
    assert_eq!((nothing.precision(), nothing.recall(), nothing.error(), nothing.ece), (None, None, None, 0.0));
}
