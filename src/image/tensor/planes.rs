//! From the planes of a camera's picture to normalised rows in one pass: columns first, 64 rows at a time, into bands of rows that
//! stay in the cache; each row of the model's picture is then made of its rows of the bands, converted and written.
//!
//! The loops run over 64 numbers side by side and hold no shuffles but [`turn`], so that the compiler makes SIMD of them for every
//! instruction set it is asked for (`render`).

use multiversion::multiversion;

use super::number::Number;
use super::sample::Sample;
use super::weights::Weights;
use crate::image::colour::Conversion;

/// Rows that are filtered together, and columns that are.
pub(super) const LANES: usize = 64;

/// Columns of the model's picture whose samples are unpacked together: they stay in the first cache.
const CHUNK: usize = 32;

/// One plane, or two whose samples take turns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Rows of samples.
    pub height: usize,
    /// Bytes from a sample to the next of its kind: as many kinds there are.
    pub step: usize,
}

/// A picture, and what becomes of it.
#[derive(Debug)]
pub(super) struct Job<'a, T> {
    pub luma: Part<'a>,
    /// Cb and Cr in one part or in two.
    pub chroma: &'a [Part<'a>],
    pub axes: &'a Axes<T>,
    /// From sums in the units of `axes`, counted from the middle.
    pub conversion: Conversion,
    /// Per channel.
    pub scale: [f32; 3],
    /// Per channel.
    pub offset: [f32; 3],
}

/// Weights of luma and of chroma.
#[derive(Debug, Default)]
pub(super) struct Axes<T> {
    pub columns: [Weights<T>; 2],
    pub rows: [Weights<T>; 2],
}

/// Buffers; what they hold between two pictures means nothing.
#[derive(Debug, Default)]
pub(super) struct Scratch<T> {
    luma: Band<T>,
    chroma: Band<T>,
    block: Block<T>,
}

impl<T: Sample> Scratch<T> {
    /// Makes room for the job; allocates only where there was less before.
    pub(super) fn fit(&mut self, axes: &Axes<T>) {
        self.luma.fit(&axes.rows[0], axes.columns[0].first.len(), 1);
        self.chroma.fit(&axes.rows[1], axes.columns[1].first.len(), 2);
        for (columns, kinds) in axes.columns.iter().zip([1, 2]) {
            // Four bytes to a unit, and as many bytes to a sample as there are kinds.
            grow(&mut self.block.units, (seen(columns) * kinds).div_ceil(4) + 8, [0; LANES]);
            let most = columns.first.chunks(CHUNK).map(|chunk| chunk[chunk.len() - 1] - chunk[0]).max().unwrap_or(0);
            for samples in &mut self.block.samples {
                // Whole units at both ends.
                grow(samples, most as usize + columns.taps + 8, [T::default(); LANES]);
            }
        }
    }
}

/// At least `length`, with some room to spare, so that a region may move without an allocation each time.
fn grow<T: Clone>(buffer: &mut Vec<T>, length: usize, with: T) {
    if buffer.len() < length {
        buffer.resize(length.next_multiple_of(LANES), with);
    }
}

/// Samples from the first to the last that an axis sees.
fn seen<T>(weights: &Weights<T>) -> usize {
    weights.first.last().map_or(0, |last| *last as usize + weights.taps - weights.first[0] as usize)
}

/// The pass. `out`: three planes of the model's size.
#[multiversion(targets(
    "x86_64+avx2+bmi1+bmi2+fma+f16c+avx512f+avx512bw+avx512dq+avx512vl",
    "x86_64+avx2+bmi1+bmi2+fma+f16c"
))]
pub(super) fn render<T: Sample, N: Number>(job: &Job<'_, T>, scratch: &mut Scratch<T>, out: &mut [N]) {
    let [luma_rows, chroma_rows] = &job.axes.rows;
    let (width, height) = (job.axes.columns[0].first.len(), luma_rows.first.len());
    let Scratch { luma, chroma, block } = scratch;
    luma.restart(luma_rows);
    chroma.restart(chroma_rows);
    let (red, rest) = out.split_at_mut(width * height);
    let (green, blue) = rest.split_at_mut(width * height);
    for row in 0..height {
        luma.reach(row, luma_rows, &job.axes.columns[0], &[job.luma], block);
        chroma.reach(row, chroma_rows, &job.axes.columns[1], job.chroma, block);
        for from in (0..width).step_by(LANES) {
            let count = LANES.min(width - from);
            let strip = from / LANES;
            let y = luma.row(0, strip, row, luma_rows);
            let cb = chroma.row(0, strip, row, chroma_rows);
            let cr = chroma.row(1, strip, row, chroma_rows);
            let rgb = colours(job, &y, &cb, &cr);
            let at = row * width + from;
            N::write(&rgb[0][..count], &mut red[at..at + count]);
            N::write(&rgb[1][..count], &mut green[at..at + count]);
            N::write(&rgb[2][..count], &mut blue[at..at + count]);
        }
    }
}

