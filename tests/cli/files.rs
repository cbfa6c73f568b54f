//! The files that a user could have.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::support::scene;

pub(crate) const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/tiny");
pub(crate) const CAT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/tiny/fixtures/chelsea.png");
const ROCKET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/tiny/fixtures/rocket.jpg");

/// A camera that needs nothing.
pub(crate) const CAMERA: &str = "[[camera]]\nid = \"ball\"\nurl = \"test://ball\"\n";

/// The film of `scene`, made once.
pub(crate) fn film() -> &'static Path {
    static FILM: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        scene::film(&folder.path().join("film.mp4"));
        folder
    });
    static PATH: LazyLock<std::path::PathBuf> = LazyLock::new(|| FILM.path().join("film.mp4"));
    &PATH
}

/// Where a test stands.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), bytes).unwrap();
    }

    /// The default set with one file cut to `keep` bytes, or without it.
    pub(crate) fn model(&self, name: &str, broken: &str, keep: Option<usize>) {
        let set = self.path().join(name);
        fs::create_dir_all(set.join("onnx")).unwrap();
        for file in ["", "onnx"].into_iter().flat_map(|under| fs::read_dir(Path::new(MODEL).join(under)).unwrap()) {
            let file = file.unwrap().path();
            let relative = file.strip_prefix(MODEL).unwrap();
            if relative != Path::new(broken) && file.is_file() {
                symlink(&file, set.join(relative)).unwrap();
            }
        }
        if let Some(keep) = keep {
            fs::write(set.join(broken), &fs::read(Path::new(MODEL).join(broken)).unwrap()[..keep]).unwrap();
        }
    }

    /// Pictures that are none, and `one.png` with a single pixel.
    pub(crate) fn pictures(&self) {
        let half = |path| {
            let bytes = fs::read(path).unwrap();
            bytes[..bytes.len() / 2].to_vec()
        };
        self.write("empty.png", "");
        self.write("cut.png", half(CAT));
        self.write("cut.jpg", half(ROCKET));
        self.write("text.jpg", "Dear diary");
        self.write("text.mp4", "Dear diary, today I was not a film.\n".repeat(20));
        // Only the header says how large it is, and nothing of that is behind it.
        let size = [20_000_u32.to_be_bytes(), 20_000_u32.to_be_bytes()].concat();
        let header = [b"IHDR".as_slice(), &size, &[8, 2, 0, 0, 0]].concat();
        let chunk = |body: &[u8]| {
            let length = u32::try_from(body.len() - 4).unwrap().to_be_bytes();
            [&length, body, &crc(body).to_be_bytes()].concat()
        };
        let huge = [b"\x89PNG\r\n\x1a\n".as_slice(), &chunk(&header), &chunk(b"IDAT\0"), &chunk(b"IEND")].concat();
        self.write("huge.png", huge);
        image::RgbImage::new(1, 1).save(self.path().join("one.png")).unwrap();
    }
}

/// The checksum of PNG's chunks.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}
