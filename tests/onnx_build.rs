//! Graphs made from weights: against the plain arithmetic, in every precision, at every size of picture, and how they are made.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test stops where it fails, and says how near it was")]

#[path = "onnx/reference.rs"]
mod reference;
#[path = "onnx/session.rs"]
mod session;
#[path = "onnx/small.rs"]
mod small;

use std::collections::BTreeSet;

use eyewitness::onnx::build::{self, Precision};
use eyewitness::onnx::proto::{Graph, Model};
use eyewitness::onnx::{Architecture, WeightError, Weights};
use ndarray::{Array2, Array3};
use prost::Message;
use session::{Input, Runner};

const ALL: [Precision; 5] = [Precision::Fp32, Precision::Fp16, Precision::Int8, Precision::Q4, Precision::Q4f16];

/// How far each may be from the plain arithmetic (relative, of the vectors' lengths), about twice of what was seen.
fn bound(precision: Precision) -> f64 {
    match precision {
        Precision::Fp32 => 2e-6,
        Precision::Fp16 => 6e-3,
        Precision::Int8 => 0.05,
        Precision::Q4 | Precision::Q4f16 => 0.5,
    }
}

fn made() -> (Architecture, Weights) {
    let architecture = small::architecture();
    let weights = small::weights(&architecture);
    (architecture, weights)
}

