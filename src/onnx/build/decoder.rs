//! The decoder: a Llama whose keys and values are kept.

use ndarray::{Array2, ArrayD};

use super::graph::{Dim, Float, Graph, Op};
use super::linear::{Form, Linear, linear, linear_into};
use crate::onnx::proto::{Model, element};
use crate::onnx::weights::{Text, WeightError, Weights};

const PREFIX: &str = "model.text_model.";

pub(super) fn build(text: &Text, weights: &Weights, form: Form) -> Result<Model, WeightError> {
    let mut builder = Builder { graph: Graph::new("decoder_model_merged", form.float()), text, weights, form };
    let embeds = builder.embeds();
    let sequence = builder.sequence();
    let mut stream = embeds;
    let mut normed = builder.norm(&stream, "layers.0.input_layernorm")?;
    for layer in 0..text.layers {
        let prefix = format!("layers.{layer}.");
        let mut attended = builder.attention(layer, &normed, &sequence)?;
        let (next, last) = match layer + 1 {
            next if next < text.layers => (format!("layers.{next}.input_layernorm"), false),
            _ => ("norm".to_owned(), true),
        };
        if last {
            // Behind the last attention nothing looks at another position.
            (stream, attended) = (builder.last(&stream), builder.last(&attended));
        }
        (stream, normed) = builder.add_and_norm(&stream, &attended, &format!("{prefix}post_attention_layernorm"))?;
        let thought = builder.mlp(&normed, &prefix)?;
        (stream, normed) = builder.add_and_norm(&stream, &thought, &next)?;
    }
    builder.logits(&normed)?;
    for layer in 0..text.layers {
        for kind in ["key", "value"] {
            let dims = builder.kept("total_sequence_length");
            builder.graph.output(&format!("present.{layer}.{kind}"), form.float().element(), &dims);
        }
    }
    Ok(builder.graph.finish())
}

struct Builder<'a> {
    graph: Graph,
    text: &'a Text,
    weights: &'a Weights,
    form: Form,
}

/// What every attention needs to know of the sequence.
struct Sequence {
    /// The place of the last token: i32 [batch].
    last: String,
    /// i32, no dimensions.
    length: String,
    /// [positions, head_dim / 2]
    cosines: String,
    sines: String,
}

