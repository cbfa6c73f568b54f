//! What weather, light, cameras and encoders do to a picture, drawn over a scene of 320 x 180 pixels. Everything comes from
//! a seeded generator: the same trial every time.

use eyewitness::frame::{Colour, Matrix, Picture, PixelFormat, Range};

pub(crate) const WIDTH: usize = 320;
pub(crate) const HEIGHT: usize = 180;
/// Where the ground begins.
pub(crate) const HORIZON: usize = 90;

pub(crate) struct Canvas {
    scene: Vec<f32>,
    pub(crate) luma: Vec<f32>,
    pub(crate) rng: fastrand::Rng,
    /// Normally distributed, of standard deviation 1.
    normal: Vec<f32>,
    /// The same, but smooth over some pixels, as a night camera's own denoising leaves it.
    cloudy: Vec<f32>,
}

impl Canvas {
    pub(crate) fn new() -> Self {
        let mut rng = fastrand::Rng::with_seed(17);
        let normal: Vec<f32> = (0..1 << 16).map(|_| (0..12).map(|_| rng.f32()).sum::<f32>() - 6.0).collect();
        let scene = yard(&mut rng);
        let cloudy = clouds(&normal);
        Self { luma: scene.clone(), scene, rng, normal, cloudy }
    }

    /// The empty scene again.
    pub(crate) fn clear(&mut self) {
        self.luma.copy_from_slice(&self.scene);
    }

    /// The empty scene, seen from `dx`, `dy` pixels further right and down.
    pub(crate) fn shaken(&mut self, dx: f32, dy: f32) {
        let at = |x: usize, y: usize| self.scene[y.min(HEIGHT - 1) * WIDTH + x.min(WIDTH - 1)];
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let (fx, fy) = ((x as f32 + dx).max(0.0), (y as f32 + dy).max(0.0));
                let (ix, iy) = (fx as usize, fy as usize);
                let (sx, sy) = (fx - ix as f32, fy - iy as f32);
                let top = at(ix, iy) * (1.0 - sx) + at(ix + 1, iy) * sx;
                let bottom = at(ix, iy + 1) * (1.0 - sx) + at(ix + 1, iy + 1) * sx;
                self.luma[y * WIDTH + x] = top * (1.0 - sy) + bottom * sy;
            }
        }
    }

    /// What `change` makes of the luma at x, y, for the pixels of a rectangle.
    pub(crate) fn area(&mut self, (x, y): (f32, f32), (w, h): (f32, f32), change: impl Fn(usize, usize, f32) -> f32) {
        let (left, right) = (x.clamp(0.0, WIDTH as f32) as usize, (x + w).clamp(0.0, WIDTH as f32) as usize);
        let (top, bottom) = (y.clamp(0.0, HEIGHT as f32) as usize, (y + h).clamp(0.0, HEIGHT as f32) as usize);
        for py in top..bottom {
            for px in left..right {
                let pixel = &mut self.luma[py * WIDTH + px];
                *pixel = change(px, py, *pixel);
            }
        }
    }

    pub(crate) fn everywhere(&mut self, change: impl Fn(usize, usize, f32) -> f32) {
        self.area((0.0, 0.0), (WIDTH as f32, HEIGHT as f32), change);
    }

    /// Somebody of 30 x 92 pixels: a head, a jacket, trousers, with folds.
    pub(crate) fn person(&mut self, x: f32) {
        let folds = move |px: usize, luma: f32| luma + 5.0 * ((px as f32 - x) * 0.4).sin();
        self.area((x + 9.0, 60.0), (12.0, 14.0), |px, _, _| folds(px, 170.0));
        self.area((x, 74.0), (30.0, 38.0), |px, _, _| folds(px, 45.0));
        self.area((x + 4.0, 112.0), (22.0, 40.0), |px, _, _| folds(px, 65.0));
    }

    /// Somebody who crosses the view from `from` to `to`; at other times nobody.
    pub(crate) fn passer(&mut self, t: f32, from: f32, to: f32) {
        if (from..to).contains(&t) {
            self.person(-30.0 + 350.0 * (t - from) / (to - from));
        }
    }

    /// The luma as the camera sends it, with sensor noise of this standard deviation, and with clouds of noise.
    pub(crate) fn picture(&mut self, noise: f32, clouds: f32) -> Picture {
        let mut data = vec![128_u8; WIDTH * HEIGHT * 3 / 2];
        let lines = self.luma.chunks_exact(WIDTH).zip(data.chunks_exact_mut(WIDTH));
        for (luma, out) in lines {
            let start = self.rng.usize(..self.normal.len() - WIDTH);
            for ((luma, normal), out) in luma.iter().zip(&self.normal[start..]).zip(out) {
                *out = (luma + noise * normal + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
        if clouds > 0.0 {
            let start = self.rng.usize(..self.cloudy.len());
            let cloudy = self.cloudy[start..].iter().chain(&self.cloudy);
            for (out, cloud) in data[..WIDTH * HEIGHT].iter_mut().zip(cloudy) {
                *out = (f32::from(*out) + clouds * cloud).clamp(0.0, 255.0) as u8;
            }
        }
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        Picture::packed(WIDTH as u32, HEIGHT as u32, PixelFormat::I420, colour, data).expect("planes of the size")
    }
}

/// A wall with a door and a window, and paved ground.
fn yard(rng: &mut fastrand::Rng) -> Vec<f32> {
    let stones: Vec<f32> = (0..64 * 64).map(|_| rng.f32() * 36.0 - 18.0).collect();
    let pixel = |i: usize| {
        let (x, y) = (i % WIDTH, i / WIDTH);
        if y >= HORIZON {
            return 95.0 + stones[y / 5 * 64 + x / 7];
        }
        let door = (200..240).contains(&x) && y >= 30;
        let window = (60..110).contains(&x) && (20..60).contains(&y);
        let bricks = if y % 8 == 0 || (x + y / 8 * 6) % 12 == 0 { -14.0 } else { 0.0 };
        match (door, window) {
            (true, _) => 75.0,
            (_, true) => 55.0 + if x % 25 < 3 { 90.0 } else { 0.0 },
            _ => 140.0 + bricks,
        }
    };
    (0..WIDTH * HEIGHT).map(pixel).collect()
}

/// Noise, averaged over 6 x 6 pixels and made as strong as before.
fn clouds(normal: &[f32]) -> Vec<f32> {
    const SIDE: usize = 6;
    let smooth = |i: usize| {
        let (x, y) = (i % WIDTH, i / WIDTH);
        let line = |dy: usize| {
            let start = ((y + dy) * WIDTH + x) % (normal.len() - SIDE);
            normal[start..start + SIDE].iter().sum::<f32>()
        };
        (0..SIDE).map(line).sum::<f32>() / SIDE as f32
    };
    (0..WIDTH * HEIGHT).map(smooth).collect()
}