fn parts(precision: Precision) -> [(&'static str, Model); 3] {
    let (architecture, weights) = made();
    [
        ("vision", build::vision(&architecture, &weights, precision).unwrap()),
        ("embed", build::embed(&architecture, &weights, precision).unwrap()),
        ("decoder", build::decoder(&architecture, &weights, precision).unwrap()),
    ]
}

#[track_caller]
fn close(what: &str, have: &[f32], want: impl ExactSizeIterator<Item = f64>, bound: f64) {
    assert_eq!(have.len(), want.len(), "{what}");
    let (mut off, mut whole) = (0.0, 0.0);
    for (have, want) in have.iter().zip(want) {
        off += (f64::from(*have) - want).powi(2);
        whole += want.powi(2);
    }
    let relative = (off / whole).sqrt();
    println!("{what}: {relative:.2e}");
    assert!(relative <= bound, "{what}: {relative:.2e} is more than {bound:.0e}");
}

#[test]
fn pictures_become_what_the_plain_arithmetic_says() {
    let (architecture, weights) = made();
    for precision in ALL {
        // The picture encoder is never in 4 bits.
        let bound = bound(match precision {
            Precision::Q4 => Precision::Int8,
            Precision::Q4f16 => Precision::Fp16,
            same => same,
        });
        let mut runner = Runner::new(&build::vision(&architecture, &weights, precision).unwrap());
        assert_eq!(runner.inputs(), ["pixel_values"]);
        // The whole size, smaller ones, one that is no square.
        for (h, w) in [(32, 32), (24, 24), (16, 16), (16, 32), (8, 8)] {
            let pixels = small::noise(3, 3 * h * w);
            let plain = Array3::from_shape_vec((3, h, w), pixels.iter().copied().map(f64::from).collect()).unwrap();
            let want = reference::features(&architecture, &weights, &plain);
            let input = Input::Float(vec![1, 1, 3, h as i64, w as i64], pixels);
            let (name, shape, have) = runner.run(&[("pixel_values".into(), input)]).remove(0);
            assert_eq!((name.as_str(), shape), ("image_features", vec![1, (h * w / 64) as i64, 32]));
            close(&format!("{precision:?} {h}x{w}"), &have, want.iter().copied(), bound);
        }
    }
}

#[test]
fn several_tiles_at_once_are_each_their_own() {
    let (architecture, weights) = made();
    let mut runner = Runner::new(&build::vision(&architecture, &weights, Precision::Fp32).unwrap());
    let tiles = [small::noise(1, 3 * 32 * 32), small::noise(2, 3 * 32 * 32)];
    let both = Input::Float(vec![1, 2, 3, 32, 32], tiles.concat());
    let (_, shape, have) = runner.run(&[("pixel_values".into(), both)]).remove(0);
    assert_eq!(shape, [2, 16, 32]);
    for (tile, have) in tiles.iter().zip(have.chunks(16 * 32)) {
        let plain = Array3::from_shape_vec((3, 32, 32), tile.iter().copied().map(f64::from).collect()).unwrap();
        let want = reference::features(&architecture, &weights, &plain);
        close("tile", have, want.iter().copied(), bound(Precision::Fp32));
    }
}

#[test]
fn tokens_become_rows_of_the_table() {
    let (architecture, weights) = made();
    let table = weights.get("model.text_model.embed_tokens.weight", &[96, 32]).unwrap();
    for precision in ALL {
        let mut runner = Runner::new(&build::embed(&architecture, &weights, precision).unwrap());
        let ids = [95, 0, 17];
        let input = Input::Integer(vec![1, 3], ids.to_vec());
        let (_, shape, have) = runner.run(&[("input_ids".into(), input)]).remove(0);
        assert_eq!(shape, [1, 3, 32]);
        let want: Vec<f64> = ids.iter().flat_map(|id| (0..32).map(|i| f64::from(table[[*id as usize, i]]))).collect();
        close(&format!("{precision:?}"), &have, want.into_iter(), bound(precision).min(0.01));
    }
}

#[test]
fn a_sequence_in_steps_is_the_plain_sequence() {
    for precision in ALL {
        in_steps(precision, None);
    }
}

/// The engine gives past and present one buffer, longer than what is in it: the mask alone says how much counts.
#[test]
fn what_stands_behind_the_past_does_not_count() {
    for precision in [Precision::Fp32, Precision::Int8] {
        in_steps(precision, Some(12));
    }
}

/// Six embeddings at once, then one by one, the past in tensors of `capacity` with rubbish at their ends.
fn in_steps(precision: Precision, capacity: Option<usize>) {
    let (architecture, weights) = made();
    let text = &architecture.text;
    let embeds: Vec<f32> = small::noise(5, 9 * 32);
    let plain = Array2::from_shape_vec((9, 32), embeds.iter().copied().map(f64::from).collect()).unwrap();
    let want = reference::logits(text, &weights, &plain);
    let mut runner = Runner::new(&build::decoder(&architecture, &weights, precision).unwrap());
    let names = (0..text.layers).flat_map(|i| ["key", "value"].map(|kind| format!("past_key_values.{i}.{kind}")));
    let mut past: Vec<(String, Vec<f32>)> = names.map(|name| (name, Vec::new())).collect();
    for (from, to) in [(0, 6), (6, 7), (7, 8), (8, 9)] {
        let new = Input::Float(vec![1, (to - from) as i64, 32], embeds[from * 32..to * 32].to_vec());
        let mask = Input::Integer(vec![1, to as i64], vec![1; to]);
        let mut inputs = vec![("inputs_embeds".to_owned(), new), ("attention_mask".to_owned(), mask)];
        let length = capacity.unwrap_or(from);
        for (name, values) in &past {
            inputs.push((name.clone(), Input::Float(vec![1, 2, length as i64, 16], stretched(values, length))));
        }
        let mut outputs = runner.run(&inputs);
        let (name, shape, have) = outputs.remove(0);
        assert_eq!((name.as_str(), shape), ("logits", vec![1, 1, 96]));
        let what = format!("{precision:?}, {to} with room for {capacity:?}");
        close(&what, &have, want.row(to - 1).iter().copied(), bound(precision));
        for ((_, past), (_, shape, present)) in past.iter_mut().zip(outputs) {
            assert_eq!(shape, [1, 2, capacity.unwrap_or(to) as i64, 16]);
            *past = present.chunks(shape[2] as usize * 16).flat_map(|head| &head[..to * 16]).copied().collect();
        }
    }
}

/// [2, n, 16] to [2, length, 16], filled up with rubbish.
fn stretched(values: &[f32], length: usize) -> Vec<f32> {
    let stretch = |head: usize| {
        let mut values = values[head * values.len() / 2..(head + 1) * values.len() / 2].to_vec();
        values.resize(length * 16, 7.0);
        values
    };
    [stretch(0), stretch(1)].concat()
}

#[test]
fn graphs_are_old_enough_whole_and_quantise_nothing_twice() {
    for precision in ALL {
        for (part, model) in parts(precision) {
            let what = format!("{precision:?} {part}");
            assert!(model.ir_version.unwrap() <= 9, "{what}: ONNX Runtime 1.17 reads IR versions up to 9");
            for operators in &model.opset_import {
                let newest = if operators.domain() == "" { 20 } else { 1 };
                assert!(operators.version() <= newest, "{what}: {operators:?}");
            }
            let graph = model.graph.as_ref().unwrap();
            in_order(&what, graph);
            once_quantised(&what, graph);
        }
    }
}

/// Every value is made once and before it is used, and every weight is used.
fn in_order(what: &str, graph: &Graph) {
    let mut known = BTreeSet::from([""]);
    let inputs = graph.input.iter().map(|input| input.name());
    for name in graph.initializer.iter().map(|tensor| tensor.name()).chain(inputs) {
        assert!(known.insert(name), "{what}: `{name}` is there twice");
    }
    let mut used = BTreeSet::new();
    for node in &graph.node {
        for input in &node.input {
            assert!(known.contains(input.as_str()), "{what}: `{input}` is made nowhere before {}", node.name());
            used.insert(input.as_str());
        }
        for output in &node.output {
            assert!(output.is_empty() || known.insert(output), "{what}: `{output}` is made twice");
        }
    }
    for tensor in &graph.initializer {
        assert!(used.contains(tensor.name()), "{what}: nothing uses `{}`", tensor.name());
    }
    for output in &graph.output {
        assert!(known.contains(output.name()), "{what}: nothing makes `{}`", output.name());
    }
}

fn once_quantised(what: &str, graph: &Graph) {
    let mut quantised = BTreeSet::new();
    for node in &graph.node {
        if ["DynamicQuantizeLinear", "DynamicQuantizeMatMul"].contains(&node.op_type()) {
            assert!(quantised.insert(&node.input[0]), "{what}: `{}` is quantised twice", node.input[0]);
        }
    }
}

#[test]
fn the_past_is_read_by_the_attention_alone() {
    for precision in ALL {
        let [.., (_, decoder)] = parts(precision);
        for node in &decoder.graph.as_ref().unwrap().node {
            if node.input.iter().any(|input| input.starts_with("past_key_values")) {
                assert_eq!(node.op_type(), "GroupQueryAttention");
            }
        }
    }
}

#[test]
fn the_same_weights_give_the_same_bytes() {
    for precision in ALL {
        let bytes = || parts(precision).map(|(_, model)| model.encode_to_vec());
        assert_eq!(bytes(), bytes(), "{precision:?}");
    }
}

#[test]
fn a_weight_of_another_size_is_named() {
    let (mut architecture, weights) = made();
    architecture.text.mlp += 1;
    let error = build::decoder(&architecture, &weights, Precision::Int8).unwrap_err();
    let name = "model.text_model.layers.0.mlp.gate_proj.weight";
    assert_eq!(error, WeightError::Shape { name: name.into(), have: vec![80, 32], want: vec![81, 32] });
    let error = build::vision(&architecture, &Weights::default(), Precision::Fp32).unwrap_err();
    assert!(matches!(error, WeightError::Missing { .. }), "{error}");
}
