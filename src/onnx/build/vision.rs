//! The picture encoder: a SigLIP with Idefics3's connector behind it.

use super::graph::{Dim, Float, Graph, Op};
use super::linear::{Form, Linear, linear, linear_into, linears};
use crate::onnx::proto::Model;
use crate::onnx::weights::{Architecture, Vision, WeightError, Weights};

const PREFIX: &str = "model.vision_model.";
const LAST_NORM: &str = "post_layernorm";

pub(super) fn build(architecture: &Architecture, weights: &Weights, form: Form) -> Result<Model, WeightError> {
    let (vision, float) = (&architecture.vision, form.float());
    let mut builder = Builder { graph: Graph::new("vision_encoder", float), vision, weights, form };
    let edges =
        [Dim::Named("batch_size"), Dim::Named("num_images"), Dim::Of(3), Dim::Named("height"), Dim::Named("width")];
    let pixels = builder.graph.input("pixel_values", float.element(), &edges);

    let Patches { mut stream, columns } = builder.patches(&pixels)?;
    let mut normed = builder.norm(&stream, "encoder.layers.0.layer_norm1")?;
    for layer in 0..vision.layers {
        let prefix = format!("encoder.layers.{layer}.");
        let attended = builder.attention(&normed, &prefix)?;
        (stream, normed) = builder.add_and_norm(&stream, &attended, &format!("{prefix}layer_norm2"))?;
        let thought = builder.mlp(&normed, &prefix)?;
        let next = match layer + 1 {
            next if next < vision.layers => format!("encoder.layers.{next}.layer_norm1"),
            _ => LAST_NORM.to_owned(),
        };
        (stream, normed) = builder.add_and_norm(&stream, &thought, &next)?;
    }
    builder.connect(&normed, &columns, architecture.scale, architecture.text.hidden)?;
    let dims = [Dim::Named("num_tiles"), Dim::Named("image_tokens"), Dim::Of(architecture.text.hidden)];
    builder.graph.output("image_features", float.element(), &dims);
    Ok(builder.graph.finish())
}

struct Builder<'a> {
    graph: Graph,
    vision: &'a Vision,
    weights: &'a Weights,
    form: Form,
}

/// The picture cut up.
struct Patches {
    /// [tiles, patches, hidden]
    stream: String,
    /// How many stand side by side: i64 [1].
    columns: String,
}

