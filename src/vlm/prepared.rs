//! Prompts as embeddings: the text is embedded once, only the picture's rows change. All prompts of a set begin alike, up to
//! and with the picture, so that beginning is a thing of its own: several questions about one picture share its way through
//! the decoder.

use std::collections::HashMap;
use std::sync::Arc;

use ort::value::{DynTensor, DynValue};

use super::call::Call;
use super::encoder::Embed;
use super::prompt::Prompts;
use super::question::AskError;
use super::tensors::{self, Float};

/// Prompts that are kept (about 0.2 MB each).
const KEPT: usize = 32;

/// Some token ids and their embeddings [1, ids, hidden], in the decoder's float type.
pub(super) struct Embedded {
    pub ids: Vec<i64>,
    pub embeds: DynTensor,
}

/// One prompt.
pub(super) struct Prepared {
    pub whole: Embedded,
    /// What follows the picture.
    pub tail: Embedded,
    /// Where the features go, in numbers.
    features_at: usize,
}

/// The prompts that were asked so far.
pub(super) struct Kept {
    prompts: HashMap<Arc<str>, Prepared>,
    /// What comes before and with the picture, and where the features go in it; from the first prompt.
    head: Option<(Embedded, usize)>,
    hidden: usize,
    float: Float,
}

impl Kept {
    pub(super) fn new(hidden: usize, float: Float) -> Self {
        Self { prompts: HashMap::new(), head: None, hidden, float }
    }

    /// The prompt `text` with these features in it.
    pub(super) fn with_picture(
        &mut self,
        text: &Arc<str>,
        max_tokens: usize,
        features: &DynValue,
        build: (&Prompts, &mut Embed),
        call: &mut Call<'_>,
    ) -> Result<&Prepared, AskError> {
        self.prepare(text, max_tokens, build, call)?;
        let prepared = self.prompts.get_mut(text).expect("it was just put there");
        insert(&mut prepared.whole, prepared.features_at, features)?;
        Ok(prepared)
    }

    /// What all prompts begin with, with these features in it. `text` is any of them.
    pub(super) fn head_with_picture(
        &mut self,
        text: &Arc<str>,
        max_tokens: usize,
        features: &DynValue,
        build: (&Prompts, &mut Embed),
        call: &mut Call<'_>,
    ) -> Result<&Embedded, AskError> {
        self.prepare(text, max_tokens, build, call)?;
        let (head, at) = self.head.as_mut().expect("the first prompt made it");
        insert(head, *at, features)?;
        Ok(head)
    }

    /// A prompt that was prepared, if it begins as all others do.
    pub(super) fn tail(&self, text: &Arc<str>) -> Option<&Embedded> {
        let prepared = self.prompts.get(text)?;
        let (head, _) = self.head.as_ref()?;
        prepared.whole.ids.starts_with(&head.ids).then_some(&prepared.tail)
    }

    /// Checks, tokenises and embeds `text` unless that was done before.
    pub(super) fn prepare(
        &mut self,
        text: &Arc<str>,
        max_tokens: usize,
        (prompts, embed): (&Prompts, &mut Embed),
        call: &mut Call<'_>,
    ) -> Result<(), AskError> {
        if let Some(prepared) = self.prompts.get(text) {
            return Ok(prompts.fits(prepared.whole.ids.len(), max_tokens)?);
        }
        let prompt = prompts.build(text, max_tokens)?;
        let rows = embed.many(&prompt.ids, call)?;
        let rows = tensors::floats(&rows).map_err(failed)?;
        let want = prompt.ids.len() * self.hidden;
        if rows.len() != want {
            return Err(AskError::Shape { part: "token embedding", have: rows.len(), want });
        }
        // With the token that closes the picture.
        let split = prompt.slots.end + 1;
        let embedded = |from: usize, to: usize| -> Result<Embedded, AskError> {
            let ids = prompt.ids[from..to].to_vec();
            let mut embeds = self.float.zeros(&[1, ids.len() as i64, self.hidden as i64]).map_err(failed)?;
            tensors::write(&mut embeds, 0, &rows[from * self.hidden..to * self.hidden]).map_err(failed)?;
            Ok(Embedded { ids, embeds })
        };
        let features_at = prompt.slots.start * self.hidden;
        let end = prompt.ids.len();
        let prepared = Prepared { whole: embedded(0, end)?, tail: embedded(split, end)?, features_at };
        if self.head.is_none() {
            self.head = Some((embedded(0, split)?, features_at));
        }
        if self.prompts.len() >= KEPT {
            self.prompts.clear();
        }
        self.prompts.insert(Arc::clone(text), prepared);
        Ok(())
    }
}

fn insert(target: &mut Embedded, at: usize, features: &DynValue) -> Result<(), AskError> {
    let rows = tensors::floats(features).map_err(failed)?;
    tensors::write(&mut target.embeds, at, &rows).map_err(failed)
}

fn failed(source: ort::Error) -> AskError {
    AskError::Run { part: "token embedding", source }
}
