//! A graph file, and the search for its weights.

use eyewitness::onnx::{Architecture, Text, Vision, extract, outline, read};

use super::files;

pub(crate) fn run(data: &[u8]) {
    let folder = files::folder();
    files::write(folder.path(), "graph.onnx", data);
    // What external data may point at.
    files::write(folder.path(), "weights.bin", &[7; 64]);
    let path = folder.path().join("graph.onnx");
    let (outline, model) = (outline(&path), read(&path));
    let Ok(model) = model else { return };
    if let (Ok(outline), Some(graph)) = (outline, &model.graph) {
        assert!(outline.nodes() <= data.len(), "more nodes than bytes");
        let _ = graph.node.len();
    }
    let small = small();
    // Most of these are errors; what is found must have been in the file.
    for found in [extract::vision(&model, &small), extract::embed(&model, &small), extract::decoder(&model, &small)] {
        let numbers: usize = found.iter().flat_map(|weights| weights.iter()).map(|(_, values)| values.len()).sum();
        assert!(numbers <= 64 * (data.len() + 64), "weights out of nothing");
    }
}

/// Measures so small that a whole graph fits into an input.
pub(crate) fn small() -> Architecture {
    Architecture {
        text: Text {
            hidden: 4,
            layers: 1,
            heads: 2,
            kv_heads: 1,
            head_dim: 2,
            mlp: 4,
            vocabulary: 8,
            positions: 16,
            rope_theta: 10_000.0,
            epsilon: 1e-5,
        },
        vision: Vision { hidden: 4, layers: 1, heads: 2, mlp: 4, image: 4, patch: 2, epsilon: 1e-6 },
        scale: 2,
    }
}