#[inline(always)]
fn colours<T: Sample>(job: &Job<'_, T>, y: &[T; LANES], cb: &[T; LANES], cr: &[T; LANES]) -> [[f32; LANES]; 3] {
    let mut rgb = [[0.0; LANES]; 3];
    let [red, green, blue] = &mut rgb;
    for i in 0..LANES {
        let [r, g, b] = job.conversion.rgb(y[i].number(), cb[i].number(), cr[i].number());
        red[i] = r * job.scale[0] + job.offset[0];
        green[i] = g * job.scale[1] + job.offset[1];
        blue[i] = b * job.scale[2] + job.offset[2];
    }
    rgb
}

/// The sum of `rows` times their weights, lane by lane. All of the filtering happens here.
#[inline(always)]
fn combine<T: Sample>(rows: &[[T; LANES]], (weights, begin): (&[T], T)) -> [T; LANES] {
    let mut sums = [begin; LANES];
    for (row, weight) in rows.iter().zip(weights) {
        for i in 0..LANES {
            sums[i] = sums[i].plus(row[i], *weight);
        }
    }
    sums
}

/// Rows and columns change places, eight by eight.
#[inline(always)]
fn turn<T: Copy>(from: [&[T; 8]; 8], to: [&mut [T; 8]; 8]) {
    for (i, to) in to.into_iter().enumerate() {
        for j in 0..8 {
            to[j] = from[j][i];
        }
    }
}

/// Rows that are filtered along their columns already, in strips of [`LANES`] columns: `rows` of the first strip, then those
/// of the next.
#[derive(Debug, Default)]
struct Band<T> {
    planes: [Vec<[T; LANES]>; 2],
    /// Strips in use.
    strips: usize,
    /// Room for rows, per strip.
    rows: usize,
    /// The row of the plane that comes first here.
    first: usize,
    /// The row of the plane up to which (exclusive) there are rows here.
    ready: usize,
}

impl<T: Sample> Band<T> {
    fn fit(&mut self, rows: &Weights<T>, width: usize, planes: usize) {
        // What one row of the model's picture needs is kept when the next rows come.
        self.rows = rows.most_taps + LANES;
        self.strips = width.div_ceil(LANES);
        let room = self.rows * self.strips;
        for plane in &mut self.planes[..planes] {
            grow(plane, room, [T::default(); LANES]);
        }
    }

    fn restart(&mut self, rows: &Weights<T>) {
        self.first = rows.first[0] as usize;
        self.ready = self.first;
    }

    /// Row `row` of the model's picture within one strip of a plane.
    #[inline(always)]
    fn row(&self, plane: usize, strip: usize, row: usize, rows: &Weights<T>) -> [T; LANES] {
        let from = strip * self.rows + rows.first[row] as usize - self.first;
        combine(&self.planes[plane][from..from + rows.taps], rows.of(row))
    }

