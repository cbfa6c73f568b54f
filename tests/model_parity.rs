//! A full-size set against numbers from the transformers library (`tests/data/parity-smolvlm-random.json`). The set has random
//! weights and about 1 GB; its folder is named by `EYEWITNESS_LOOKALIKE`. Without it this test says that it skipped.

use std::path::Path;

use eyewitness::clock::Clock;
use eyewitness::vlm::{Engine, Precision, Provider, Settings};
use serde_json::Value;

#[test]
fn a_full_size_set_computes_what_transformers_computes() {
    let Some(folder) = std::env::var_os("EYEWITNESS_LOOKALIKE") else {
        println!("skipped: EYEWITNESS_LOOKALIKE names no folder");
        return;
    };
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parity-smolvlm-random.json");
    let expected: Value = serde_json::from_slice(&std::fs::read(data).unwrap()).unwrap();
    let settings = Settings { provider: Provider::Cpu, precision: Precision::Fp32, ..Settings::new(folder) };
    let mut engine = Engine::open(&settings, Clock::system()).unwrap();
    assert_eq!((engine.info().picture.width, engine.info().picture.height), (512, 512));

    let value =
        |c: usize, y: usize, x: usize| (0.01 * (x + 1) as f64 * (c + 1) as f64).sin() * (0.013 * (y + 1) as f64).cos();
    let pixels: Vec<f32> = (0..3 * 512 * 512).map(|i| value(i / (512 * 512), i / 512 % 512, i % 512) as f32).collect();
    let probe = engine.probe(&pixels, "Describe the scene.", 24).unwrap();

    let integers =
        |name: &str| -> Vec<i64> { expected[name].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect() };
    assert_eq!(probe.prompt_ids, integers("prompt_ids"));
    let mut furthest: f64 = 0.0;
    let mut compare = |have: &[f32], want: &Value| {
        for (have, want) in have.iter().zip(want.as_array().unwrap()) {
            furthest = furthest.max((f64::from(*have) - want.as_f64().unwrap()).abs());
        }
    };
    compare(&probe.features[..8], &expected["image_features_0_first8"]);
    compare(&probe.features[probe.features.len() - 8..], &expected["image_features_63_last8"]);
    let mean = probe.features.iter().map(|v| f64::from(v.abs())).sum::<f64>() / probe.features.len() as f64;
    compare(&[mean as f32], &Value::Array(vec![expected["image_features_abs_mean"].clone()]));
    for top in expected["first_logits_top5"].as_array().unwrap() {
        compare(&[probe.first_logits[top[0].as_u64().unwrap() as usize]], &Value::Array(vec![top[1].clone()]));
    }
    println!("features and logits within {furthest:.2e}");
    assert!(furthest < 1e-3, "{furthest}");
    let tokens: Vec<i64> = probe.token_ids.iter().map(|id| i64::from(*id)).collect();
    assert_eq!(tokens, integers("greedy_24"));
}
