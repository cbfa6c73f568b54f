//! The model's own operating-system thread, and the handle that everybody else holds. The way to it holds one question: who
//! asks waits, with a deadline, and whoever gives up frees the model at once.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};
use tokio::time;

use super::call::Stop;
use super::engine::{Engine, Info};
use super::load::LoadError;
use super::question::{Answer, AskError, Question};
use super::settings::Settings;
use crate::clock::{Clock, Moment};

/// Questions that may wait for the thread.
const WAITING: usize = 1;

/// A running model. Dropping it ends the thread, after the question at hand.
#[derive(Debug)]
pub struct Model {
    /// `None` only while it is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    info: Arc<Info>,
    clock: Clock,
    /// Ends what the thread does before it answers anybody.
    warming: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Job {
    question: Question,
    asked: Moment,
    stop: Arc<Stop>,
    reply: oneshot::Sender<Result<Answer, AskError>>,
}

/// Frees the model when the asker goes away, for whatever reason.
struct StopOnDrop(Arc<Stop>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.raise();
    }
}

impl Model {
    /// Starts the thread, loads the model in it and returns when it is ready (seconds: not for an async task; use
    /// `spawn_blocking`).
    ///
    /// # Errors
    /// [`LoadError`]
    pub fn start(settings: Settings, clock: Clock) -> Result<Self, LoadError> {
        let (jobs, queue) = mpsc::channel(WAITING);
        let (ready, loaded) = sync_channel(1);
        let open = move || -> Result<(Engine, Arc<Stop>), LoadError> {
            let engine = Engine::open(&settings, clock)?;
            let warming =
                Stop::new().map_err(|source| LoadError::Rehearsal { folder: settings.path.clone(), source })?;
            Ok((engine, warming))
        };
        let body = move || match open() {
            Ok((engine, warming)) => {
                if ready.send(Ok((engine.info().clone(), Arc::clone(&warming)))).is_ok() {
                    serve(engine, &warming, queue, clock);
                }
            }
            // Nobody waits for it any more if this fails.
            Err(error) => drop(ready.send(Err(error))),
        };
        let thread = thread::Builder::new().name("model".into()).spawn(body)?;
        let (info, warming) = loaded.recv().map_err(|_| LoadError::Ended)??;
        Ok(Self { jobs: Some(jobs), info: Arc::new(info), clock, warming, thread: Some(thread) })
    }

    /// Such as "tiny/int8@cpu".
    #[must_use]
    pub fn label(&self) -> &str {
        &self.info.label
    }

    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Waits for the model and its answer, at most until the question's deadline. Dropping the future ends the question.
    /// Runs in a tokio runtime with time.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn ask(&self, question: Question) -> Result<Answer, AskError> {
        let asked = self.clock.now();
        let remaining = question.deadline.since(asked);
        let stop = Stop::new()?;
        let _guard = StopOnDrop(Arc::clone(&stop));
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(AskError::Stopped)?;
        let answered = async {
            let job = Job { question, asked, stop, reply };
            jobs.send(job).await.map_err(|_| AskError::Stopped)?;
            answer.await.map_err(|_| AskError::Stopped)?
        };
        time::timeout(remaining, answered).await.unwrap_or(Err(AskError::Expired))
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.jobs = None;
        // A stop soon after the start does not wait for the rehearsal of a large set.
        self.warming.raise();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the model's thread ended by a panic");
        }
    }
}

fn serve(mut engine: Engine, warming: &Stop, mut queue: mpsc::Receiver<Job>, clock: Clock) {
    // Who asks now waits as long as it takes, which the first question would do without it.
    if let Err(error) = engine.warm_up(warming) {
        let error: &dyn std::error::Error = &error;
        tracing::error!(
            error,
            "the model does not run any more as it did at an earlier start; the next start tries it anew"
        );
    }
    while let Some(Job { question, asked, stop, reply }) = queue.blocking_recv() {
        let wait = clock.now().since(asked);
        let answer = catch_unwind(AssertUnwindSafe(|| engine.answer(&question, &stop)));
        let answer =
            answer.unwrap_or_else(|panic| Err(AskError::Panicked { what: words(&*panic) })).map(|mut answer| {
                answer.timing.wait = wait;
                answer.timing.total += wait;
                answer
            });
        // Whoever asked may be gone.
        drop(reply.send(answer));
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".into())
}