    /// Reads on until the rows for `row` of the model's picture are here.
    #[inline(always)]
    fn reach(&mut self, row: usize, rows: &Weights<T>, columns: &Weights<T>, parts: &[Part<'_>], block: &mut Block<T>) {
        let needed = rows.first[row] as usize;
        let last = rows.first.last().map_or(0, |last| *last as usize) + rows.taps;
        while self.ready < needed + rows.taps {
            self.forget_before(needed);
            let live = LANES.min(last - self.ready);
            let mut plane = 0;
            for part in parts {
                block.read(part, self.ready, live, columns);
                block.filter(part.step, columns, |column, filtered| {
                    for (plane, filtered) in self.planes[plane..plane + part.step].iter_mut().zip(filtered) {
                        let (strip, within) = (column / LANES, column % LANES);
                        let at = strip * self.rows + self.ready - self.first;
                        store(filtered, &mut plane[at..at + LANES], within);
                    }
                });
                plane += part.step;
            }
            self.ready += live;
        }
    }

    /// Makes room at the end: rows before `needed` are not asked for again.
    fn forget_before(&mut self, needed: usize) {
        let (gone, kept) = (needed - self.first, self.ready.saturating_sub(needed));
        if gone > 0 && kept > 0 {
            for strip in self.planes.iter_mut().flat_map(|plane| plane.chunks_exact_mut(self.rows).take(self.strips)) {
                strip.copy_within(gone..gone + kept, 0);
            }
        }
        self.first = needed;
        self.ready = self.ready.max(needed);
    }
}

/// Puts columns of filtered samples down as rows, beginning with column `within` of the strip.
#[inline(always)]
fn store<T: Sample>(columns: &[[T; LANES]; CHUNK], rows: &mut [[T; LANES]], within: usize) {
    for (rows, top) in rows.as_chunks_mut::<8>().0.iter_mut().zip((0..).step_by(8)) {
        for left in (0..CHUNK).step_by(8) {
            let from = std::array::from_fn(|i| eight(&columns[left + i], top));
            turn(from, rows.each_mut().map(|row| eight_mut(row, within + left)));
        }
    }
}

#[inline(always)]
fn eight<T>(all: &[T], at: usize) -> &[T; 8] {
    all[at..].first_chunk().expect("lanes come in eights")
}

#[inline(always)]
fn eight_mut<T>(all: &mut [T], at: usize) -> &mut [T; 8] {
    all[at..].first_chunk_mut().expect("lanes come in eights")
}

/// [`LANES`] rows of a part, side by side.
#[derive(Debug, Default)]
struct Block<T> {
    /// Four bytes of each row, for all columns that are seen.
    units: Vec<[u32; LANES]>,
    /// Per kind of sample: the columns of one chunk.
    samples: [Vec<[T; LANES]>; 2],
}

impl<T: Sample> Block<T> {
    /// Rows `top` to `top + live` of the part; what the other lanes hold does not matter.
    #[inline(always)]
    fn read(&mut self, part: &Part<'_>, top: usize, live: usize, columns: &Weights<T>) {
        let from = columns.first[0] as usize * part.step;
        let length = seen(columns) * part.step;
        for lane in (0..live).step_by(8) {
            let rows: [&[u8]; 8] = std::array::from_fn(|i| {
                let row = (top + lane + i).min(part.height - 1);
                &part.data[row * part.stride + from..][..length]
            });
            for (index, units) in self.units[..length.div_ceil(32) * 8].as_chunks_mut::<8>().0.iter_mut().enumerate() {
                let words: [[u32; 8]; 8] = std::array::from_fn(|i| words(&rows[i][32 * index..]));
                turn(words.each_ref(), units.each_mut().map(|unit| eight_mut(unit, lane)));
            }
        }
    }

    /// Filters along the columns and gives `done` each chunk of the model's columns, for every kind of sample.
    #[inline(always)]
    fn filter(&mut self, step: usize, columns: &Weights<T>, mut done: impl FnMut(usize, &[[[T; LANES]; CHUNK]])) {
        let origin = columns.first[0] as usize;
        let per_unit = 4 / step;
        let width = columns.first.len();
        let mut filtered = [[[T::default(); LANES]; CHUNK]; 2];
        for from in (0..width).step_by(CHUNK) {
            let chunk = from..width.min(from + CHUNK);
            let first = (columns.first[from] as usize - origin) / per_unit;
            let last = columns.first[chunk.end - 1] as usize + columns.taps - origin;
            self.unpack(step, first, last.div_ceil(per_unit));
            let begin = origin + first * per_unit;
            for (filtered, samples) in filtered.iter_mut().zip(&self.samples).take(step) {
                for (column, filtered) in chunk.clone().zip(filtered) {
                    let at = columns.first[column] as usize - begin;
                    *filtered = combine(&samples[at..at + columns.taps], columns.of(column));
                }
            }
            done(from, &filtered[..step]);
        }
    }

    /// Samples of units `from` to `to`.
    #[inline(always)]
    fn unpack(&mut self, step: usize, from: usize, to: usize) {
        let units = &self.units[from..to];
        let [a, b] = &mut self.samples;
        if step == 1 {
            for (unit, [p, q, r, s]) in units.iter().zip(a.as_chunks_mut::<4>().0) {
                unpack(unit, [p, q, r, s]);
            }
        } else {
            for (unit, ([p, r], [q, s])) in
                units.iter().zip(a.as_chunks_mut::<2>().0.iter_mut().zip(b.as_chunks_mut::<2>().0))
            {
                unpack(unit, [p, q, r, s]);
            }
        }
    }
}

/// The next 32 bytes of a row; zeros where it has ended.
#[inline(always)]
fn words(row: &[u8]) -> [u32; 8] {
    let word = |bytes: &[u8; 32], i: usize| {
        u32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]])
    };
    if let Some(bytes) = row.first_chunk::<32>() {
        std::array::from_fn(|i| word(bytes, i))
    } else {
        let mut bytes = [0; 32];
        bytes[..row.len()].copy_from_slice(row);
        std::array::from_fn(|i| word(&bytes, i))
    }
}

#[inline(always)]
fn unpack<T: Sample>(unit: &[u32; LANES], columns: [&mut [T; LANES]; 4]) {
    for (byte, column) in columns.into_iter().enumerate() {
        for i in 0..LANES {
            column[i] = T::read((unit[i] >> (8 * byte)) as u8);
        }
    }
}
