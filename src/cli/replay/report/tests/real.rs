//! The labelled clips through the whole pipeline: `EYEWITNESS_CLIPS` names their folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::super::super::record::{About, Recorder, Run, Truth, Visit};
use super::super::page;
use super::keep;
use super::parsed::Parsed;
use crate::clock::Clock;
use crate::config::Config;
use crate::outbox::Outbox;
use crate::pipeline::Pipeline;
use crate::source;
use crate::telemetry::Metrics;
use crate::vlm::Model;

async fn play(clip: &Path, labels: &Value, config_name: &str, gate: &str) -> Run {
    let text = format!(
        "node = \"test\"\n\n[[camera]]\nid = \"clip\"\nurl = {}\npace = \"fast\"\nfps = 5\n\n[camera.gate]\n{gate}\n",
        Value::from(clip.to_str().unwrap())
    );
    let config = Config::parse("test", &text, &|_| None).unwrap().config;
    let clock = Clock::system();
    let model = Model::start(config.model.settings.clone(), clock).unwrap();
    let label = model.label().to_owned();
    source::init().unwrap();
    let camera = config.cameras[0].source.camera.clone();
    let recorder = Arc::new(Recorder::new(camera, Vec::new()));
    let began = clock.now();
    let outbox = Outbox::new(&config.outbox, clock);
    let mut pipeline = Pipeline::start(&config, model, outbox, Arc::new(Metrics::new()), clock, recorder.clone());
    tokio::time::timeout(Duration::from_secs(300), pipeline.ended()).await.expect("the clip is over");
    let mut run = recorder.finish(About {
        clip: clip.file_name().unwrap().to_string_lossy().into_owned(),
        camera: "clip".into(),
        config: config_name.into(),
        config_text: text,
        model: label,
        length: labels["duration"].as_f64().map(Duration::from_secs_f64),
        took: clock.now().since(began),
    });
    run.truth = Some(judge(&run, labels));
    run
}

fn judge(run: &Run, labels: &Value) -> Truth {
    let mut truth = Truth::default();
    let mut belongs = vec![false; run.events.len()];
    for label in labels["events"].as_array().unwrap() {
        let (from, to) = (label["from"].as_f64().unwrap(), label["to"].as_f64().unwrap());
        let who = label["who"].as_str().unwrap().to_owned();
        let mut visit = Visit { from, to, who, ..Visit::default() };
        for (event, mine) in run.events.iter().zip(&mut belongs) {
            if event.from < to && event.to.unwrap_or(run.length) > from {
                *mine = true;
                visit.events += 1;
                visit.delay.get_or_insert((event.from - from).max(0.0) + 0.4);
            }
        }
        truth.visits.push(visit);
    }
    truth.invented = run.events.iter().zip(belongs).filter(|(_, mine)| !mine).map(|(event, _)| event.from).collect();
    truth
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_real_clip_is_small_and_whole() {
    let Some(folder) = std::env::var_os("EYEWITNESS_CLIPS").map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        println!("skipped: EYEWITNESS_CLIPS names no folder with labelled clips");
        return;
    };
    let labels: Value = serde_json::from_slice(&std::fs::read(folder.join("labels.json")).unwrap()).unwrap();
    let clip = |name: &'static str| (folder.join(name), &labels["clips"][name]);
    let (people, cars) = (clip("one-by-one-person-detection.mp4"), clip("car-detection.mp4"));
    let usual = "sensitivity = 0.5";
    let people_run = play(&people.0, people.1, "usual.toml", usual).await;
    let cars_run = play(&cars.0, cars.1, "usual.toml", usual).await;
    let other = play(&cars.0, cars.1, "keen.toml", "sensitivity = 0.95\nmin_interval = \"2s\"").await;

    for (name, page) in [
        ("people.html", page(std::slice::from_ref(&people_run), None)),
        ("both.html", page(&[people_run, cars_run.clone()], None)),
        ("compare.html", page(&[cars_run], Some(&[other]))),
    ] {
        keep(name, &page);
        println!("{name}: {} bytes", page.len());
        Parsed::new(&page).unwrap();
        assert!(page.len() < 1 << 20, "{name} has {} bytes", page.len());
    }
}
