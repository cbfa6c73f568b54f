//! What an answer costs against a description, with the model free.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eyewitness::ask::Request;
use eyewitness::clock::Clock;
use eyewitness::config::Config;
use eyewitness::frame::Frame;
use eyewitness::gate::Motion;
use eyewitness::ids::CameraId;
use eyewitness::outbox::Outbox;
use eyewitness::pipeline::{Audience, Pipeline};
use eyewitness::source;
use eyewitness::telemetry::Metrics;
use eyewitness::units::Region;
use eyewitness::vlm::{Model, Question};
use tokio::time::{sleep, timeout};

const ROUNDS: usize = 40;

#[derive(Default)]
struct Last(Mutex<Option<Frame>>);

impl Audience for Last {
    fn observed(&self, _camera: &CameraId, frame: &Frame, _motion: &Motion) {
        *self.0.lock().unwrap() = Some(frame.clone());
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The clip as a camera; the model is free, since nothing else may be described.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure; it wants a release build and little else on the machine"]
async fn an_answer_costs_little_more_than_a_description() {
    let folder = PathBuf::from(std::env::var_os("EYEWITNESS_CLIPS").expect("EYEWITNESS_CLIPS names the clips"));
    let clip = folder.join("one-by-one-person-detection.mp4");
    let text = format!(
        "[http]\nlisten = \"off\"\n[[camera]]\nid = \"clip\"\nurl = \"file://{}\"\nloop = true\n\
         [camera.gate]\nbudget = \"1/h\"\n",
        clip.display()
    );
    let config = Config::parse("test", &text, &|_| None).unwrap().config;
    let clock = Clock::system();
    source::init().unwrap();
    let model = Arc::new(Model::start(config.model.settings.clone(), clock).unwrap());
    let last = Arc::new(Last::default());
    let outbox = Outbox::new(&config.outbox, clock);
    let pipeline = Pipeline::start(&config, model.clone(), outbox, Arc::new(Metrics::new()), clock, last.clone());
    let camera = CameraId::new("clip").unwrap();
    let mut times = [const { Vec::new() }; 4];
    let asks = ["Describe the scene.", "Is there a person?", "What is the person doing?"];
    let watching = async {
        while last.0.lock().unwrap().is_none() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), watching).await.expect("the camera delivers");
    for round in 0..ROUNDS + 5 {
        for (index, taken) in times.iter_mut().enumerate() {
            let began = clock.now();
            if let Some(ask) = index.checked_sub(1).map(|index| asks[index]) {
                let request = Request { camera: camera.clone(), ask: ask.into(), max_tokens: None };
                let reply = pipeline.desk().ask(request).await.unwrap();
                if round == 0 {
                    println!("{ask} {} {:?} {:?}", reply.text, reply.answer, reply.p);
                }
            } else {
                let frame = last.0.lock().unwrap().clone().unwrap();
                let question = Question {
                    picture: frame.picture,
                    view: Region::WHOLE,
                    masks: Arc::new([]),
                    prompt: config.model.prompt.clone(),
                    asks: Vec::new(),
                    max_tokens: config.model.max_tokens,
                    deadline: clock.now().plus(Duration::from_secs(60)),
                    describe: true,
                    recall: None,
                    check: true,
                };
                model.ask(question).await.unwrap();
            }
            // The first rounds warm up.
            if round >= 5 {
                taken.push(clock.now().since(began));
            }
        }
    }
    assert!(pipeline.stop().await);
    let [described, asked @ ..] = times.map(median);
    println!("a description: {:.1} ms", described.as_secs_f64() * 1000.0);
    for (ask, took) in asks.iter().zip(asked) {
        let ratio = took.as_secs_f64() / described.as_secs_f64();
        println!("{ask} {:.1} ms, {ratio:.2} of it", took.as_secs_f64() * 1000.0);
        assert!(ratio <= 1.5, "{ask} {ratio}");
    }
}
