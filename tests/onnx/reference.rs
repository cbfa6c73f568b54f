//! What an Idefics3 model computes, written down plainly in f64: no cache, no fusion, one loop per sentence of its description.

use eyewitness::onnx::{Architecture, Text, Vision, Weights};
use ndarray::{
    Array1, Array2, Array3, ArrayBase, ArrayView1, Axis, Data, Dimension, Ix1, Ix2, Ix4, RemoveAxis, Slice, ViewRepr,
};

/// `pixels` [3, h, w] to features [tokens, hidden of the text].
pub(crate) fn features(architecture: &Architecture, weights: &Weights, pixels: &Array3<f64>) -> Array2<f64> {
    let (vision, scale) = (&architecture.vision, architecture.scale);
    let (rows, columns) = (pixels.dim().1 / vision.patch, pixels.dim().2 / vision.patch);
    let mut stream = patches(vision, weights, pixels, rows, columns);
    for layer in 0..vision.layers {
        let prefix = format!("model.vision_model.encoder.layers.{layer}.");
        let normed = layer_norm(&stream, weights, &format!("{prefix}layer_norm1"), vision.epsilon);
        let project = |part: &str| {
            linear(&normed, weights, &format!("{prefix}self_attn.{part}_proj"), vision.hidden, vision.hidden, true)
        };
        let attended = attention(&project("q"), &project("k"), &project("v"), vision.heads, vision.heads, false);
        let out = format!("{prefix}self_attn.out_proj");
        stream = stream + linear(&attended, weights, &out, vision.hidden, vision.hidden, true);
        let normed = layer_norm(&stream, weights, &format!("{prefix}layer_norm2"), vision.epsilon);
        let wide = linear(&normed, weights, &format!("{prefix}mlp.fc1"), vision.hidden, vision.mlp, true);
        let wide = wide.mapv(|x| {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        });
        stream = stream + linear(&wide, weights, &format!("{prefix}mlp.fc2"), vision.mlp, vision.hidden, true);
    }
    let normed = layer_norm(&stream, weights, "model.vision_model.post_layernorm", vision.epsilon);

    let width = vision.hidden * scale * scale;
    let mut tokens = Array2::zeros((rows / scale * (columns / scale), width));
    for ((token, i), value) in tokens.indexed_iter_mut() {
        let (down, along) = (token / (columns / scale), token % (columns / scale));
        let (within, channel) = (i / vision.hidden, i % vision.hidden);
        let (row, column) = (down * scale + within / scale, along * scale + within % scale);
        *value = normed[[row * columns + column, channel]];
    }
    let name = "model.connector.modality_projection.proj";
    linear(&tokens, weights, name, width, architecture.text.hidden, false)
}

fn patches(vision: &Vision, weights: &Weights, pixels: &Array3<f64>, rows: usize, columns: usize) -> Array2<f64> {
    let Vision { hidden, patch, image, .. } = *vision;
    let side = image / patch;
    let prefix = "model.vision_model.embeddings.";
    let kernel = weights.get(&format!("{prefix}patch_embedding.weight"), &[hidden, 3, patch, patch]).unwrap();
    let kernel = kernel.view().into_dimensionality::<Ix4>().unwrap().mapv(f64::from);
    let bias = vector(weights, &format!("{prefix}patch_embedding.bias"), hidden);
    let places = matrix(weights, &format!("{prefix}position_embedding.weight"), side * side, hidden);
    Array2::from_shape_fn((rows * columns, hidden), |(at, channel)| {
        let (row, column) = (at / columns, at % columns);
        let square = within(pixels, 1, row * patch..(row + 1) * patch);
        let square = within(&square, 2, column * patch..(column + 1) * patch);
        let seen = (&square * &kernel.index_axis(Axis(0), channel)).sum() + bias[channel];
        seen + places[[bucket(row, rows, side) * side + bucket(column, columns, side), channel]]
    })
}

/// As published: the fraction, a millionth smaller, sorted between the boundaries of `side` buckets.
fn bucket(i: usize, count: usize, side: usize) -> usize {
    let fraction = i as f64 / count as f64 * (1.0 - 1e-6);
    (1..side).filter(|boundary| *boundary as f64 / side as f64 <= fraction).count()
}

/// Embeddings [n, hidden] to the logits of every position [n, vocabulary].
pub(crate) fn logits(text: &Text, weights: &Weights, embeds: &Array2<f64>) -> Array2<f64> {
    let Text { hidden, heads, kv_heads, head_dim, mlp, .. } = *text;
    let mut stream = embeds.clone();
    for layer in 0..text.layers {
        let prefix = format!("model.text_model.layers.{layer}.");
        let normed = rms_norm(&stream, weights, &format!("{prefix}input_layernorm"), text.epsilon);
        let project = |part: &str, heads: usize| {
            linear(&normed, weights, &format!("{prefix}self_attn.{part}_proj"), hidden, heads * head_dim, false)
        };
        let (q, k) = (turned(text, project("q", heads)), turned(text, project("k", kv_heads)));
        let attended = attention(&q, &k, &project("v", kv_heads), heads, kv_heads, true);
        stream =
            stream + linear(&attended, weights, &format!("{prefix}self_attn.o_proj"), heads * head_dim, hidden, false);
        let normed = rms_norm(&stream, weights, &format!("{prefix}post_attention_layernorm"), text.epsilon);
        let gate = linear(&normed, weights, &format!("{prefix}mlp.gate_proj"), hidden, mlp, false);
        let up = linear(&normed, weights, &format!("{prefix}mlp.up_proj"), hidden, mlp, false);
        let product = gate.mapv(|x| x / (1.0 + (-x).exp())) * up;
        stream = stream + linear(&product, weights, &format!("{prefix}mlp.down_proj"), mlp, hidden, false);
    }
    let normed = rms_norm(&stream, weights, "model.text_model.norm", text.epsilon);
    linear(&normed, weights, "lm_head", hidden, text.vocabulary, false)
}

