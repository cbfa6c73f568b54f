//! What every way is asked: pictures, a description of each, and yes/no questions about it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::way::TOKENS;
use crate::cli::failure::{Failure, chain};
use crate::cli::models::pictures;
use crate::cli::say;
use crate::clock::Moment;
use crate::frame::Picture;
use crate::image;
use crate::units::Region;
use crate::vlm::Question;

const PROMPT: &str = "Describe the scene.";
/// Those that rules are made of; most pictures have a clear answer to most of them.
const ASKS: [&str; 6] = [
    "Is there a person?",
    "Is there a dog?",
    "Is there a cat?",
    "Is there a car?",
    "Is there a cup?",
    "Is there a table?",
];
/// Pictures that a set brings along; more would only take longer.
const MOST_FIXTURES: usize = 12;

/// What can be asked, in this order.
pub(super) struct Questions {
    pictures: Vec<Picture>,
    asks: Vec<Arc<str>>,
    /// Whose pictures they are.
    pub(super) whose: &'static str,
}

impl Questions {
    /// About the pictures in `files`; without any, about those of the set in `folder`, if it has some, and drawn ones.
    ///
    /// # Errors
    /// If a file is no picture.
    pub(super) fn new(files: &[PathBuf], folder: &Path) -> Result<Self, Failure> {
        let asks = ASKS.map(Arc::from).to_vec();
        if !files.is_empty() {
            let read = |file: &PathBuf| image::read_file(file).map_err(|error| Failure::usage(chain(&error)));
            return Ok(Self { pictures: files.iter().map(read).collect::<Result<_, _>>()?, asks, whose: "yours" });
        }
        let mut pictures = fixtures(&folder.join("fixtures"));
        let whose = if pictures.is_empty() { "drawn" } else { "of the set and drawn" };
        pictures.extend(pictures::drawn());
        Ok(Self { pictures, asks, whose })
    }

    pub(super) fn pictures(&self) -> usize {
        self.pictures.len()
    }

    pub(super) fn asks(&self) -> usize {
        self.asks.len()
    }

    /// About the whole of one picture.
    pub(super) fn whole(&self, picture: usize, deadline: Moment) -> Question {
        Question {
            picture: self.pictures[picture].clone(),
            view: Region::WHOLE,
            masks: Arc::new([]),
            prompt: PROMPT.into(),
            asks: self.asks.clone(),
            max_tokens: TOKENS,
            deadline,
            describe: true,
            recall: None,
            check: false,
        }
    }

    /// About as much of its middle as `edge` pixels show.
    pub(super) fn middle(&self, picture: usize, edge: u32, deadline: Moment) -> Question {
        let whole = self.whole(picture, deadline);
        let view = middle((whole.picture.width(), whole.picture.height()), edge);
        Question { view, ..whole }
    }

    /// A description alone, to be timed.
    pub(super) fn description(&self, picture: usize, deadline: Moment) -> Question {
        Question { asks: Vec::new(), ..self.whole(picture, deadline) }
    }
}

fn middle((width, height): (u32, u32), edge: u32) -> Region {
    let (w, h) = (edge.min(width) as f32 / width as f32, edge.min(height) as f32 / height as f32);
    Region { x: (1.0 - w) / 2.0, y: (1.0 - h) / 2.0, w, h }
}

/// The pictures in a folder, by name. One that cannot be read is said and passed over.
fn fixtures(folder: &Path) -> Vec<Picture> {
    const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "bmp", "gif"];
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| {
        let ending = file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
    });
    files.sort();
    let read = |file: &PathBuf| image::read_file(file).map_err(|error| say::talk(&chain(&error))).ok();
    files.iter().filter_map(read).take(MOST_FIXTURES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_as_large_as_the_edge_at_most() {
        let region = middle((640, 480), 256);
        assert_eq!((region.w * 640.0, region.h * 480.0, region.x * 640.0), (256.0, 256.0, 192.0));
        let small = middle((200, 400), 256);
        assert_eq!((small.x, small.w, small.h * 400.0), (0.0, 1.0, 256.0));
    }

    #[test]
    fn the_sets_own_pictures_come_first() {
        let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny");
        let questions = Questions::new(&[], &set).unwrap();
        assert_eq!((questions.pictures(), questions.whose), (7, "of the set and drawn"));
        assert_eq!(questions.pictures[0].width(), 300);
        let own = Questions::new(&[set.join("fixtures/rocket.jpg")], &set).unwrap();
        assert_eq!((own.pictures(), own.whose), (1, "yours"));
        assert!(Questions::new(&[set.join("config.json")], &set).is_err());
        assert_eq!(Questions::new(&[], &set.join("onnx")).unwrap().pictures(), 3);
    }
}
