//! The picture encoder in the forms of several exporters.

use eyewitness::onnx::proto::Model;
use eyewitness::onnx::{Architecture, Weights};
use ndarray::{ArrayD, Axis};

use super::sketch::{BOOL, FLOAT, Sketch, info};
use super::{Attention, Form, IMAGE, position_ids};

const P: &str = "model.vision_model.";

pub fn vision(architecture: &Architecture, weights: &Weights, form: Form) -> Model {
    let v = &architecture.vision;
    let mut g = Sketch::new(weights, form);
    let (hidden, image, patch) = (v.hidden as i64, v.image as i64, v.patch as i64);
    let side = architecture.side() as i64;
    let x = g.reshape("pixel_values", &[-1, 3, image, image]);
    let kernel = g.weight(&format!("{P}embeddings.patch_embedding.weight"));
    let bias = g.weight(&format!("{P}embeddings.patch_embedding.bias"));
    let edges: &[(&str, &[i64])] = &[("kernel_shape", &[patch, patch]), ("strides", &[patch, patch])];
    let x = g.op_ints("Conv", &[&x, &kernel, &bias], edges);
    let x = g.reshape(&x, &[0, hidden, -1]);
    let x = g.transpose(&x, &[0, 2, 1]);
    let places = positions(&mut g, architecture);
    let mut x = g.op("Add", &[&x, &places], &[]);

    let mask = g.op("Cast", &["pixel_attention_mask"], &[("to", i64::from(FLOAT))]);
    let mask = g.reshape(&mask, &[-1, 1, image, image]);
    let mask = g.op_ints("MaxPool", &[&mask], edges);
    let mask = g.reshape(&mask, &[-1, 1, 1, side * side]);
    let one = g.number(1.0);
    let absent = g.op("Sub", &[&one, &mask], &[]);
    let far = g.number(-1e9);
    let mask = g.op("Mul", &[&absent, &far], &[]);

    // What the sum before a norm still lacks, if sums are part of norms.
    let mut open: Option<(String, String)> = None;
    for layer in 0..v.layers {
        let p = format!("{P}encoder.layers.{layer}.");
        let h = norm(&mut g, &mut x, &mut open, &format!("{p}layer_norm1"));
        let a = attention(&mut g, &h, &p, architecture, &mask);
        add(&mut g, &mut x, &mut open, &a, &format!("{p}self_attn.out_proj"));
        let h = norm(&mut g, &mut x, &mut open, &format!("{p}layer_norm2"));
        let inner = activated(&mut g, &h, &format!("{p}mlp.fc1"));
        add(&mut g, &mut x, &mut open, &inner, &format!("{p}mlp.fc2"));
    }
    let x = norm(&mut g, &mut x, &mut open, &format!("{P}post_layernorm"));
    let scale = architecture.scale as i64;
    let n = side / scale;
    let x = g.reshape(&x, &[-1, side, n, hidden * scale]);
    let x = g.transpose(&x, &[0, 2, 1, 3]);
    let x = g.reshape(&x, &[-1, n, n, hidden * scale * scale]);
    let x = g.transpose(&x, &[0, 2, 1, 3]);
    let x = g.reshape(&x, &[-1, n * n, hidden * scale * scale]);
    let x = g.linear(&x, "model.connector.modality_projection.proj");
    g.op_to("Identity", &[&x], "image_features", &[]);
    let edge = IMAGE as i64;
    g.model_of(
        vec![
            info("pixel_values", FLOAT, &[-1, -1, 3, edge, edge]),
            info("pixel_attention_mask", BOOL, &[-1, -1, edge, edge]),
        ],
        vec![info("image_features", FLOAT, &[-1, n * n, architecture.text.hidden as i64])],
    )
}

fn positions(g: &mut Sketch<'_>, architecture: &Architecture) -> String {
    let name = format!("{P}embeddings.position_embedding.weight");
    let ids = position_ids(architecture.side());
    if g.form.table {
        let table = g.weight(&name);
        let ids = g.ints(&ids.iter().map(|id| *id as i64).collect::<Vec<_>>());
        return g.op("Gather", &[&table, &ids], &[("axis", 0)]);
    }
    let rows: ArrayD<f32> = g.get(&name).select(Axis(0), &ids).insert_axis(Axis(0));
    g.constant(&rows)
}

/// Adds what `from` becomes in the linear layer `name` to the stream; if norms do that, only notes it.
fn add(g: &mut Sketch<'_>, x: &mut String, open: &mut Option<(String, String)>, from: &str, name: &str) {
    if g.form.fused {
        let weight = g.get(&format!("{name}.weight"));
        let product = g.project(from, &weight, None);
        let bias = g.weight(&format!("{name}.bias"));
        *open = Some((product, bias));
        return;
    }
    let y = g.linear(from, name);
    *x = g.op("Add", &[x, &y], &[]);
}

