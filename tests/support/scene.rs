//! A small film with a known story: a real photograph as the empty scene, and another one that comes in, moves about
//! and leaves. Encoded as H.264 in MP4, so that everything behind it is as with a camera.

use std::path::Path;
use std::time::Duration;

use gstreamer::prelude::*;
use gstreamer_app::AppSrc;

const WIDTH: usize = 640;
const HEIGHT: usize = 360;
const FPS: usize = 10;

/// Seconds of the story: still, somebody is there, still.
pub const BEFORE: usize = 4;
pub const VISIT: usize = 5;
pub const AFTER: usize = 5;

/// Length of the film.
pub const LENGTH: Duration = Duration::from_secs((BEFORE + VISIT + AFTER) as u64);

/// Writes the film to `path`, with a keyframe every two seconds.
pub fn film(path: &Path) {
    film_as(
        path,
        "x264enc speed-preset=ultrafast key-int-max=20 bframes=0 ! video/x-h264,profile=constrained-baseline ! mp4mux",
    );
}

/// The same with a visitor so large that the default model knows it: a cat.
pub fn large_film(path: &Path) {
    let visitor = Visitor { width: 300, height: 300, top: 40 };
    play(path, "x264enc speed-preset=ultrafast key-int-max=20 bframes=0 ! mp4mux", visitor);
}

/// Writes the film to `path`, encoded and packed by these elements.
pub fn film_as(path: &Path, elements: &str) {
    play(path, elements, Visitor { width: 160, height: 200, top: 140 });
}

/// Pixels.
#[derive(Clone, Copy)]
struct Visitor {
    width: usize,
    height: usize,
    top: usize,
}

fn play(path: &Path, elements: &str, size: Visitor) {
    gstreamer::init().unwrap();
    let background = picture("coffee_330.png", WIDTH, HEIGHT);
    let visitor = picture("chelsea.png", size.width, size.height);
    let pipeline = gstreamer::parse::launch(&format!(
        "appsrc name=src is-live=false format=time ! videoconvert ! video/x-raw,format=I420 ! {elements} \
         ! filesink location=\"{}\"",
        path.display()
    ))
    .unwrap()
    .downcast::<gstreamer::Pipeline>()
    .unwrap();
    let src = pipeline.by_name("src").unwrap().downcast::<AppSrc>().unwrap();
    let caps = gstreamer::Caps::builder("video/x-raw")
        .field("format", "RGB")
        .field("width", WIDTH as i32)
        .field("height", HEIGHT as i32)
        .field("framerate", gstreamer::Fraction::new(FPS as i32, 1))
        .build();
    src.set_caps(Some(&caps));
    src.set_block(true);
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    for n in 0..(BEFORE + VISIT + AFTER) * FPS {
        let mut buffer = gstreamer::Buffer::from_slice(frame(&background, &visitor, size, n));
        let start = gstreamer::ClockTime::from_mseconds((n * 1000 / FPS) as u64);
        buffer.get_mut().unwrap().set_pts(start);
        buffer.get_mut().unwrap().set_duration(gstreamer::ClockTime::from_mseconds(1000 / FPS as u64));
        src.push_buffer(buffer).unwrap();
    }
    src.end_of_stream().unwrap();
    let message = pipeline
        .bus()
        .unwrap()
        .timed_pop_filtered(
            gstreamer::ClockTime::from_seconds(60),
            &[gstreamer::MessageType::Eos, gstreamer::MessageType::Error],
        )
        .expect("the film is written within a minute");
    pipeline.set_state(gstreamer::State::Null).unwrap();
    assert!(matches!(message.view(), gstreamer::MessageView::Eos(_)), "{message:?}");
}

/// RGB rows without padding.
fn frame(background: &[u8], visitor: &[u8], size: Visitor, n: usize) -> Vec<u8> {
    let mut frame = background.to_vec();
    let since = n as f64 / FPS as f64 - BEFORE as f64;
    if since < 0.0 || since >= VISIT as f64 {
        return frame;
    }
    // In from the left within a second, a step to and fro, and out within the last second.
    let inside = (since.min(VISIT as f64 - since)).min(1.0);
    let Visitor { width, height, top } = size;
    let x = (-(width as f64) + inside * (width + 140) as f64 + (since * 2.0).sin() * 40.0 * inside) as isize;
    for row in 0..height {
        for column in 0..width {
            let to = x + column as isize;
            if (0..WIDTH as isize).contains(&to) {
                let (to, from) = (((top + row) * WIDTH + to as usize) * 3, (row * width + column) * 3);
                frame[to..to + 3].copy_from_slice(&visitor[from..from + 3]);
            }
        }
    }
    frame
}

/// A picture of the model's fixtures, resized.
fn picture(name: &str, width: usize, height: usize) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny/fixtures").join(name);
    let picture = image::open(&path).unwrap();
    picture.resize_exact(width as u32, height as u32, image::imageops::FilterType::Triangle).to_rgb8().into_raw()
}
