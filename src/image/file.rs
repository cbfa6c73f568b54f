//! Picture files into memory, and in words why one is none.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use ::image::error::ImageError;
use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::jpeg;
use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};

/// Longest side that is read, in pixels.
const MAX_SIDE: u32 = 16_384;
/// Most pixels that are read.
const MAX_PIXELS: u64 = 64_000_000;
/// Most bytes that the decoded picture may take, before it becomes RGB.
const MAX_BYTES: u64 = 256 << 20;

/// Why a picture file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("there is no file `{path}`: check the name")]
    Missing { path: PathBuf },
    #[error("`{path}` cannot be read: it must be a file that this user may open")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("`{path}` is empty (0 bytes): write the picture again")]
    Empty { path: PathBuf },
    #[error("`{path}` is not a picture that can be read: give a PNG, JPEG, WebP, BMP or GIF file")]
    NotAPicture { path: PathBuf },
    #[error("`{path}` begins like a picture but is truncated or damaged: copy or write it again")]
    Damaged { path: PathBuf, source: ImageError },
    #[error(
        "`{path}` is too large: {width}x{height} pixels; the limit is {MAX_SIDE} on a side, {} million pixels and {} MiB \
         decoded: scale it down",
        MAX_PIXELS / 1_000_000,
        MAX_BYTES >> 20
    )]
    TooLarge { path: PathBuf, width: u32, height: u32 },
}

/// Reads a PNG, JPEG, WebP, BMP or GIF (its first picture) as [`PixelFormat::Rgb`], turned upright as its EXIF orientation
/// says. An alpha channel is dropped, not blended. A picture over the limits is refused by its header, before memory is
/// taken for it.
///
/// # Errors
/// [`ReadError`]
pub fn read_file(path: &Path) -> Result<Picture, ReadError> {
    let (mut decoder, format) = open(path)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS || decoder.total_bytes() > MAX_BYTES {
        return Err(ReadError::TooLarge { path: path.to_owned(), width, height });
    }
    if format == ImageFormat::Jpeg {
        whole_jpeg(path)?;
    }
    // A damaged EXIF block is no reason to refuse the pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut decoded =
        DynamicImage::from_decoder(decoder).map_err(|source| ReadError::Damaged { path: path.to_owned(), source })?;
    decoded.apply_orientation(orientation);
    let rgb = decoded.into_rgb8();
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Full };
    let (width, height) = rgb.dimensions();
    // Some formats can say that they have no pixels at all.
    Picture::packed(width, height, PixelFormat::Rgb, colour, rgb.into_raw())
        .map_err(|_| ReadError::NotAPicture { path: path.to_owned() })
}

fn open(path: &Path) -> Result<(impl ImageDecoder + 'static, ImageFormat), ReadError> {
    let unreadable = unreadable(path);
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    if metadata.is_file() && metadata.len() == 0 {
        return Err(ReadError::Empty { path: path.to_owned() });
    }
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(unreadable)?;
    // Our own limits are checked on the header; the crate's would refuse with fewer words.
    reader.no_limits();
    let format = reader.format().ok_or_else(|| ReadError::NotAPicture { path: path.to_owned() })?;
    let decoder = reader.into_decoder().map_err(|source| match source {
        ImageError::Unsupported(_) => ReadError::NotAPicture { path: path.to_owned() },
        source => ReadError::Damaged { path: path.to_owned(), source },
    })?;
    Ok((decoder, format))
}

fn whole_jpeg(path: &Path) -> Result<(), ReadError> {
    let file = File::open(path).map_err(unreadable(path))?;
    if jpeg::is_whole(BufReader::new(file)).map_err(unreadable(path))? {
        return Ok(());
    }
    let source = ImageError::IoError(io::ErrorKind::UnexpectedEof.into());
    Err(ReadError::Damaged { path: path.to_owned(), source })
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> ReadError + Copy {
    move |source| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing { path: path.to_owned() },
        _ => ReadError::Unreadable { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ::image::RgbImage;

    use super::*;

    fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let mut bytes = io::Cursor::new(Vec::new());
        let picture =
            RgbImage::from_fn(64, 48, |x, y| ::image::Rgb([(x * 4) as u8, (y * 5) as u8, ((x * y) % 251) as u8]));
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_format_is_read() {
        let folder = tempfile::tempdir().unwrap();
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Gif] {
            // The name says nothing: the content decides.
            let picture = read_file(&written(folder.path(), "picture", &encoded(format))).unwrap();
            assert_eq!((picture.width(), picture.height(), picture.format()), (64, 48, PixelFormat::Rgb), "{format:?}");
        }
    }

    #[test]
    fn each_bad_file_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, bytes: &[u8]| read_file(&written(folder.path(), name, bytes)).unwrap_err();
        assert!(matches!(read_file(&folder.path().join("nothing.png")).unwrap_err(), ReadError::Missing { .. }));
        assert!(matches!(read_file(folder.path()).unwrap_err(), ReadError::Unreadable { .. }));
        assert!(matches!(read("empty.png", b""), ReadError::Empty { .. }));
        assert!(matches!(read("text.png", b"not a picture at all"), ReadError::NotAPicture { .. }));
        assert!(matches!(read("head.png", &encoded(ImageFormat::Png)[..20]), ReadError::Damaged { .. }));
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp] {
            let whole = encoded(format);
            let error = read("cut", &whole[..whole.len() / 2]);
            assert!(matches!(error, ReadError::Damaged { .. }), "{format:?}: {error:?}");
            assert!(error.to_string().contains("/cut` begins like a picture but is truncated"), "{error}");
        }
    }

    #[test]
    fn one_pixel_is_a_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.png");
        RgbImage::from_pixel(1, 1, ::image::Rgb([10, 20, 30])).save(&path).unwrap();
        let picture = read_file(&path).unwrap();
        assert_eq!(picture.plane(0).data, [10, 20, 30]);
    }

    /// A BMP header of 20,000 x 20,000 pixels with nothing behind it: only a reader that allocates would notice.
    #[test]
    fn a_huge_picture_is_refused_by_its_header() {
        let mut header = Vec::new();
        header.extend(b"BM");
        header.extend([0; 8]);
        header.extend(54_u32.to_le_bytes());
        header.extend(40_u32.to_le_bytes());
        header.extend(20_000_i32.to_le_bytes());
        header.extend(20_000_i32.to_le_bytes());
        header.extend(1_u16.to_le_bytes());
        header.extend(24_u16.to_le_bytes());
        header.extend([0; 24]);
        let folder = tempfile::tempdir().unwrap();
        let error = read_file(&written(folder.path(), "huge.bmp", &header)).unwrap_err();
        assert!(error.to_string().contains("20000x20000 pixels; the limit is 16384 on a side"), "{error}");
    }

    #[test]
    fn a_turned_camera_gives_an_upright_picture() {
        let plain = encoded(ImageFormat::Jpeg);
        // APP1 with one EXIF entry: orientation 6, a quarter turn clockwise.
        let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let mut turned = plain[..2].to_vec();
        turned.extend([0xff, 0xe1]);
        turned.extend((exif.len() as u16 + 2).to_be_bytes());
        turned.extend(exif);
        turned.extend(&plain[2..]);
        let folder = tempfile::tempdir().unwrap();
        let picture = read_file(&written(folder.path(), "turned.jpg", &turned)).unwrap();
        assert_eq!((picture.width(), picture.height()), (48, 64));
    }
}
