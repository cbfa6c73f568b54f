//! Question texts become token ids: the set's own chat template is rendered once per text, the pieces around the image
//! marker are tokenised, and the image's tokens are put between them as ids. The long row of image tokens never exists as text.

use minijinja::Environment;
use serde::Serialize;
use tokenizers::Tokenizer;

use super::caught::caught;

/// How the template writes a picture.
const MARKER: &str = "<image>";

/// Steps of a template's program: published ones take some hundred, and one that loops for ever must not hold up the start.
const MOST_STEPS: u64 = 100_000;

/// Ids of the tokens that stand for a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageTokens {
    /// `<fake_token_around_image>`
    pub around: u32,
    /// `<global-img>`
    pub view: u32,
    /// `<image>`, once per row of image features.
    pub image: u32,
}

/// One question's token ids around the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    /// Up to the first image token. The same for all texts, if the template puts the picture first.
    pub before: Vec<i64>,
    /// From the token that closes the picture on.
    pub after: Vec<i64>,
}

impl Prompt {
    /// Tokens with a picture of so many.
    pub(super) fn len(&self, image_tokens: usize) -> usize {
        self.before.len() + image_tokens + self.after.len()
    }
}

/// Why a text cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    #[error("the prompt is empty: write a question or an instruction")]
    Empty,
    #[error("the prompt holds `{token}`, a control token of this model: leave it out")]
    ControlToken { token: String },
    #[error("the prompt has {tokens} tokens with the picture, and with the answer the model takes {limit}: shorten it")]
    TooLong { tokens: usize, limit: usize },
    #[error("the set's chat template cannot be rendered: {reason}")]
    Template { reason: String },
    #[error("the set's chat template writes {count} pictures as `<image>` where one is wanted")]
    Picture { count: usize },
    #[error("the set's tokenizer refuses the prompt: {reason}")]
    Tokenizer { reason: String },
}

/// Builds the prompts of one set.
#[derive(Debug)]
pub(super) struct Prompts {
    template: String,
    tokenizer: Tokenizer,
    /// Words that would be read as control tokens.
    control: Vec<String>,
    tokens: ImageTokens,
    positions: usize,
}