impl Builder<'_> {
    fn patches(&mut self, pixels: &str) -> Result<Patches, WeightError> {
        let Vision { hidden, patch, image, .. } = *self.vision;
        let side = image / patch;
        let name = format!("{PREFIX}embeddings.patch_embedding");
        let kernel = self.weights.get(&format!("{name}.weight"), &[hidden, 3, patch, patch])?;
        let bias = self.weights.get(&format!("{name}.bias"), &[hidden])?;
        let table = format!("{PREFIX}embeddings.position_embedding.weight");
        let places = self.weights.get(&table, &[side * side, hidden])?;

        let graph = &mut self.graph;
        let (kernel, bias) =
            (graph.weights(&format!("{name}.weight"), kernel), graph.weights(&format!("{name}.bias"), bias));
        let measures = graph.op(Op::onnx("Shape").int("start", 2), &[pixels]);
        let all = graph.integers(&[-1]);
        let flat = graph.op(Op::onnx("Concat").int("axis", 0), &[&all, &measures]);
        let tiles = graph.op(Op::onnx("Reshape"), &[pixels, &flat]);
        let conv = Op::onnx("Conv").ints("kernel_shape", &[patch, patch]).ints("strides", &[patch, patch]);
        let grid = graph.op(conv, &[&tiles, &kernel, &bias]);
        let sequence = graph.integers(&[0, hidden as i64, -1]);
        let stream = graph.op(Op::onnx("Reshape"), &[&grid, &sequence]);
        let stream = graph.op(Op::onnx("Transpose").ints("perm", &[0, 2, 1]), &[&stream]);

        let rows = graph.op(Op::onnx("Shape").int("start", 2).int("end", 3), &[&grid]);
        let columns = graph.op(Op::onnx("Shape").int("start", 3).int("end", 4), &[&grid]);
        let ids = self.places(&rows, &columns, side);
        let table = self.graph.weights(&table, places);
        let places = self.graph.op(Op::onnx("Gather"), &[&table, &ids]);
        let stream = self.graph.op(Op::onnx("Add"), &[&stream, &places]);
        Ok(Patches { stream, columns })
    }

    /// The row of the table of places for each patch, [patches].
    fn places(&mut self, rows: &str, columns: &str, side: usize) -> String {
        let (down, along) = (self.bucket(rows, side), self.bucket(columns, side));
        let graph = &mut self.graph;
        let (side, last, all) = (graph.integers(&[side as i64]), graph.integers(&[1]), graph.integers(&[-1]));
        let down = graph.op(Op::onnx("Mul"), &[&down, &side]);
        let down = graph.op(Op::onnx("Unsqueeze"), &[&down, &last]);
        let ids = graph.op(Op::onnx("Add"), &[&down, &along]);
        graph.op(Op::onnx("Reshape"), &[&ids, &all])
    }

    /// The place among `side` of each of `count` patches in a line, [count].
    ///
    /// Published is: the fraction `i / count`, made a millionth smaller, sorted into `side` buckets. A fraction that lies on
    /// the boundary of two falls into the lower one by that: `ceil(i * side / count) - 1`, and the first two share a place.
    fn bucket(&mut self, count: &str, side: usize) -> String {
        let graph = &mut self.graph;
        let (zero, one) = (graph.integer(0), graph.integer(1));
        let (side, ones) = (graph.integers(&[side as i64]), graph.integers(&[1]));
        let scalar = graph.integers(&[]);
        let count = graph.op(Op::onnx("Reshape"), &[count, &scalar]);
        let line = graph.op(Op::onnx("Range"), &[&zero, &count, &one]);
        let line = graph.op(Op::onnx("Mul"), &[&line, &side]);
        let line = graph.op(Op::onnx("Add"), &[&line, &count]);
        let line = graph.op(Op::onnx("Sub"), &[&line, &ones]);
        let ceiling = graph.op(Op::onnx("Div"), &[&line, &count]);
        let line = graph.op(Op::onnx("Sub"), &[&ceiling, &ones]);
        graph.op(Op::onnx("Max"), &[&line, &zero])
    }

    fn attention(&mut self, input: &str, prefix: &str) -> Result<String, WeightError> {
        let Vision { hidden, heads, .. } = *self.vision;
        let prefix = format!("{PREFIX}{prefix}self_attn.");
        let read = |part| Linear::read(self.weights, &prefix, &[(part, hidden)], hidden, true);
        // Three layers cost less than one and a Split behind it.
        let layers = [read("q_proj")?, read("k_proj")?, read("v_proj")?];
        let out = read("out_proj")?;
        let [q, k, v] = linears(&mut self.graph, input, &layers, self.form);
        let op = Op::microsoft("MultiHeadAttention").int("num_heads", heads);
        let attended = self.graph.op(op, &[&q, &k, &v]);
        Ok(linear(&mut self.graph, &attended, &out, self.form))
    }

    fn mlp(&mut self, input: &str, prefix: &str) -> Result<String, WeightError> {
        let Vision { hidden, mlp, .. } = *self.vision;
        let prefix = format!("{PREFIX}{prefix}mlp.");
        let widen = Linear::read(self.weights, &prefix, &[("fc1", mlp)], hidden, true)?;
        let narrow = Linear::read(self.weights, &prefix, &[("fc2", hidden)], mlp, true)?;
        let wide = linear(&mut self.graph, input, &widen, self.form);
        let wide = self.graph.op(Op::microsoft("FastGelu"), &[&wide]);
        Ok(linear(&mut self.graph, &wide, &narrow, self.form))
    }

    fn norm(&mut self, input: &str, name: &str) -> Result<String, WeightError> {
        let [scale, bias] = self.norm_weights(name)?;
        let op = Op::onnx("LayerNormalization").signed("axis", -1).float("epsilon", self.vision.epsilon);
        Ok(self.graph.op(op, &[input, &scale, &bias]))
    }

    /// The sum and its norm.
    fn add_and_norm(&mut self, a: &str, b: &str, name: &str) -> Result<(String, String), WeightError> {
        match self.graph.float {
            // On a processor SkipLayerNormalization is several times slower than its two halves. The runtime makes one of an
            // Add whose sum is used by the norm alone: the last is a Sum, which it does not know, nor divides among threads.
            Float::F32 => {
                let kind = if name == LAST_NORM { "Sum" } else { "Add" };
                let sum = self.graph.op(Op::onnx(kind), &[a, b]);
                let normed = self.norm(&sum, name)?;
                Ok((sum, normed))
            }
            Float::F16 => {
                let [scale, bias] = self.norm_weights(name)?;
                let op = Op::microsoft("SkipLayerNormalization").float("epsilon", self.vision.epsilon);
                let [normed, _, _, sum] = self.graph.ops(op, &[a, b, &scale, &bias]);
                Ok((sum, normed))
            }
        }
    }

    fn norm_weights(&mut self, name: &str) -> Result<[String; 2], WeightError> {
        let read = |part: &str, graph: &mut Graph| {
            let name = format!("{PREFIX}{name}.{part}");
            Ok(graph.weights(&name, self.weights.get(&name, &[self.vision.hidden])?))
        };
        Ok([read("weight", &mut self.graph)?, read("bias", &mut self.graph)?])
    }

    /// Squares of `scale` x `scale` patches become one token each, of the text's width.
    fn connect(&mut self, input: &str, columns: &str, scale: usize, text: usize) -> Result<(), WeightError> {
        let hidden = self.vision.hidden;
        let inputs = hidden * scale * scale;
        let layer =
            Linear::read(self.weights, "model.connector.modality_projection.", &[("proj", text)], inputs, false)?;
        let graph = &mut self.graph;
        let (all, edge) = (graph.integers(&[-1]), graph.integers(&[scale as i64]));
        let across = graph.op(Op::onnx("Div"), &[columns, &edge]);
        let line = graph.integers(&[(hidden * scale) as i64]);
        let apart = graph.op(Op::onnx("Concat").int("axis", 0), &[&all, &edge, &across, &line]);
        let squares = graph.op(Op::onnx("Reshape"), &[input, &apart]);
        let squares = graph.op(Op::onnx("Transpose").ints("perm", &[0, 2, 1, 3]), &[&squares]);
        let tiles = graph.op(Op::onnx("Shape").int("start", 0).int("end", 1), &[input]);
        let token = graph.integers(&[inputs as i64]);
        let tokens = graph.op(Op::onnx("Concat").int("axis", 0), &[&tiles, &all, &token]);
        let tokens = graph.op(Op::onnx("Reshape"), &[&squares, &tokens]);
        linear_into(graph, &tokens, &layer, self.form, "image_features");
        Ok(())
    }
}
