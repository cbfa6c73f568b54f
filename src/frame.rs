//! A frame and the picture in it, as the decoder left it. No pixel is touched here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;
use crate::ids::CameraId;

/// One decoded picture with its capture time. Cheap to clone: the pixels are shared.
#[derive(Debug, Clone)]
pub struct Frame {
    pub camera: CameraId,
    /// Counts the frames of this camera since start, over reconnects, without gaps.
    pub seq: u64,
    /// When it was captured.
    pub at: Moment,
    /// Presentation time in its stream, where the stream has any.
    pub pts: Option<Duration>,
    /// Only this one of its stretch of the stream was decoded (a keyframe of an idle camera); what lies between it and the
    /// one before can still be had.
    pub lone: bool,
    pub picture: Picture,
}

/// How the bytes of a [`Picture`] are laid out. 8 bits per sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Plane 0: luma, `height` rows. Plane 1: Cb and Cr interleaved, `ceil(height/2)` rows of `ceil(width/2)` pairs.
    Nv12,
    /// Plane 0: luma. Planes 1 and 2: Cb, Cr, each `ceil(width/2)` x `ceil(height/2)`.
    I420,
    /// Plane 0: red, green, blue interleaved. Only from picture files, never from a camera.
    Rgb,
}

/// Conversion matrix of luma and chroma to RGB (ITU-R BT.601-7, BT.709-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matrix {
    Bt601,
    Bt709,
}

/// Limited: luma 16 to 235, chroma 16 to 240. Full: 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Range {
    Limited,
    Full,
}

/// What the numbers of a YUV picture mean. Ignored for RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour {
    pub matrix: Matrix,
    pub range: Range,
}

/// The bytes of one plane's rows: row `y` begins at `y * stride`.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// Whoever holds the bytes: a decoder's buffer or plain memory.
pub trait Planes: Send + Sync {
    /// Plane `index` of the picture (see [`PixelFormat`]).
    fn plane(&self, index: usize) -> Plane<'_>;
}

/// A picture of `width` x `height` pixels. The planes are checked once, when it is made: every row that the
/// format and size promise is there.
#[derive(Clone)]
pub struct Picture {
    width: u32,
    height: u32,
    format: PixelFormat,
    colour: Colour,
    planes: Arc<dyn Planes>,
}

/// The planes are too small for the format and size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a {width}x{height} {format:?} picture needs {need} bytes in plane {plane} at stride {stride}, and there are {have}"
)]
pub struct PictureError {
    pub width: u32,
    pub height: u32,
    pub format: PixelFormat,
    pub plane: usize,
    pub stride: usize,
    pub need: usize,
    pub have: usize,
}

impl Picture {
    /// # Errors
    /// [`PictureError`] if a plane is shorter than its rows, a stride shorter than a row, or a side zero.
    pub fn new(
        width: u32,
        height: u32,
        format: PixelFormat,
        colour: Colour,
        planes: Arc<dyn Planes>,
    ) -> Result<Self, PictureError> {
        for (plane, (row, rows)) in layout(width, height, format).into_iter().enumerate() {
            let Plane { data, stride } = planes.plane(plane);
            // The last row may end with the picture, not with the stride.
            let need = stride.saturating_mul(rows.saturating_sub(1)).saturating_add(row);
            if row == 0 || rows == 0 || stride < row || data.len() < need {
                return Err(PictureError { width, height, format, plane, stride, need, have: data.len() });
            }
        }
        Ok(Self { width, height, format, colour, planes })
    }

    /// A picture over bytes in memory, the planes one after the other without padding.
    ///
    /// # Errors
    /// [`PictureError`] if `data` is too short.
    pub fn packed(
        width: u32,
        height: u32,
        format: PixelFormat,
        colour: Colour,
        data: Vec<u8>,
    ) -> Result<Self, PictureError> {
        let mut planes = Vec::new();
        let mut offset = 0;
        for (row, rows) in layout(width, height, format) {
            planes.push((offset, row));
            offset += row * rows;
        }
        Self::new(width, height, format, colour, Arc::new(Packed { data, planes }))
    }

    /// In pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// In pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    #[must_use]
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    #[must_use]
    pub fn colour(&self) -> Colour {
        self.colour
    }

    /// Plane `index`; see [`PixelFormat`].
    #[must_use]
    pub fn plane(&self, index: usize) -> Plane<'_> {
        self.planes.plane(index)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} {:?} {:?}", self.width, self.height, self.format, self.colour)
    }
}

/// Bytes per row and number of rows of each plane.
fn layout(width: u32, height: u32, format: PixelFormat) -> Vec<(usize, usize)> {
    let (w, h) = (width as usize, height as usize);
    let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
    match format {
        PixelFormat::Nv12 => vec![(w, h), (2 * cw, ch)],
        PixelFormat::I420 => vec![(w, h), (cw, ch), (cw, ch)],
        PixelFormat::Rgb => vec![(3 * w, h)],
    }
}

struct Packed {
    data: Vec<u8>,
    /// Offset and stride of each plane.
    planes: Vec<(usize, usize)>,
}

impl Planes for Packed {
    fn plane(&self, index: usize) -> Plane<'_> {
        let (offset, stride) = self.planes[index];
        Plane { data: self.data.get(offset..).unwrap_or_default(), stride }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOUR: Colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };

    #[test]
    fn odd_sizes_round_chroma_up() {
        let ok = Picture::packed(3, 3, PixelFormat::Nv12, COLOUR, vec![0; 9 + 8]);
        assert_eq!(ok.unwrap().plane(1).data.len(), 8);
        assert!(Picture::packed(3, 3, PixelFormat::I420, COLOUR, vec![0; 9 + 7]).is_err());
    }

    #[test]
    fn a_picture_without_pixels_is_refused() {
        assert!(Picture::packed(0, 4, PixelFormat::I420, COLOUR, vec![]).is_err());
    }

    struct Short;
    impl Planes for Short {
        fn plane(&self, _: usize) -> Plane<'_> {
            Plane { data: &[0; 64], stride: 4 }
        }
    }

    #[test]
    fn a_stride_below_the_row_is_refused() {
        assert!(Picture::new(8, 4, PixelFormat::Nv12, COLOUR, Arc::new(Short)).is_err());
    }
}
