//! The two graphs that make embeddings: of a picture and of tokens.

use ort::session::{Session, SessionInputValue};
use ort::value::{DynTensor, DynValue, Tensor};

use super::call::Call;
use super::graph::{Graph, GraphError};
use super::precision::GraphFile;
use super::question::AskError;
use super::set::ModelSet;
use super::tensors::{self, Float};

const PIXELS: &str = "pixel_values";
const MASK: &str = "pixel_attention_mask";
const FEATURES: &str = "image_features";
const IDS: &str = "input_ids";
const EMBEDS: &str = "inputs_embeds";

/// `vision_encoder`: pixels [1, 1, 3, h, w] to features [tiles, image tokens, hidden].
pub(super) struct Vision {
    session: Session,
    /// Lives as long as the session; every picture is written into it.
    pixels: DynTensor,
    /// Where f32 pixels wait for a graph of f16.
    wide: Option<Vec<f32>>,
    /// All true: one whole view has no padding.
    mask: Option<Tensor<bool>>,
}

impl Vision {
    pub(super) fn new(session: Session, file: &GraphFile, set: &ModelSet) -> Result<Self, GraphError> {
        let graph = Graph { file: &file.path, session: &session };
        let (h, w) = (set.picture.height as usize, set.picture.width as usize);
        let (element, shape) = graph.need_input(PIXELS)?;
        let float = graph.float(PIXELS, element)?;
        for (axis, want) in [(2, 3), (3, h), (4, w)] {
            graph.dimension(PIXELS, &shape, axis, want)?;
        }
        let mask = graph.input(MASK);
        if let Some((_, shape)) = &mask {
            graph.dimension(MASK, shape, 2, h)?;
            graph.dimension(MASK, shape, 3, w)?;
        }
        graph.only_inputs(|name| [PIXELS, MASK].contains(&name))?;
        let (_, shape) = graph.need_output(FEATURES)?;
        graph.dimension(FEATURES, &shape, 1, set.image_tokens)?;
        graph.dimension(FEATURES, &shape, 2, set.text.hidden)?;

        let memory = |source| graph.memory(source);
        let pixels = float.zeros(&[1, 1, 3, h as i64, w as i64]).map_err(memory)?;
        let wide = (float == Float::F16).then(|| vec![0.0; 3 * h * w]);
        let mask = mask.map(|_| Tensor::from_array(([1, 1, h, w], vec![true; h * w]))).transpose().map_err(memory)?;
        Ok(Self { session, pixels, wide, mask })
    }

    /// Where the next picture's numbers go.
    pub(super) fn input(&mut self) -> Result<&mut [f32], AskError> {
        if let Some(wide) = &mut self.wide {
            return Ok(wide);
        }
        let values = self.pixels.try_extract_tensor_mut::<f32>();
        values.map(|(_, values)| values).map_err(|source| AskError::Run { part: PIXELS, source })
    }

    pub(super) fn encode(&mut self, call: &mut Call<'_>) -> Result<DynValue, AskError> {
        if let Some(wide) = &self.wide {
            tensors::write(&mut self.pixels, 0, wide).map_err(|source| AskError::Run { part: PIXELS, source })?;
        }
        let mut inputs = vec![(PIXELS, SessionInputValue::from(&self.pixels))];
        inputs.extend(self.mask.iter().map(|mask| (MASK, SessionInputValue::from(mask))));
        let session = &mut self.session;
        call.run("vision encoder", |options| only(&mut session.run_with_options(inputs, options)?, FEATURES))
    }
}

/// `embed_tokens`: ids [1, n] to embeddings [1, n, hidden].
pub(super) struct Embed {
    session: Session,
    /// The id of the step at hand.
    one: Tensor<i64>,
}

impl Embed {
    pub(super) fn new(session: Session, file: &GraphFile, set: &ModelSet) -> Result<Self, GraphError> {
        let graph = Graph { file: &file.path, session: &session };
        let (element, _) = graph.need_input(IDS)?;
        graph.integer(IDS, element)?;
        graph.only_inputs(|name| name == IDS)?;
        let (element, shape) = graph.need_output(EMBEDS)?;
        graph.float(EMBEDS, element)?;
        graph.dimension(EMBEDS, &shape, 2, set.text.hidden)?;
        let one = tensors::integers([1, 1], vec![0]).map_err(|source| graph.memory(source))?;
        Ok(Self { session, one })
    }

    pub(super) fn many(&mut self, ids: &[i64], call: &mut Call<'_>) -> Result<DynValue, AskError> {
        let ids = tensors::integers([1, ids.len() as i64], ids.to_vec())
            .map_err(|source| AskError::Run { part: IDS, source })?;
        self.run(&ids, call)
    }

    pub(super) fn one(&mut self, id: u32, call: &mut Call<'_>) -> Result<DynValue, AskError> {
        self.one.extract_tensor_mut().1[0] = i64::from(id);
        let ids = SessionInputValue::from(&self.one);
        let session = &mut self.session;
        call.run("token embedding", |options| only(&mut session.run_with_options([ids], options)?, EMBEDS))
    }

    fn run(&mut self, ids: &Tensor<i64>, call: &mut Call<'_>) -> Result<DynValue, AskError> {
        let ids = SessionInputValue::from(ids);
        let session = &mut self.session;
        call.run("token embedding", |options| only(&mut session.run_with_options([ids], options)?, EMBEDS))
    }
}

fn only(outputs: &mut ort::session::SessionOutputs<'_>, name: &str) -> ort::Result<DynValue> {
    outputs.remove(name).ok_or_else(|| ort::Error::new(format!("the graph returned no `{name}`")))
}
