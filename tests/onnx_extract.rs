//! The weights of a set's graphs, however an exporter wrote them; and in words where reading stops.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at what it did not expect")]

#[expect(dead_code, unreachable_pub, reason = "other tests use the rest")]
#[path = "support/published/mod.rs"]
mod published;

use eyewitness::onnx::extract::{self, ExtractError};
use eyewitness::onnx::proto::{Model, Node};
use eyewitness::onnx::{Architecture, Weights};
use ndarray::ArrayD;
use published::{Attention, Form, Linear, architecture, position_ids, weights};

const TABLE: &str = "model.vision_model.embeddings.position_embedding.weight";

/// Every weight of this part, equal to the bit.
#[track_caller]
fn same(found: &Weights, wanted: &Weights, of_part: impl Fn(&str) -> bool) {
    let names: Vec<&str> = wanted.names().filter(|name| of_part(name)).collect();
    assert_eq!(found.names().collect::<Vec<_>>(), names);
    for (name, want) in wanted.iter().filter(|(name, _)| of_part(name)) {
        let have = found.get(name, want.shape()).unwrap();
        assert!(have == want || name == TABLE, "{name}");
    }
}

fn of_vision(name: &str) -> bool {
    name.starts_with("model.vision_model.") || name.starts_with("model.connector.")
}

fn of_decoder(name: &str) -> bool {
    !of_vision(name) && !of_embed(name)
}

fn of_embed(name: &str) -> bool {
    name == "model.text_model.embed_tokens.weight"
}

fn forms() -> Vec<Form> {
    let plain = Form::PLAIN;
    vec![
        plain,
        Form { halves: true, ..plain },
        Form { linear: Linear::Turned, table: true, ..plain },
        Form { linear: Linear::Gemm, ..plain },
        Form { attention: Attention::Fused, fused: true, table: true, ..plain },
        Form { attention: Attention::Fused, fused: true, halves: true, linear: Linear::Turned, ..plain },
        Form { attention: Attention::Packed, fused: true, ..plain },
        Form { attention: Attention::Packed, ..plain },
    ]
}

#[test]
fn every_form_gives_the_same_weights() {
    let architecture = architecture();
    let wanted = weights(&architecture);
    for form in forms() {
        eprintln!("{form:?}");
        let vision = published::vision(&architecture, &wanted, form);
        let found = extract::vision(&vision, &architecture).unwrap();
        same(&found, &wanted, of_vision);
        table_is_right(&found, &wanted, &architecture, form.table);
        let decoder = published::decoder(&architecture, &wanted, form);
        same(&extract::decoder(&decoder, &architecture).unwrap(), &wanted, of_decoder);
        let embed = published::embed(&wanted, form);
        same(&extract::embed(&embed, &architecture).unwrap(), &wanted, of_embed);
    }
}

/// Rows that no patch looks up cannot be in a graph that holds looked up rows only.
#[track_caller]
fn table_is_right(found: &Weights, wanted: &Weights, architecture: &Architecture, whole: bool) {
    let shape = [architecture.side().pow(2), architecture.vision.hidden];
    let (have, want) = (found.get(TABLE, &shape).unwrap(), wanted.get(TABLE, &shape).unwrap());
    let ids = position_ids(architecture.side());
    for (row, want) in want.outer_iter().enumerate() {
        let have = have.index_axis(ndarray::Axis(0), row);
        if whole || ids.contains(&row) {
            assert_eq!(have, want, "row {row}");
        } else {
            assert!(have.iter().all(|value| *value == 0.0), "row {row}");
        }
    }
}

fn decoder() -> Model {
    let architecture = architecture();
    published::decoder(&architecture, &weights(&architecture), Form::PLAIN)
}

fn vision() -> Model {
    let architecture = architecture();
    published::vision(&architecture, &weights(&architecture), Form::PLAIN)
}

fn nodes<'m>(model: &'m mut Model, kind: &str) -> Vec<&'m mut Node> {
    let nodes = &mut model.graph.as_mut().unwrap().node;
    nodes.iter_mut().filter(|node| node.op_type.as_deref() == Some(kind)).collect()
}

