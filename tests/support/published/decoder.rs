//! The decoder in the forms of several exporters.

use eyewitness::onnx::proto::Model;
use eyewitness::onnx::{Architecture, Text, Weights};
use ndarray::Array1;

use super::sketch::{FLOAT, INT64, Sketch, info};
use super::{Attention, Form};

pub fn decoder(architecture: &Architecture, weights: &Weights, form: Form) -> Model {
    let t = &architecture.text;
    let mut d = Drawing { g: Sketch::new(weights, form), t, open: None, masks: None };
    if form.attention == Attention::Plain {
        d.masks = Some(d.masks());
    }
    let mut x = "inputs_embeds".to_owned();
    for layer in 0..t.layers {
        let p = format!("model.text_model.layers.{layer}.");
        let h = d.norm(&mut x, &format!("{p}input_layernorm"));
        let a = d.attention(&h, &p, layer);
        d.add(&mut x, &a, &format!("{p}self_attn.o_proj"));
        let h = d.norm(&mut x, &format!("{p}post_attention_layernorm"));
        let inner = d.gated(&h, &p);
        d.add(&mut x, &inner, &format!("{p}mlp.down_proj"));
    }
    let x = d.norm(&mut x, "model.text_model.norm");
    let logits = d.g.linear(&x, "lm_head");
    d.g.op_to("Identity", &[&logits], "logits", &[]);
    let cache = |name: &str| {
        let all = (0..t.layers).flat_map(|layer| ["key", "value"].map(|kind| format!("{name}.{layer}.{kind}")));
        all.map(|name| info(&name, FLOAT, &[-1, t.kv_heads as i64, -1, t.head_dim as i64])).collect::<Vec<_>>()
    };
    let mut inputs = vec![
        info("inputs_embeds", FLOAT, &[-1, -1, t.hidden as i64]),
        info("attention_mask", INT64, &[-1, -1]),
        info("position_ids", INT64, &[-1, -1]),
    ];
    inputs.extend(cache("past_key_values"));
    let mut outputs = vec![info("logits", FLOAT, &[-1, -1, t.vocabulary as i64])];
    outputs.extend(cache("present"));
    d.g.model_of(inputs, outputs)
}

struct Masks {
    cos: String,
    sin: String,
    /// [batch, 1, queries, keys], a large negative number where nothing is to be seen.
    hidden: String,
}

struct Drawing<'w> {
    g: Sketch<'w>,
    t: &'w Text,
    /// What the sum before a norm still lacks, if sums are part of norms.
    open: Option<String>,
    masks: Option<Masks>,
}