/// Each head's halves turned against each other, by the angle of the position.
fn turned(text: &Text, mut heads: Array2<f64>) -> Array2<f64> {
    let half = text.head_dim / 2;
    for (position, mut row) in heads.outer_iter_mut().enumerate() {
        for mut head in row.exact_chunks_mut(text.head_dim) {
            for i in 0..half {
                let angle = position as f64 * text.rope_theta.powf(-((2 * i) as f64) / text.head_dim as f64);
                let (a, b) = (head[i], head[i + half]);
                head[i] = a * angle.cos() - b * angle.sin();
                head[i + half] = b * angle.cos() + a * angle.sin();
            }
        }
    }
    heads
}

fn attention(
    q: &Array2<f64>,
    k: &Array2<f64>,
    v: &Array2<f64>,
    heads: usize,
    kv_heads: usize,
    causal: bool,
) -> Array2<f64> {
    let dim = q.ncols() / heads;
    let mut out = Array2::zeros(q.dim());
    for head in 0..heads {
        let kept = head / (heads / kv_heads) * dim;
        let (k, v) = (within(k, 1, kept..kept + dim), within(v, 1, kept..kept + dim));
        let q = within(q, 1, head * dim..(head + 1) * dim);
        let mut out = out.slice_axis_mut(Axis(1), Slice::from(head * dim..(head + 1) * dim));
        for row in 0..q.nrows() {
            let seen = if causal { row + 1 } else { k.nrows() };
            let scores = Array1::from_shape_fn(seen, |key| q.row(row).dot(&k.row(key)) / (dim as f64).sqrt());
            let most = scores.fold(f64::MIN, |most, score| most.max(*score));
            let weights = scores.mapv(|score| (score - most).exp());
            let mixed = weights.dot(&within(&v, 0, 0..seen)) / weights.sum();
            out.row_mut(row).assign(&mixed);
        }
    }
    out
}

fn within<S: Data<Elem = f64>, D: Dimension + RemoveAxis>(
    x: &ArrayBase<S, D>,
    axis: usize,
    range: std::ops::Range<usize>,
) -> ArrayBase<ViewRepr<&f64>, D> {
    x.slice_axis(Axis(axis), Slice::from(range))
}

fn layer_norm(x: &Array2<f64>, weights: &Weights, name: &str, epsilon: f32) -> Array2<f64> {
    let (weight, bias) =
        (vector(weights, &format!("{name}.weight"), x.ncols()), vector(weights, &format!("{name}.bias"), x.ncols()));
    by_row(x, |row| {
        let centred = &row - row.mean().unwrap();
        let variance = centred.mapv(|v| v * v).mean().unwrap();
        centred / (variance + f64::from(epsilon)).sqrt() * &weight + &bias
    })
}

fn rms_norm(x: &Array2<f64>, weights: &Weights, name: &str, epsilon: f32) -> Array2<f64> {
    let weight = vector(weights, &format!("{name}.weight"), x.ncols());
    by_row(x, |row| &row / (row.mapv(|v| v * v).mean().unwrap() + f64::from(epsilon)).sqrt() * &weight)
}

fn by_row(x: &Array2<f64>, of: impl Fn(ArrayView1<'_, f64>) -> Array1<f64>) -> Array2<f64> {
    let mut out = x.clone();
    for (mut to, from) in out.outer_iter_mut().zip(x.outer_iter()) {
        to.assign(&of(from));
    }
    out
}

fn linear(x: &Array2<f64>, weights: &Weights, name: &str, inputs: usize, outputs: usize, bias: bool) -> Array2<f64> {
    let product = x.dot(&matrix(weights, &format!("{name}.weight"), outputs, inputs).t());
    if bias { product + vector(weights, &format!("{name}.bias"), outputs) } else { product }
}

fn matrix(weights: &Weights, name: &str, rows: usize, columns: usize) -> Array2<f64> {
    weights.get(name, &[rows, columns]).unwrap().view().into_dimensionality::<Ix2>().unwrap().mapv(f64::from)
}

fn vector(weights: &Weights, name: &str, length: usize) -> Array1<f64> {
    weights.get(name, &[length]).unwrap().view().into_dimensionality::<Ix1>().unwrap().mapv(f64::from)
}
