//! A model set on disk: everything but the graphs themselves is read and checked here. Nothing in here knows ONNX Runtime.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tokenizers::Tokenizer;

use super::caught::caught;
use super::check::Probes;
use super::precision::{self, GraphFile, Part};
use super::prompt::{ImageTokens, PromptError, Prompts};
use super::published::{Config, Generation, Preprocessor, Processor, Template};
use super::settings::Precision;
use crate::files;
use crate::image::{Filter, Geometry};

/// A set whose files are all there and fit together.
pub struct ModelSet {
    pub folder: PathBuf,
    /// The folder's name.
    pub name: String,
    /// What the vision graph wants to see: one whole view, never split.
    pub picture: Geometry,
    /// Rows of image features, and `<image>` tokens in a prompt.
    pub image_tokens: usize,
    pub text: TextGeometry,
    /// Tokens that end an answer.
    pub stop: Vec<u32>,
    /// The chat template (Jinja).
    pub template: String,
    pub tokenizer: Tokenizer,
    /// What to ask about which words; `None`: the set says nothing about it.
    pub probes: Option<Probes>,
    /// Vision, embed, decoder.
    pub graphs: [GraphFile; 3],
    pub(super) tokens: ImageTokens,
}

impl fmt::Debug for ModelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelSet").field("folder", &self.folder).field("graphs", &self.graphs).finish_non_exhaustive()
    }
}

/// The decoder's measures, from `config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextGeometry {
    pub hidden: usize,
    pub layers: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub vocabulary: usize,
    /// Longest sequence.
    pub positions: usize,
}

/// Why a folder is no model set: every problem at once.
#[derive(Debug, thiserror::Error)]
#[error("the model set `{}` cannot be used:{}", .folder.display(), lines(.problems))]
pub struct SetError {
    pub folder: PathBuf,
    pub problems: Vec<Problem>,
}

/// What is wrong with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Inside the folder.
    pub file: String,
    pub wrong: String,
    /// What the file should hold.
    pub wanted: &'static str,
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("\n  {}: {}; it should hold {}", p.file, p.wrong, p.wanted)).collect()
}

/// The largest published tokenizers have half of it; the other files have kilobytes.
const LARGEST_TEXT: u64 = 64 << 20;

/// Letters of a published template: some thousand.
const LARGEST_TEMPLATE: u64 = 1 << 20;

const CONFIG: &str = "the model's geometry, as published (`text_config`, `image_token_id`)";
const PREPROCESSOR: &str = "how a picture becomes numbers (`max_image_size`, `resample`, `image_mean`, `image_std`)";
const PROCESSOR: &str = "`image_seq_len`, the number of image tokens of one view";
const GENERATION: &str = "`eos_token_id`, the token that ends an answer";
const TOKENIZER: &str = "the tokenizer of the set, with `<image>`, `<fake_token_around_image>` and `<global-img>`";
const TEMPLATE: &str = "the chat template (or `chat_template.json`, or that field in `tokenizer_config.json`)";
const GRAPH: &str = "the ONNX graph of this part in the precision asked for, as published";
const PROBES: &str = "what to ask about which words (`schema`, `check`, `things` with `name`, `question`, `words`), or not be there at all";
const FOLDER: &str = "config.json, tokenizer.json, onnx/... in the layout of a published ONNX repository: set `model.path` (or `--model`) to such a folder";

impl ModelSet {
    /// Reads the set in `folder` and picks the graph of each part. No graph is loaded yet.
    ///
    /// # Errors
    /// [`SetError`] with every file that is missing or wrong.
    pub fn open(folder: &Path, precision: Precision) -> Result<Self, SetError> {
        Self::open_parts(folder, [precision; 3])
    }

    /// The same, with a precision of its own for vision, embed and decoder.
    ///
    /// # Errors
    /// [`SetError`] with every file that is missing or wrong.
    pub fn open_parts(folder: &Path, precision: [Precision; 3]) -> Result<Self, SetError> {
        let mut reader = Reader { folder, problems: Vec::new() };
        let set = reader.read(precision);
        match set {
            Some(set) if reader.problems.is_empty() => Ok(set),
            _ => Err(SetError { folder: folder.to_owned(), problems: reader.problems }),
        }
    }

    /// Tokens that `text` becomes around a picture, with the picture's own: what a set's template and tokenizer make of it can be
    /// tried without its graphs.
    ///
    /// # Errors
    /// [`PromptError`]: the text, or the template, or the tokenizer is at fault.
    pub fn prompt_tokens(&self, text: &str) -> Result<usize, PromptError> {
        let prompts = Prompts::new(self.template.clone(), self.tokenizer.clone(), self.tokens, self.text.positions);
        Ok(prompts.build(text)?.len(self.image_tokens))
    }