impl Drawing<'_> {
    fn masks(&mut self) -> Masks {
        let (g, d) = (&mut self.g, self.t.head_dim);
        let two = g.ints(&[2]);
        let position = g.op("Cast", &["position_ids"], &[("to", i64::from(FLOAT))]);
        let position = g.op("Unsqueeze", &[&position, &two], &[]);
        let turns: Array1<f32> =
            (0..d / 2).map(|i| (1.0 / self.t.rope_theta.powf(2.0 * i as f64 / d as f64)) as f32).collect();
        // A product of matrices that is no linear layer, as some exporters write it.
        let turns = g.numbers(&turns.into_shape_with_order((1, d / 2)).unwrap().into_dyn());
        let angle = g.op("MatMul", &[&position, &turns], &[]);
        let angle = g.op("Concat", &[&angle, &angle], &[("axis", -1)]);
        let one = g.ints(&[1]);
        let angle = g.op("Unsqueeze", &[&angle, &one], &[]);
        let (cos, sin) = (g.op("Cos", &[&angle], &[]), g.op("Sin", &[&angle], &[]));

        let mut dim = |name: &str| {
            let shape = g.op("Shape", &[name], &[]);
            let at = g.int(1);
            g.op("Gather", &[&shape, &at], &[("axis", 0)])
        };
        let (queries, total) = (dim("inputs_embeds"), dim("attention_mask"));
        let past = g.op("Sub", &[&total, &queries], &[]);
        let (nothing, step) = (g.int(0), g.int(1));
        let rows = g.op("Range", &[&nothing, &queries, &step], &[]);
        let rows = g.op("Add", &[&rows, &past], &[]);
        let rows = g.op("Unsqueeze", &[&rows, &one], &[]);
        let columns = g.op("Range", &[&nothing, &total, &step], &[]);
        let zero = g.ints(&[0]);
        let columns = g.op("Unsqueeze", &[&columns, &zero], &[]);
        let later = g.op("Greater", &[&columns, &rows], &[]);
        let later = g.op("Cast", &[&later], &[("to", i64::from(FLOAT))]);
        let (both, far) = (g.ints(&[0, 1]), g.number(-1e9));
        let later = g.op("Unsqueeze", &[&later, &both], &[]);
        let hidden = g.op("Mul", &[&later, &far], &[]);
        Masks { cos, sin, hidden }
    }

    fn add(&mut self, x: &mut String, from: &str, name: &str) {
        let y = self.g.linear(from, name);
        if self.g.form.fused {
            self.open = Some(y);
        } else {
            *x = self.g.op("Add", &[&y, x], &[]);
        }
    }

    fn norm(&mut self, x: &mut String, name: &str) -> String {
        let g = &mut self.g;
        let weight = g.weight(&format!("{name}.weight"));
        if let Some(more) = self.open.take() {
            let (out, sum) = (format!("{name}.out"), format!("{name}.sum"));
            g.node("SkipSimplifiedLayerNormalization", &[x, &more, &weight], &[&out, "", "", &sum], &[]);
            *x = sum;
            return out;
        }
        if g.form.fused {
            return g.op("SimplifiedLayerNormalization", &[x, &weight], &[("axis", -1)]);
        }
        let square = g.op("Mul", &[x, x], &[]);
        let mean = g.op_ints("ReduceMean", &[&square], &[("axes", &[-1])]);
        let small = g.number(1e-5);
        let sum = g.op("Add", &[&mean, &small], &[]);
        let root = g.op("Sqrt", &[&sum], &[]);
        let even = if g.form.halves {
            let inverse = g.op("Reciprocal", &[&root], &[]);
            g.op("Mul", &[x, &inverse], &[])
        } else {
            g.op("Div", &[x, &root], &[])
        };
        g.op("Mul", &[&weight, &even], &[])
    }

    fn attention(&mut self, h: &str, p: &str, layer: usize) -> String {
        let names = ["q", "k", "v"].map(|z| format!("{p}self_attn.{z}_proj"));
        let kept =
            ["key", "value"].map(|kind| (format!("past_key_values.{layer}.{kind}"), format!("present.{layer}.{kind}")));
        let [(past_k, present_k), (past_v, present_v)] = &kept;
        let (present_k, present_v) = if self.g.form.swapped { (present_v, present_k) } else { (present_k, present_v) };
        let heads = [("num_heads", self.t.heads as i64), ("kv_num_heads", self.t.kv_heads as i64), ("do_rotary", 1)];
        let g = &mut self.g;
        let (q, k, v) = match g.form.attention {
            Attention::Plain => {
                let [q, k, v] = names.map(|name| g.linear(h, &name));
                return self.plain([q, k, v], (past_k, present_k), (past_v, present_v));
            }
            Attention::Fused => {
                let [q, k, v] = names.map(|name| g.linear(h, &name));
                let mut turn = |y: &str| g.op("RotaryEmbedding", &[y, "position_ids"], &[]);
                (turn(&q), turn(&k), v)
            }
            Attention::Packed => {
                let all = g.together(&names.map(|name| format!("{name}.weight")));
                (g.project(h, &all, None), String::new(), String::new())
            }
        };
        let out = format!("{p}attention");
        let inputs = [q.as_str(), &k, &v, past_k, past_v, "attention_mask", "attention_mask"];
        g.node("GroupQueryAttention", &inputs, &[&out, present_k, present_v], &heads);
        out
    }

    fn plain(&mut self, [q, k, v]: [String; 3], key: (&str, &str), value: (&str, &str)) -> String {
        let (heads, kv, d) = (self.t.heads as i64, self.t.kv_heads as i64, self.t.head_dim as i64);
        let q = self.heads(&q, heads);
        let q = self.rotate(&q);
        let k = self.heads(&k, kv);
        let k = self.rotate(&k);
        let v = self.heads(&v, kv);
        let g = &mut self.g;
        g.op_to("Concat", &[key.0, &k], key.1, &[("axis", 2)]);
        g.op_to("Concat", &[value.0, &v], value.1, &[("axis", 2)]);
        let mut repeat = |y: &str| {
            let two = g.ints(&[2]);
            let y = g.op("Unsqueeze", &[y, &two], &[]);
            let times = g.ints(&[1, 1, heads / kv, 1, 1]);
            let y = g.op("Tile", &[&y, &times], &[]);
            g.reshape(&y, &[0, heads, -1, d])
        };
        let (k, v) = (repeat(key.1), repeat(value.1));
        let k = g.transpose(&k, &[0, 1, 3, 2]);
        let scores = g.op("MatMul", &[&q, &k], &[]);
        let scale = g.number((d as f32).powf(-0.5));
        let scores = g.op("Mul", &[&scores, &scale], &[]);
        let hidden = &self.masks.as_ref().unwrap().hidden;
        let scores = g.op("Add", &[&scores, hidden], &[]);
        let shares = g.op("Softmax", &[&scores], &[("axis", -1)]);
        let a = g.op("MatMul", &[&shares, &v], &[]);
        let a = g.transpose(&a, &[0, 2, 1, 3]);
        g.reshape(&a, &[0, 0, heads * d])
    }

    fn heads(&mut self, y: &str, heads: i64) -> String {
        let y = self.g.reshape(y, &[0, 0, heads, self.t.head_dim as i64]);
        self.g.transpose(&y, &[0, 2, 1, 3])
    }

    fn rotate(&mut self, x: &str) -> String {
        let (g, d) = (&mut self.g, self.t.head_dim as i64);
        let (zero, half, all, axis) = (g.ints(&[0]), g.ints(&[d / 2]), g.ints(&[d]), g.ints(&[3]));
        let a = g.op("Slice", &[x, &zero, &half, &axis], &[]);
        let b = g.op("Slice", &[x, &half, &all, &axis], &[]);
        let b = g.op("Neg", &[&b], &[]);
        let turned = g.op("Concat", &[&b, &a], &[("axis", 3)]);
        let masks = self.masks.as_ref().unwrap();
        let straight = g.op("Mul", &[x, &masks.cos], &[]);
        let turned = g.op("Mul", &[&turned, &masks.sin], &[]);
        g.op("Add", &[&straight, &turned], &[])
    }

    fn gated(&mut self, h: &str, p: &str) -> String {
        if self.g.form.attention == Attention::Packed {
            let g = &mut self.g;
            let both = g.together(&["up", "gate"].map(|z| format!("{p}mlp.{z}_proj.weight")));
            let both = g.project(h, &both, None);
            let (up, gate) = (format!("{p}up"), format!("{p}gate"));
            g.node("Split", &[&both], &[&up, &gate], &[("axis", -1)]);
            let gate = g.op("QuickGelu", &[&gate], &[]);
            return g.op("Mul", &[&gate, &up], &[]);
        }
        let up = self.g.linear(h, &format!("{p}mlp.up_proj"));
        let gate = self.g.linear(h, &format!("{p}mlp.gate_proj"));
        let g = &mut self.g;
        if g.form.fused {
            let gate = g.op("QuickGelu", &[&gate], &[]);
            return g.op("Mul", &[&up, &gate], &[]);
        }
        let share = g.op("Sigmoid", &[&gate], &[]);
        let gate = g.op("Mul", &[&gate, &share], &[]);
        g.op("Mul", &[&gate, &up], &[])
    }
}
