//! The picture graph. Its inputs and outputs are made once per size of picture and stay bound.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::session::{IoBinding, Session};
use ort::value::{DynTensor, Tensor};

use super::call::Call;
use super::graph::{Graph, GraphError};
use super::precision::{GraphFile, Part};
use super::question::AskError;
use super::set::ModelSet;
use super::tensors::Float;

const PIXELS: &str = "pixel_values";
const MASK: &str = "pixel_attention_mask";
const FEATURES: &str = "image_features";
const PART: Part = Part::Vision;

/// `vision_encoder`: pixels [1, 1, 3, h, w] to features [tiles, image tokens, hidden].
pub(super) struct Vision {
    session: Session,
    binding: IoBinding,
    /// Smallest first.
    sizes: Vec<Size>,
}

/// Everything of one size of picture.
struct Size {
    /// Edge in pixels.
    edge: u32,
    pixels: DynTensor,
    float: Float,
    /// All true: one whole view has no padding.
    mask: Option<Tensor<bool>>,
    /// [1, image tokens, hidden]
    features: DynTensor,
    tokens: usize,
}

/// The numbers of one picture, in the graph's own type.
pub(super) enum Input<'a> {
    F32(&'a mut [f32]),
    F16(&'a mut [f16]),
}

impl Input<'_> {
    /// Takes over numbers that were made elsewhere.
    pub(super) fn copy_from(self, pixels: &[f32]) {
        match self {
            Self::F32(values) => values.copy_from_slice(pixels),
            Self::F16(values) => values.convert_from_f32_slice(pixels),
        }
    }
}

impl Vision {
    /// For pictures of these `edges` in pixels, or of the set's own size if there are none.
    pub(super) fn new(session: Session, file: &GraphFile, set: &ModelSet, edges: &[u32]) -> Result<Self, GraphError> {
        let graph = Graph { file: &file.path, session: &session };
        let (h, w) = (set.picture.height as usize, set.picture.width as usize);
        let (element, shape) = graph.need_input(PIXELS)?;
        let float = graph.float(PIXELS, element)?;
        for (axis, want) in [(2, 3), (3, h), (4, w)] {
            graph.dimension(PIXELS, &shape, axis, want)?;
        }
        let any_size = shape[3] < 0 && shape[4] < 0;
        let mask = graph.input(MASK);
        if let Some((_, shape)) = &mask {
            graph.dimension(MASK, shape, 2, h)?;
            graph.dimension(MASK, shape, 3, w)?;
        }
        graph.only_inputs(|name| [PIXELS, MASK].contains(&name))?;
        let (element, shape) = graph.need_output(FEATURES)?;
        let out = graph.float(FEATURES, element)?;
        graph.dimension(FEATURES, &shape, 1, set.image_tokens)?;
        graph.dimension(FEATURES, &shape, 2, set.text.hidden)?;

        let memory = |source| graph.memory(source);
        let full = set.picture.width;
        let own = [full];
        let edges = if edges.is_empty() { &own } else { edges };
        let mut sizes = Vec::new();
        for edge in edges.iter().copied() {
            if edge != full && !any_size {
                return Err(graph.wrong(format!("it takes pictures of {full} pixels only, not of {edge}")));
            }
            let Some(tokens) = tokens(edge, full, set.image_tokens) else {
                return Err(graph.wrong(format!("pictures of {edge} pixels make no whole number of image tokens")));
            };
            sizes.push(Size::new(edge, tokens, (float, out), mask.is_some(), set.text.hidden).map_err(memory)?);
        }
        sizes.sort_by_key(|size| size.edge);
        sizes.dedup_by_key(|size| size.edge);
        let binding = session.create_binding().map_err(memory)?;
        Ok(Self { session, binding, sizes })
    }

    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Edges in pixels and their image tokens, smallest first.
    pub(super) fn sizes(&self) -> impl ExactSizeIterator<Item = (u32, usize)> {
        self.sizes.iter().map(|size| (size.edge, size.tokens))
    }

    /// Where the next picture's numbers go.
    pub(super) fn input(&mut self, size: usize) -> Result<Input<'_>, AskError> {
        let size = &mut self.sizes[size];
        Ok(match size.float {
            Float::F32 => Input::F32(size.pixels.try_extract_tensor_mut::<f32>().map_err(failed)?.1),
            Float::F16 => Input::F16(size.pixels.try_extract_tensor_mut::<f16>().map_err(failed)?.1),
        })
    }

    /// Features of the picture in [`Self::input`]: image tokens x hidden, in [`Self::features`] until the next one.
    pub(super) fn encode(&mut self, size: usize, call: &mut Call<'_>) -> Result<(), AskError> {
        self.sizes[size].bind(&mut self.binding).map_err(failed)?;
        let (session, binding) = (&mut self.session, &self.binding);
        // What it returns is in `features` already.
        call.run(PART, |options| session.run_binding_with_options(binding, options).map(drop))
    }

    pub(super) fn features(&self, size: usize) -> &DynTensor {
        &self.sizes[size].features
    }
}

impl Size {
    fn new(edge: u32, tokens: usize, (float, out): (Float, Float), mask: bool, hidden: usize) -> ort::Result<Self> {
        let e = edge as usize;
        let pixels = float.zeros(&[1, 1, 3, i64::from(edge), i64::from(edge)])?;
        let mask = mask.then(|| Tensor::from_array(([1, 1, e, e], vec![true; e * e]))).transpose()?;
        let features = out.zeros(&[1, tokens as i64, hidden as i64])?;
        Ok(Self { edge, pixels, float, mask, features, tokens })
    }

    fn bind(&mut self, binding: &mut IoBinding) -> ort::Result<()> {
        binding.bind_input(PIXELS, &self.pixels)?;
        if let Some(mask) = &self.mask {
            binding.bind_input(MASK, mask)?;
        }
        binding.bind_output(FEATURES, &mut self.features)
    }
}

/// Image tokens of a picture of `edge` pixels, if one of `full` pixels has `of_full`.
fn tokens(edge: u32, full: u32, of_full: usize) -> Option<usize> {
    let (edge, full) = (u64::from(edge), u64::from(full));
    let scaled = of_full as u64 * edge * edge;
    (edge > 0 && edge <= full && scaled.is_multiple_of(full * full)).then(|| (scaled / (full * full)) as usize)
}

fn failed(source: ort::Error) -> AskError {
    AskError::Run { part: PART.words(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_pictures_have_fewer_tokens() {
        assert_eq!(tokens(512, 512, 64), Some(64));
        assert_eq!(tokens(384, 512, 64), Some(36));
        assert_eq!(tokens(256, 512, 64), Some(16));
        assert_eq!(tokens(300, 512, 64), None);
        assert_eq!(tokens(640, 512, 64), None);
        assert_eq!(tokens(0, 512, 64), None);
    }
}
