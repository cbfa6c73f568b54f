use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::analyst::{Allowance, Ask, Inbox, Settings};
use crate::event::YesNo;
use crate::frame::{Colour, Matrix, Picture, PixelFormat, Range};
use crate::ids::NodeId;
use crate::units::Rate;
use crate::vlm::{Answer, AskError, Question};

const BOUND: Duration = Duration::from_secs(10);

/// Answers when it is let, and knows how many asked at once.
struct Slow {
    turns: Semaphore,
    inside: AtomicUsize,
    most: AtomicUsize,
    seen: Mutex<Vec<Question>>,
}

impl Ask for Arc<Slow> {
    async fn ask(&self, question: Question) -> Result<Answer, AskError> {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        let leave = Leave(&self.inside);
        self.turns.acquire().await.unwrap().forget();
        drop(leave);
        let p_yes = vec![0.9; question.asks.len()];
        let text = question.prompt.to_string();
        self.seen.lock().unwrap().push(question);
        Ok(Answer { text, confidence: 0.5, tokens: 3, p_yes, ..Answer::default() })
    }

    fn label(&self) -> &str {
        "slow/one@test"
    }
}

struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct World {
    desk: Arc<Questions>,
    model: Arc<Slow>,
    metrics: Arc<Metrics>,
    clock: Clock,
    orders: mpsc::Receiver<Order>,
    stopping: CancellationToken,
    health: watch::Sender<CameraHealth>,
    door: Newest,
}

fn id(name: &str) -> CameraId {
    CameraId::new(name).unwrap()
}

fn general(deadline: Duration) -> General {
    let calls = Rate { count: 30.0, per: Duration::from_secs(60) };
    General { allowance: Allowance { calls, share: 1.0 }, max_tokens: 48, deadline }
}

impl World {
    /// Cameras `door` and `yard`, both with a frame, and a desk that is served.
    fn new(deadline: Duration) -> Self {
        let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
        let general = general(deadline);
        let (desk, orders) = Questions::new(general, Arc::default(), metrics.clone(), clock);
        let (health, seen) = watch::channel(CameraHealth::starting(clock.now().wall));
        let world = Self {
            model: Arc::new(Slow {
                turns: Semaphore::new(0),
                inside: AtomicUsize::new(0),
                most: AtomicUsize::new(0),
                seen: Mutex::default(),
            }),
            stopping: CancellationToken::new(),
            door: Newest::default(),
            desk,
            metrics,
            clock,
            orders,
            health,
        };
        world.camera_is(CameraState::Online, "");
        let seat = |newest: &Newest| Seat { health: seen.clone(), masks: Arc::new([]), newest: newest.clone() };
        let yard = Newest::default();
        yard.put(world.frame("yard", 1));
        world.door.put(world.frame("door", 1));
        world.desk.seat([(id("door"), seat(&world.door)), (id("yard"), seat(&yard))].into());
        let settings = Settings {
            node: NodeId::new("box").unwrap(),
            cameras: vec![],
            general,
            calibrations: Arc::default(),
            seed: None,
        };
        let inbox = Arc::new(Inbox::new(&settings, clock));
        tokio::spawn(serve(world.desk.clone(), world.model.clone(), inbox, world.stopping.clone()));
        world
    }

    fn camera_is(&self, state: CameraState, reason: &str) {
        let since = self.clock.now().wall;
        self.health.send_replace(CameraHealth { state, since, reason: reason.into(), failures: 0 });
    }

    /// Of so many pixels' width.
    fn frame(&self, camera: &str, size: u32) -> Frame {
        let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited };
        let side = size * 2;
        let bytes = vec![128; (side * side * 3 / 2) as usize];
        let picture = Picture::packed(side, side, PixelFormat::Nv12, colour, bytes).unwrap();
        Frame { camera: id(camera), seq: u64::from(size), at: self.clock.now(), pts: None, lone: false, picture }
    }

    fn ask(&self, camera: &str, ask: &str) -> Answering {
        self.desk.ask(Request { camera: id(camera), ask: ask.into(), max_tokens: None })
    }

    fn counted(&self, outcome: &'static str) -> u64 {
        self.metrics.questions_of("door", outcome)
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.expect("it comes soon")
}

#[tokio::test]
async fn yes_or_no_is_said_with_its_probability_and_the_rest_in_words() {
    let world = World::new(BOUND);
    world.model.turns.add_permits(2);
    let reply = soon(world.ask("door", "is there a dog")).await.unwrap();
    assert_eq!((reply.answer, reply.p, reply.ask.as_ref()), (Some(YesNo::Yes), Some(0.9), "is there a dog"));
    assert_eq!((reply.text.as_str(), reply.model.as_str()), ("Is there a dog?", "slow/one@test"));
    let reply = soon(world.ask("door", "What is there?")).await.unwrap();
    assert_eq!((reply.answer, reply.p, reply.text.as_str()), (None, None, "What is there?"));
    let seen = world.model.seen.lock().unwrap().clone();
    assert_eq!(seen[0].asks, ["Is there a dog?".into()]);
    assert!(seen.iter().all(|question| question.describe && question.max_tokens == 48));
    drop(seen);
    assert_eq!(world.counted("answered"), 2);
}