fn norm(g: &mut Sketch<'_>, x: &mut String, open: &mut Option<(String, String)>, name: &str) -> String {
    let (weight, bias) = (g.weight(&format!("{name}.weight")), g.weight(&format!("{name}.bias")));
    if let Some((more, its_bias)) = open.take() {
        let (out, sum) = (format!("{name}.out"), format!("{name}.sum"));
        g.node("SkipLayerNormalization", &[x, &more, &weight, &bias, &its_bias], &[&out, "", "", &sum], &[]);
        *x = sum;
        return out;
    }
    if g.form.attention != Attention::Packed && !g.form.halves {
        return g.op("LayerNormalization", &[x, &weight, &bias], &[("axis", -1)]);
    }
    let mean = g.op_ints("ReduceMean", &[x], &[("axes", &[-1])]);
    let apart = g.op("Sub", &[x, &mean], &[]);
    let two = g.number(2.0);
    let square = g.op("Pow", &[&apart, &two], &[]);
    let variance = g.op_ints("ReduceMean", &[&square], &[("axes", &[-1])]);
    let small = g.number(1e-6);
    let sum = g.op("Add", &[&variance, &small], &[]);
    let root = g.op("Sqrt", &[&sum], &[]);
    let even = g.op("Div", &[&apart, &root], &[]);
    let scaled = g.op("Mul", &[&even, &weight], &[]);
    g.op("Add", &[&scaled, &bias], &[])
}

fn attention(g: &mut Sketch<'_>, h: &str, p: &str, architecture: &Architecture, mask: &str) -> String {
    let v = &architecture.vision;
    let (heads, hidden) = (v.heads as i64, v.hidden as i64);
    let names = ["q", "k", "v"].map(|z| format!("{p}self_attn.{z}_proj"));
    let all = |kind: &str| names.clone().map(|name| format!("{name}.{kind}"));
    match g.form.attention {
        Attention::Packed => {
            let weight = g.together(&all("weight"));
            let weight = g.constant(&weight.t().as_standard_layout().into_owned());
            let bias = g.together(&all("bias"));
            let bias = g.constant(&bias);
            return g.op("Attention", &[h, &weight, &bias], &[("num_heads", heads)]);
        }
        Attention::Fused => {
            let [q, k, v] = names.clone().map(|name| {
                let weight = g.get(&format!("{name}.weight"));
                g.project(h, &weight, None)
            });
            let bias = g.together(&all("bias"));
            let bias = g.constant(&bias);
            return g.op("MultiHeadAttention", &[&q, &k, &v, &bias], &[("num_heads", heads)]);
        }
        Attention::Plain => {}
    }
    let [q, k, v] = names.map(|name| {
        let y = g.linear(h, &name);
        let y = g.reshape(&y, &[0, 0, heads, hidden / heads]);
        g.transpose(&y, &[0, 2, 1, 3])
    });
    let turned = g.transpose(&k, &[0, 1, 3, 2]);
    let scores = g.op("MatMul", &[&q, &turned], &[]);
    let scale = g.number(((hidden / heads) as f32).powf(-0.5));
    let scores = g.op("Mul", &[&scores, &scale], &[]);
    let scores = g.op("Add", &[&scores, mask], &[]);
    let shares = g.op("Softmax", &[&scores], &[("axis", -1)]);
    let a = g.op("MatMul", &[&shares, &v], &[]);
    let a = g.transpose(&a, &[0, 2, 1, 3]);
    g.reshape(&a, &[0, 0, hidden])
}

fn activated(g: &mut Sketch<'_>, h: &str, name: &str) -> String {
    if g.form.fused {
        let weight = g.get(&format!("{name}.weight"));
        let product = g.project(h, &weight, None);
        let bias = g.weight(&format!("{name}.bias"));
        return g.op("FastGelu", &[&product, &bias], &[]);
    }
    let h = g.linear(h, name);
    let square = g.op("Mul", &[&h, &h], &[]);
    let cube = g.op("Mul", &[&square, &h], &[]);
    let (a, b, one, half) = (g.number(0.044_715), g.number(0.797_884_6), g.number(1.0), g.number(0.5));
    let inner = g.op("Mul", &[&cube, &a], &[]);
    let inner = g.op("Add", &[&h, &inner], &[]);
    let inner = g.op("Mul", &[&inner, &b], &[]);
    let inner = g.op("Tanh", &[&inner], &[]);
    let inner = g.op("Add", &[&inner, &one], &[]);
    let inner = g.op("Mul", &[&inner, &half], &[]);
    g.op("Mul", &[&h, &inner], &[])
}