impl Builder<'_> {
    fn embeds(&mut self) -> String {
        let element = self.graph.float.element();
        let dims = [Dim::Named("batch_size"), Dim::Named("sequence_length"), Dim::Of(self.text.hidden)];
        let embeds = self.graph.input("inputs_embeds", element, &dims);
        let dims = [Dim::Named("batch_size"), Dim::Named("total_sequence_length")];
        self.graph.input("attention_mask", element::INT64, &dims);
        for layer in 0..self.text.layers {
            for kind in ["key", "value"] {
                let dims = self.kept("past_sequence_length");
                self.graph.input(&format!("past_key_values.{layer}.{kind}"), element, &dims);
            }
        }
        embeds
    }

    fn kept<'n>(&self, length: &'n str) -> [Dim<'n>; 4] {
        [Dim::Named("batch_size"), Dim::Of(self.text.kv_heads), Dim::Named(length), Dim::Of(self.text.head_dim)]
    }

    /// The lengths come from the mask alone: the past may be longer than what is in it.
    fn sequence(&mut self) -> Sequence {
        let (cosines, sines) = self.turns();
        let graph = &mut self.graph;
        let narrow = || Op::onnx("Cast").signed("to", element::INT32.into());
        let (axis, one) = (graph.integers(&[1]), graph.integer(1));
        let visible = graph.op(Op::onnx("ReduceSum").int("keepdims", 0), &["attention_mask", &axis]);
        let last = graph.op(Op::onnx("Sub"), &[&visible, &one]);
        let last = graph.op(narrow(), &[&last]);
        let shape = graph.op(Op::onnx("Shape"), &["attention_mask"]);
        let length = graph.op(Op::onnx("Gather"), &[&shape, &one]);
        let length = graph.op(narrow(), &[&length]);
        Sequence { last, length, cosines, sines }
    }

    fn turns(&mut self) -> (String, String) {
        let Text { positions, head_dim, rope_theta, .. } = *self.text;
        let table = |of: fn(f64) -> f64| -> ArrayD<f32> {
            let turn =
                |(position, i): (usize, usize)| position as f64 * rope_theta.powf(-((2 * i) as f64) / head_dim as f64);
            Array2::from_shape_fn((positions, head_dim / 2), |at| of(turn(at)) as f32).into_dyn()
        };
        (self.graph.weights("cosines", &table(f64::cos)), self.graph.weights("sines", &table(f64::sin)))
    }

    fn attention(&mut self, layer: usize, input: &str, sequence: &Sequence) -> Result<String, WeightError> {
        let Text { hidden, heads, kv_heads, head_dim, .. } = *self.text;
        let prefix = format!("{PREFIX}layers.{layer}.self_attn.");
        let parts = [("q_proj", heads * head_dim), ("k_proj", kv_heads * head_dim), ("v_proj", kv_heads * head_dim)];
        let packed = Linear::read(self.weights, &prefix, &parts, hidden, false)?;
        let out = Linear::read(self.weights, &prefix, &[("o_proj", hidden)], heads * head_dim, false)?;
        let packed = linear(&mut self.graph, input, &packed, self.form);
        let op = Op::microsoft("GroupQueryAttention")
            .int("num_heads", heads)
            .int("kv_num_heads", kv_heads)
            .int("do_rotary", 1)
            .float("scale", (head_dim as f32).powf(-0.5));
        let kept = |what: &str, kind: &str| format!("{what}.{layer}.{kind}");
        let (key, value) = (kept("past_key_values", "key"), kept("past_key_values", "value"));
        let Sequence { last, length, cosines, sines } = sequence;
        let attended = format!("attended.{layer}");
        let inputs = [&*packed, "", "", &*key, &*value, &**last, &**length, &**cosines, &**sines];
        self.graph.op_into(op, &inputs, &[&attended, &kept("present", "key"), &kept("present", "value")]);
        Ok(linear(&mut self.graph, &attended, &out, self.form))
    }

    fn mlp(&mut self, input: &str, prefix: &str) -> Result<String, WeightError> {
        let Text { hidden, mlp, .. } = *self.text;
        let prefix = format!("{PREFIX}{prefix}mlp.");
        let widen = Linear::read(self.weights, &prefix, &[("gate_proj", mlp), ("up_proj", mlp)], hidden, false)?;
        let narrow = Linear::read(self.weights, &prefix, &[("down_proj", hidden)], mlp, false)?;
        let wide = linear(&mut self.graph, input, &widen, self.form);
        let halves = self.graph.integers(&[mlp as i64, mlp as i64]);
        let [gate, up] = self.graph.ops(Op::onnx("Split").signed("axis", -1), &[&wide, &halves]);
        // With an alpha of one this is SiLU.
        let gate = self.graph.op(Op::microsoft("QuickGelu").float("alpha", 1.0), &[&gate]);
        let product = self.graph.op(Op::onnx("Mul"), &[&gate, &up]);
        Ok(linear(&mut self.graph, &product, &narrow, self.form))
    }

    /// The last position of `input` [batch, n, hidden].
    fn last(&mut self, input: &str) -> String {
        let graph = &mut self.graph;
        let (from, to, axis) = (graph.integers(&[-1]), graph.integers(&[i64::MAX]), graph.integers(&[1]));
        graph.op(Op::onnx("Slice"), &[input, &from, &to, &axis])
    }

    fn norm(&mut self, input: &str, name: &str) -> Result<String, WeightError> {
        let scale = self.norm_weight(name)?;
        let op = Op::onnx("SimplifiedLayerNormalization").signed("axis", -1).float("epsilon", self.text.epsilon);
        Ok(self.graph.op(op, &[input, &scale]))
    }

    /// The sum and its norm.
    fn add_and_norm(&mut self, a: &str, b: &str, name: &str) -> Result<(String, String), WeightError> {
        match self.graph.float {
            // As in the picture encoder; sequences are short, so a Sum costs nothing here.
            Float::F32 => {
                let sum = self.graph.op(Op::onnx("Sum"), &[a, b]);
                let normed = self.norm(&sum, name)?;
                Ok((sum, normed))
            }
            Float::F16 => {
                let scale = self.norm_weight(name)?;
                let op = Op::microsoft("SkipSimplifiedLayerNormalization").float("epsilon", self.text.epsilon);
                let [normed, _, _, sum] = self.graph.ops(op, &[a, b, &scale]);
                Ok((sum, normed))
            }
        }
    }

    fn norm_weight(&mut self, name: &str) -> Result<String, WeightError> {
        let name = format!("{PREFIX}{name}.weight");
        Ok(self.graph.weights(&name, self.weights.get(&name, &[self.text.hidden])?))
    }

    fn logits(&mut self, input: &str) -> Result<(), WeightError> {
        let Text { hidden, vocabulary, .. } = *self.text;
        let head = Linear::read(self.weights, "", &[("lm_head", vocabulary)], hidden, false)?;
        linear_into(&mut self.graph, input, &head, self.form, "logits");
        let dims = [Dim::Named("batch_size"), Dim::Of(1), Dim::Of(vocabulary)];
        self.graph.output("logits", self.graph.float.element(), &dims);
        Ok(())
    }
}