#[tokio::test]
async fn a_few_wait_one_is_asked_and_more_are_refused() {
    let world = World::new(BOUND);
    let first = world.ask("door", "What?");
    while world.model.inside.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // One is with the model and four wait. What is asked about is what is seen when the turn comes.
    let waiting: Vec<_> = (0..4).map(|_| world.ask("door", "What?")).collect();
    world.door.put(world.frame("door", 9));
    let mut refused = world.ask("door", "What?");
    let ready = futures_util::FutureExt::now_or_never(&mut refused);
    assert_eq!(ready, Some(Err(Refusal::Busy)));
    let other = world.ask("yard", "What?");
    // Whoever goes away makes room.
    drop(waiting);
    let again = world.ask("door", "What?");
    world.model.turns.add_permits(3);
    soon(first).await.unwrap();
    soon(other).await.unwrap();
    soon(again).await.unwrap();
    assert_eq!(world.model.most.load(Ordering::SeqCst), 1);
    let widths: Vec<_> = world.model.seen.lock().unwrap().iter().map(|question| question.picture.width()).collect();
    assert_eq!(widths, [2, 2, 18]);
    assert_eq!((world.counted("answered"), world.counted("busy"), world.counted("withdrawn")), (2, 1, 4));
}

#[tokio::test]
async fn whoever_goes_away_frees_the_model() {
    let world = World::new(BOUND);
    let gone = world.ask("door", "What?");
    while world.model.inside.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    drop(gone);
    let next = world.ask("door", "Is there a dog?");
    world.model.turns.add_permits(1);
    let reply = soon(next).await.unwrap();
    // The one permit went to the second.
    assert_eq!(reply.answer, Some(YesNo::Yes));
}

#[tokio::test]
async fn a_question_has_a_deadline() {
    let world = World::new(Duration::from_millis(50));
    let (first, second) = (world.ask("door", "What?"), world.ask("door", "What?"));
    assert_eq!(soon(first).await, Err(Refusal::Late(1)));
    assert_eq!(soon(second).await, Err(Refusal::Late(1)));
    assert_eq!(world.counted("expired"), 2);
}

#[tokio::test]
async fn what_cannot_be_answered_is_said_at_once() {
    let world = World::new(BOUND);
    let refused =
        |camera: &str, ask: &str| futures_util::FutureExt::now_or_never(world.ask(camera, ask)).unwrap().unwrap_err();
    assert_eq!(refused("shed", "What?"), Refusal::NoCamera("shed".into()));
    assert_eq!(refused("door", " "), Refusal::Empty);
    assert_eq!(refused("door", &"x".repeat(10 << 20)), Refusal::TooLong(10 << 20));
    world.camera_is(CameraState::Disabled, "turned off");
    assert_eq!(refused("door", "What?").to_string(), "the camera is disabled: turned off");
    world.camera_is(CameraState::Online, "");
    world.door.clear();
    assert_eq!(refused("door", "What?"), Refusal::NoFrame);
    assert_eq!((world.counted("refused"), world.counted("not_watching")), (2, 2));
    assert_eq!(world.metrics.questions_of("", "no_camera"), 1);
    assert_eq!(world.metrics.questions_of("shed", "no_camera"), 0);
}

#[tokio::test]
async fn a_stop_refuses_what_waits_and_what_comes() {
    let mut world = World::new(BOUND);
    let (first, second) = (world.ask("door", "What?"), world.ask("door", "What?"));
    world.stopping.cancel();
    assert_eq!(soon(first).await, Err(Refusal::Stopping));
    assert_eq!(soon(second).await, Err(Refusal::Stopping));
    assert_eq!(soon(world.ask("door", "What?")).await, Err(Refusal::Stopping));
    assert_eq!(world.desk.enable(&id("door"), false), Err(Refusal::Stopping));
    assert!(world.orders.try_recv().is_err());
}

#[tokio::test]
async fn orders_are_few_and_for_cameras_that_are_there() {
    let mut world = World::new(BOUND);
    assert_eq!(world.desk.enable(&id("shed"), true), Err(Refusal::NoCamera("shed".into())));
    for _ in 0..ORDERS {
        world.desk.enable(&id("door"), false).unwrap();
    }
    assert_eq!(world.desk.enable(&id("door"), true), Err(Refusal::Busy));
    assert_eq!(world.orders.recv().await, Some(Order { camera: id("door"), on: false }));
}