    /// Takes other graphs of the same set.
    ///
    /// # Errors
    /// [`SetError`] if there are none in these precisions; the set is left as it was.
    pub(super) fn pick(&mut self, precision: [Precision; 3]) -> Result<(), SetError> {
        let mut reader = Reader { folder: &self.folder, problems: Vec::new() };
        let graphs = Part::ALL.map(|part| reader.graph(part, precision[part as usize]));
        let problems = reader.problems;
        match graphs {
            [Some(vision), Some(embed), Some(decoder)] => {
                self.graphs = [vision, embed, decoder];
                Ok(())
            }
            _ => Err(SetError { folder: self.folder.clone(), problems }),
        }
    }
}

struct Reader<'a> {
    folder: &'a Path,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn read(&mut self, precision: [Precision; 3]) -> Option<ModelSet> {
        if !self.folder.is_dir() {
            let wrong = if self.folder.exists() { "is not a folder" } else { "there is no such folder" };
            self.problem(".", wrong, FOLDER);
            return None;
        }
        // Each line is tried before any of them gives up, so that all problems are named at once.
        let config: Option<Config> = self.json("config.json", CONFIG);
        let preprocessor: Option<Preprocessor> = self.json("preprocessor_config.json", PREPROCESSOR);
        let processor: Option<Processor> = self.json("processor_config.json", PROCESSOR);
        let generation: Option<Generation> = self.json("generation_config.json", GENERATION);
        let tokenizer = self.tokenizer();
        let template = self.template();
        let probes = self.probes();
        let graphs = Part::ALL.map(|part| self.graph(part, precision[part as usize]));

        let picture = preprocessor.and_then(|p| self.geometry(&p));
        let image_tokens = processor.and_then(|p| self.image_tokens(&p));
        let tokens = tokenizer.as_ref().zip(config.as_ref()).and_then(|(t, c)| self.tokens(t, c));
        let text = config.as_ref().and_then(|c| self.text(c));
        let stop = config.as_ref().zip(generation).and_then(|(c, g)| self.stop(c, g));
        let [vision, embed, decoder] = graphs;
        Some(ModelSet {
            folder: self.folder.to_owned(),
            name: name(self.folder),
            picture: picture?,
            image_tokens: image_tokens?,
            text: text?,
            stop: stop?,
            template: template?,
            tokenizer: tokenizer?,
            tokens: tokens?,
            probes,
            graphs: [vision?, embed?, decoder?],
        })
    }

    fn problem(&mut self, file: &str, wrong: impl Into<String>, wanted: &'static str) {
        self.problems.push(Problem { file: file.to_owned(), wrong: wrong.into(), wanted });
    }

    fn text_file(&mut self, file: &str, wanted: &'static str) -> Option<String> {
        match files::read_text(&self.folder.join(file), LARGEST_TEXT) {
            Ok(text) => Some(text),
            Err(error) => {
                self.problem(file, unreadable(&error), wanted);
                None
            }
        }
    }

    fn json<T: DeserializeOwned>(&mut self, file: &str, wanted: &'static str) -> Option<T> {
        let text = self.text_file(file, wanted)?;
        serde_json::from_str(&text).map_err(|error| self.problem(file, error.to_string(), wanted)).ok()
    }

    fn tokenizer(&mut self) -> Option<Tokenizer> {
        let file = "tokenizer.json";
        let text = self.text_file(file, TOKENIZER)?;
        // The library panics over what is no JSON, in some places.
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            self.problem(file, error.to_string(), TOKENIZER);
            return None;
        }
        let read = caught(|| Tokenizer::from_bytes(text.as_bytes()));
        read.map_err(|error| self.problem(file, format!("is no tokenizer ({error})"), TOKENIZER)).ok()
    }

    fn template(&mut self) -> Option<String> {
        match files::read_text(&self.folder.join("chat_template.jinja"), LARGEST_TEMPLATE) {
            Ok(template) => return Some(template),
            // Older sets have it elsewhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                self.problem("chat_template.jinja", unreadable(&error), TEMPLATE);
                return None;
            }
        }
        for file in ["chat_template.json", "tokenizer_config.json"] {
            if self.folder.join(file).exists()
                && let Some(template) = self.json::<Template>(file, TEMPLATE)?.chat_template
            {
                return Some(template);
            }
        }
        self.problem("chat_template.jinja", "is missing", TEMPLATE);
        None
    }

    fn probes(&mut self) -> Option<Probes> {
        let file = "probes.json";
        let text = match files::read_text(&self.folder.join(file), Probes::LARGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.problem(file, unreadable(&error), PROBES);
                return None;
            }
        };
        Probes::from_json(&text).map_err(|error| self.problem(file, error.to_string(), PROBES)).ok()
    }

    fn graph(&mut self, part: Part, precision: Precision) -> Option<GraphFile> {
        let file = match precision::find(self.folder, part, precision) {
            Ok(file) => file,
            Err(names) => {
                let (first, others) = names.split_first()?;
                let others =
                    if others.is_empty() { String::new() } else { format!(" (nor is there {})", others.join(", ")) };
                self.problem(first, format!("is missing{others}"), GRAPH);
                return None;
            }
        };
        if let Some(wrong) = not_a_graph(&file.path) {
            let name = file.path.strip_prefix(self.folder).unwrap_or(&file.path).display().to_string();
            self.problem(&name, wrong, GRAPH);
            return None;
        }
        Some(file)
    }

    fn geometry(&mut self, p: &Preprocessor) -> Option<Geometry> {
        let file = "preprocessor_config.json";
        let edge = p.max_image_size.longest_edge;
        let Some(resample) = Filter::from_number(p.resample) else {
            self.problem(
                file,
                format!("`resample` is {}, and there is no such filter (0 to 5)", p.resample),
                PREPROCESSOR,
            );
            return None;
        };
        if !(1..=4096).contains(&edge) {
            self.problem(file, format!("`max_image_size.longest_edge` is {edge}"), PREPROCESSOR);
            return None;
        }
        if p.image_std.contains(&0.0) {
            self.problem(file, "`image_std` has a zero", PREPROCESSOR);
            return None;
        }
        let (mean, std) = if p.do_normalize { (p.image_mean, p.image_std) } else { ([0.0; 3], [1.0; 3]) };
        let rescale = if p.do_rescale { p.rescale_factor } else { 1.0 };
        Some(Geometry { width: edge, height: edge, resample, rescale, mean, std })
    }

    fn image_tokens(&mut self, p: &Processor) -> Option<usize> {
        if (1..=4096).contains(&p.image_seq_len) {
            return Some(p.image_seq_len);
        }
        self.problem("processor_config.json", format!("`image_seq_len` is {}", p.image_seq_len), PROCESSOR);
        None
    }

    fn tokens(&mut self, tokenizer: &Tokenizer, config: &Config) -> Option<ImageTokens> {
        let mut id = |token: &str| {
            let id = tokenizer.token_to_id(token);
            if id.is_none() {
                self.problem("tokenizer.json", format!("does not know `{token}`"), TOKENIZER);
            }
            id
        };
        let (around, view, image) = (id("<fake_token_around_image>"), id("<global-img>"), id("<image>"));
        let tokens = ImageTokens { around: around?, view: view?, image: image? };
        if tokens.image != config.image_token_id {
            let wrong = format!(
                "`image_token_id` is {}, but tokenizer.json has `<image>` as {}",
                config.image_token_id, tokens.image
            );
            self.problem("config.json", wrong, CONFIG);
            return None;
        }
        Some(tokens)
    }

    fn text(&mut self, config: &Config) -> Option<TextGeometry> {
        let t = &config.text_config;
        let head_dim = t.head_dim.or_else(|| t.hidden_size.checked_div(t.num_attention_heads)).unwrap_or(0);
        let text = TextGeometry {
            hidden: t.hidden_size,
            layers: t.num_hidden_layers,
            kv_heads: t.num_key_value_heads.unwrap_or(t.num_attention_heads),
            head_dim,
            vocabulary: t.vocab_size,
            positions: t.max_position_embeddings,
        };
        let sizes = [text.hidden, text.layers, text.kv_heads, text.head_dim, text.vocabulary, text.positions];
        if sizes.contains(&0) {
            self.problem("config.json", "a size in `text_config` is 0", CONFIG);
            return None;
        }
        Some(text)
    }

    fn stop(&mut self, config: &Config, generation: Generation) -> Option<Vec<u32>> {
        let ids = generation.eos_token_id.or_else(|| config.eos_token_id.clone()).map(|ids| ids.0).unwrap_or_default();
        if ids.is_empty() {
            self.problem("generation_config.json", "has no `eos_token_id`", GENERATION);
            return None;
        }
        Some(ids)
    }
}

fn name(folder: &Path) -> String {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    real.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned())
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "is missing".into(),
        io::ErrorKind::InvalidData => "is not text".into(),
        _ => format!("cannot be read ({error})"),
    }
}

/// What is wrong with a graph file at first sight. A clone without git-lfs leaves small text files in place of the weights.
fn not_a_graph(path: &Path) -> Option<String> {
    let mut head = Vec::new();
    match fs::File::open(path).and_then(|file| file.take(40).read_to_end(&mut head)) {
        Err(error) => Some(unreadable(&error)),
        Ok(0) => Some("is empty".into()),
        Ok(_) if head.starts_with(b"version https://git-lfs") => {
            Some("is a Git LFS pointer, not the file itself (run `git lfs pull` in the set's folder)".into())
        }
        Ok(_) => None,
    }
}
