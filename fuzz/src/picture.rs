//! A picture file, and a small one made of it.

use eyewitness::frame::PixelFormat;
use eyewitness::image::{read_file, thumbnail};

use super::files;

pub(crate) fn run(data: &[u8]) {
    let folder = files::folder();
    files::write(folder.path(), "picture", data);
    match read_file(&folder.path().join("picture")) {
        Err(error) => assert!(error.to_string().contains("/picture`"), "the file is named: {error}"),
        Ok(picture) => {
            assert_eq!(picture.format(), PixelFormat::Rgb);
            let bytes = 3 * picture.width() as usize * picture.height() as usize;
            assert!(picture.plane(0).data.len() >= bytes, "rows are missing");
            // Larger ones take the same way, only longer.
            if bytes < 1 << 20 {
                assert!(thumbnail(&picture, &[], 32).is_some(), "a picture has a thumbnail");
            }
        }
    }
}