#[derive(Serialize)]
struct Chat<'a> {
    messages: [Message<'a>; 1],
    add_generation_prompt: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: [Content<'a>; 2],
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Content<'a> {
    Image,
    Text { text: &'a str },
}

impl Prompts {
    pub(super) fn new(template: String, tokenizer: Tokenizer, tokens: ImageTokens, positions: usize) -> Self {
        let added = tokenizer.get_added_tokens_decoder().into_values();
        let control = added.filter(|token| token.special).map(|token| token.content).collect();
        Self { template, tokenizer, control, tokens, positions }
    }

    /// The ids of `text` asked about one picture.
    pub(super) fn build(&self, text: &str) -> Result<Prompt, PromptError> {
        if text.trim().is_empty() {
            return Err(PromptError::Empty);
        }
        if let Some(token) = self.control.iter().find(|token| text.contains(token.as_str())) {
            return Err(PromptError::ControlToken { token: token.clone() });
        }
        let rendered = self.render(text)?;
        let pieces: Vec<&str> = rendered.split(MARKER).collect();
        let &[before, after] = pieces.as_slice() else {
            return Err(PromptError::Picture { count: pieces.len() - 1 });
        };
        let mut ids = self.tokenise(before)?;
        ids.extend([self.tokens.around, self.tokens.view].map(i64::from));
        let mut tail = vec![i64::from(self.tokens.around)];
        tail.extend(self.tokenise(after)?);
        Ok(Prompt { before: ids, after: tail })
    }

    /// All ids of a prompt with a picture of so many tokens.
    pub(super) fn ids(&self, prompt: &Prompt, image_tokens: usize) -> Vec<i64> {
        let image = std::iter::repeat_n(i64::from(self.tokens.image), image_tokens);
        prompt.before.iter().copied().chain(image).chain(prompt.after.iter().copied()).collect()
    }

    /// Whether a prompt of `tokens` leaves room for the answer.
    pub(super) fn fits(&self, tokens: usize, max_tokens: usize) -> Result<(), PromptError> {
        if tokens.saturating_add(max_tokens) > self.positions {
            return Err(PromptError::TooLong { tokens, limit: self.positions });
        }
        Ok(())
    }

    /// The words of an answer.
    pub(super) fn words(&self, ids: &[u32]) -> Result<String, PromptError> {
        let text = caught(|| self.tokenizer.decode(ids, true)).map_err(|reason| PromptError::Tokenizer { reason })?;
        Ok(text.trim().to_owned())
    }

    /// The first token of a word that begins an answer, such as " Yes".
    pub(super) fn first_token(&self, word: &str) -> Option<u32> {
        let ids = self.tokenise(word).ok()?;
        u32::try_from(*ids.first()?).ok()
    }

    /// The tokens of a piece of text; `None` if the tokenizer does not take it.
    pub(super) fn tokens(&self, text: &str) -> Option<Vec<u32>> {
        self.tokenise(text).ok()?.into_iter().map(|id| u32::try_from(id).ok()).collect()
    }

    fn render(&self, text: &str) -> Result<String, PromptError> {
        let mut environment = Environment::new();
        // As the transformers library sets them for chat templates.
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(MOST_STEPS));
        let message = Message { role: "user", content: [Content::Image, Content::Text { text }] };
        let chat = Chat { messages: [message], add_generation_prompt: true };
        environment.render_str(&self.template, chat).map_err(|e| PromptError::Template { reason: e.to_string() })
    }

    fn tokenise(&self, text: &str) -> Result<Vec<i64>, PromptError> {
        let encoding = caught(|| self.tokenizer.encode_fast(text, false));
        let encoding = encoding.map_err(|reason| PromptError::Tokenizer { reason })?;
        Ok(encoding.get_ids().iter().map(|id| i64::from(*id)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::set::ModelSet;
    use super::super::settings::Precision;
    use super::*;

    fn tiny() -> (Prompts, Tokenizer) {
        let set = ModelSet::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny"), Precision::Auto).unwrap();
        let tokenizer = set.tokenizer.clone();
        (Prompts::new(set.template, set.tokenizer, set.tokens, set.text.positions), tokenizer)
    }

    #[test]
    fn pieces_are_the_same_as_the_whole() {
        let (prompts, tokenizer) = tiny();
        for text in ["Describe the scene.", "Is there a dog?", " leading space", "Café, 雨 & \"quotes\"\nand a line"]
        {
            let whole = format!(
                "<|im_start|>User:<fake_token_around_image><global-img>{}<fake_token_around_image>{text}<end_of_utterance>\nAssistant:",
                "<image>".repeat(81)
            );
            let ids: Vec<i64> =
                tokenizer.encode(whole, false).unwrap().get_ids().iter().map(|id| i64::from(*id)).collect();
            let prompt = prompts.build(text).unwrap();
            assert_eq!(prompts.ids(&prompt, 81), ids, "{text}");
            assert_eq!((prompt.before.len(), prompt.len(81)), (5, ids.len()));
        }
        assert_eq!(prompts.build("Describe the scene.").unwrap().len(81), 95);
    }

    #[test]
    fn a_text_cannot_play_the_template() {
        let (prompts, _) = tiny();
        assert_eq!(prompts.build("  "), Err(PromptError::Empty));
        for token in ["<image>", "<end_of_utterance>", "<|im_start|>"] {
            let error = prompts.build(&format!("see {token} here")).unwrap_err();
            assert_eq!(error, PromptError::ControlToken { token: token.into() });
        }
        let long = "word ".repeat(3000);
        let tokens = prompts.build(&long).unwrap().len(81);
        assert!(matches!(prompts.fits(tokens, 48), Err(PromptError::TooLong { limit: 2048, .. })));
        // Jinja in a text is text.
        let literal = prompts.build("{{ messages }} {% endfor %}").unwrap();
        assert!(literal.len(81) > 95);
    }

    #[test]
    fn broken_templates_say_so() {
        let (mut prompts, _) = tiny();
        prompts.template = "{% for %}".into();
        assert!(matches!(prompts.build("x"), Err(PromptError::Template { .. })));
        prompts.template =
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}<image>".into();
        assert!(matches!(prompts.build("x"), Err(PromptError::Template { reason }) if reason.contains("fuel")));
        prompts.template = "no picture".into();
        assert_eq!(prompts.build("x"), Err(PromptError::Picture { count: 0 }));
    }
}
