//! Picture files into memory, and in words why one is none.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use ::image::error::ImageError;
use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::{jpeg, webp};
use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};

/// Longest side that is read, in pixels.
const MAX_SIDE: u32 = 16_384;
/// Most pixels that are read.
const MAX_PIXELS: u64 = 64_000_000;
/// Most bytes that the decoded picture may take, before it becomes RGB, and that its file may have: an uncompressed picture of
/// the most pixels fits.
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
    #[error(
        "`{path}` has {bytes} bytes; the limit is {} MiB: this is hardly the file that was meant",
        MAX_BYTES >> 20
    )]
    TooManyBytes { path: PathBuf, bytes: u64 },
}

/// Reads a PNG, JPEG, WebP, BMP or GIF (its first picture) as [`PixelFormat::Rgb`], turned upright as its EXIF orientation
/// says. An alpha channel is dropped, not blended. A picture over the limits is refused by its header, before memory is
/// taken for it.
///
/// # Errors
/// [`ReadError`]
pub fn read_file(path: &Path) -> Result<Picture, ReadError> {
    let mut decoder = open(path)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS || decoder.total_bytes() > MAX_BYTES {
        return Err(ReadError::TooLarge { path: path.to_owned(), width, height });
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

fn open(path: &Path) -> Result<impl ImageDecoder + 'static, ReadError> {
    let unreadable = unreadable(path);
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    if metadata.len() == 0 && metadata.is_file() {
        return Err(ReadError::Empty { path: path.to_owned() });
    }
    // A pipe or a device could keep us waiting for ever, or never end.
    if !metadata.is_file() {
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")));
    }
    if metadata.len() > MAX_BYTES {
        return Err(ReadError::TooManyBytes { path: path.to_owned(), bytes: metadata.len() });
    }
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(unreadable)?;
    // Our own limits on sides and pixels are checked on the header, as the crate's would refuse with fewer words. This one is for
    // what is packed beside the pixels: a colour profile of a megabyte may unpack to a gigabyte.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let format = reader.format().ok_or_else(|| ReadError::NotAPicture { path: path.to_owned() })?;
    whole(path, format)?;
    reader.into_decoder().map_err(|source| match source {
        ImageError::Unsupported(_) => ReadError::NotAPicture { path: path.to_owned() },
        source => ReadError::Damaged { path: path.to_owned(), source },
    })
}

/// What the decoders do not notice.
fn whole(path: &Path, format: ImageFormat) -> Result<(), ReadError> {
    let file = || File::open(path).map(BufReader::new).map_err(unreadable(path));
    let whole = match format {
        ImageFormat::Jpeg => jpeg::is_whole(file()?),
        ImageFormat::WebP => webp::is_whole(file()?),
        _ => return Ok(()),
    };
    if whole.map_err(unreadable(path))? {
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

    /// A file without content that says to have more than can be: nothing is read of it.
    #[test]
    fn a_huge_file_and_a_device_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge.png");
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        let error = read_file(&path).unwrap_err().to_string();
        assert!(error.contains("has 268435457 bytes; the limit is 256 MiB"), "{error}");
        assert!(matches!(read_file(Path::new("/dev/zero")), Err(ReadError::Unreadable { .. })));
    }

    /// Found by fuzzing: memory was taken for as much as a chunk says to have.
    #[test]
    fn a_webp_that_says_to_have_a_gigabyte_of_exif_is_damaged() {
        let mut bytes = encoded(ImageFormat::WebP);
        // From a simple file to an extended one: a header with the flag for EXIF, the picture as it was, and the chunk.
        let picture = bytes.split_off(12);
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        bytes.extend(b"VP8X\x0a\0\0\0\x08\0\0\0\x3f\0\0\x2f\0\0");
        bytes.extend(&picture);
        let folder = tempfile::tempdir().unwrap();
        bytes.extend(b"EXIF\x02\0\0\0ab");
        read_file(&written(folder.path(), "whole.webp", &bytes)).unwrap();
        let size = bytes.len() - 6..bytes.len() - 2;
        bytes[size].copy_from_slice(&0x3fff_ffff_u32.to_le_bytes());
        let error = read_file(&written(folder.path(), "huge.webp", &bytes)).unwrap_err();
        assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
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