/// What is said of a graph, and the node that it is said of.
#[track_caller]
fn stopped(result: Result<Weights, ExtractError>) -> (String, String) {
    match result.unwrap_err() {
        ExtractError::Node { node, why, .. } => (node, why),
        other => panic!("{other}"),
    }
}

#[test]
fn keys_and_values_that_changed_places_are_noticed() {
    let architecture = architecture();
    let weights = weights(&architecture);
    for attention in [Attention::Plain, Attention::Fused] {
        let form = Form { attention, swapped: true, ..Form::PLAIN };
        let (_, why) = stopped(extract::decoder(&published::decoder(&architecture, &weights, form), &architecture));
        assert_eq!(why, "`present.0.key` does not come from what the attention takes as its keys");
    }
}

#[test]
fn another_number_of_layers_is_noticed() {
    let mut more = architecture();
    more.text.layers = 3;
    more.vision.layers = 3;
    // What comes last reads the stream alone, as one layer for queries, keys and values would.
    let (node, why) = stopped(extract::decoder(&decoder(), &more));
    assert!(why.starts_with("looking for the attention's output of layer 2"), "{node}: {why}");
    let (_, why) = stopped(extract::vision(&vision(), &more));
    assert!(why.starts_with("looking for the attention's output of layer 2"), "{why}");
    let mut fewer = architecture();
    fewer.text.layers = 1;
    let (_, why) = stopped(extract::decoder(&decoder(), &fewer));
    assert!(why.contains("config.json says that there are 1 blocks"), "{why}");
}

#[test]
fn another_activation_is_noticed() {
    let mut model = decoder();
    nodes(&mut model, "Sigmoid").into_iter().for_each(|node| node.op_type = Some("Tanh".into()));
    let (node, why) = stopped(extract::decoder(&model, &architecture()));
    assert!(node.starts_with("/Sigmoid") && why == "SiLU was expected here", "{node}: {why}");
    let mut model = vision();
    nodes(&mut model, "Tanh").into_iter().for_each(|node| node.op_type = Some("Erf".into()));
    assert_eq!(stopped(extract::vision(&model, &architecture())).1, "the published model has GELU by tanh here");
}

#[test]
fn another_part_or_a_quantised_one_is_refused() {
    let error = extract::vision(&decoder(), &architecture()).unwrap_err().to_string();
    assert_eq!(error, "the vision encoder has no input `pixel_values`: is it another part of the set?");
    let mut model = decoder();
    nodes(&mut model, "MatMul").pop().unwrap().op_type = Some("MatMulNBits".into());
    let error = extract::decoder(&model, &architecture()).unwrap_err().to_string();
    assert!(error.contains("8 or 4 bits already") && error.contains("take the fp32 or fp16 set"), "{error}");
    let error = extract::embed(&vision(), &architecture()).unwrap_err().to_string();
    assert_eq!(error, "reading the token embedding stopped looking for the table behind `inputs_embeds`");
}

#[test]
fn positions_that_were_looked_up_otherwise_are_refused() {
    let architecture = architecture();
    let mut weights = weights(&architecture);
    let shape = [architecture.side().pow(2), architecture.vision.hidden];
    let form = Form::PLAIN;
    let mut model = published::vision(&architecture, &weights, form);
    // Each patch has a place of its own: 0, 1, 2, ...
    let table: ArrayD<f32> = weights.get(TABLE, &shape).unwrap().clone();
    let rows = table.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let graph = model.graph.as_mut().unwrap();
    let constant = graph.initializer.iter_mut().find(|tensor| tensor.dims == [1, 64, 32]).unwrap();
    constant.raw_data = Some(rows.into());
    let (node, why) = stopped(extract::vision(&model, &architecture));
    assert!(node.starts_with("/Add") && why.contains("not looked up as the published model does it"), "{why}");
    weights.insert(TABLE, table);
}

#[test]
fn a_graph_without_a_way_through_says_so() {
    let mut model = decoder();
    for node in nodes(&mut model, "MatMul") {
        node.op_type = Some("Mystery".into());
    }
    let error = extract::decoder(&model, &architecture()).unwrap_err().to_string();
    assert!(error.contains("no linear layer with constant weights comes after it"), "{error}");
}
