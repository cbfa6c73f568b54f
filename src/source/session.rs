//! One connection's life: from opening to the reason of its end, and taking it down whatever state it is in.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::delivery::Delivery;
use super::diagnose;
use super::life::{Life, Signal};
use super::location::Location;
use super::problem::Problem;
use super::receive::ReceivePipeline;
use super::router::Router;
use super::settings::Settings;

/// How long taking down may take before it is left to its thread.
const TAKE_DOWN: Duration = Duration::from_secs(1);

/// How one connection ended.
#[derive(Debug)]
pub(super) enum End {
    Cancelled,
    /// The stream came to its end.
    Finished,
    Failed(Problem),
}

/// What one connection came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) end: End,
    /// Whether any picture was decoded.
    pub(super) online: bool,
}

/// Opens the camera and stays with it to its end. Calls `online` with a description when the first picture comes.
pub(super) async fn run_once(
    settings: &Settings,
    refused: &[String],
    delivery: &Arc<Delivery>,
    cancel: &CancellationToken,
    clock: crate::clock::Clock,
    online: impl FnMut(String),
) -> Outcome {
    delivery.begin();
    let (life, mut signals) = Life::new(clock);
    let life = Arc::new(life);
    let limited = matches!(settings.location, Location::Csi { .. });
    let router = Router::new(settings, refused.to_vec(), limited, Arc::clone(delivery), Arc::clone(&life));
    let router = Arc::new(router);

    let opening = open(settings, Arc::clone(&router), Arc::clone(&life));
    let mut session = Session { router, delivery: Arc::clone(delivery), life: Arc::clone(&life), receive: None };
    let mut end = tokio::select! {
        biased;
        () = cancel.cancelled() => End::Cancelled,
        opened = opening => match opened {
            Ok(receive) => {
                session.receive = Some(receive);
                watch(settings, delivery, &life, &mut signals, cancel, online).await
            }
            Err(problem) => End::Failed(told(&mut signals).unwrap_or(problem)),
        },
        () = silence(&life, settings.timeout, delivery) => End::Failed(Problem::NoAnswer { after: settings.timeout }),
    };
    session.take_down().await;
    if let End::Failed(problem) = end {
        end = End::Failed(if life.online() { problem } else { diagnose::after(&settings.location, problem).await });
    }
    Outcome { end, online: life.online() }
}

/// Builds and starts the receiving pipeline on a thread of its own: opening may block.
async fn open(settings: &Settings, router: Arc<Router>, life: Arc<Life>) -> Result<ReceivePipeline, Problem> {
    let (location, timeout) = (settings.location.clone(), settings.timeout);
    let opening = on_thread("source-open", move || {
        diagnose::before(&location)?;
        let receive = ReceivePipeline::build(&location, timeout, &router, &life)?;
        // If nobody waits for it any more, it is dropped, and with that stopped, right here.
        receive.start().map(|()| receive)
    });
    match opening {
        Ok(opened) => opened.await.unwrap_or_else(|_| Err(Problem::Pipeline("opening it did not end well".to_owned()))),
        Err(problem) => Err(problem),
    }
}

/// Waits for the end of a running connection.
async fn watch(
    settings: &Settings,
    delivery: &Delivery,
    life: &Life,
    signals: &mut mpsc::Receiver<Signal>,
    cancel: &CancellationToken,
    mut online: impl FnMut(String),
) -> End {
    loop {
        let signal = tokio::select! {
            biased;
            () = cancel.cancelled() => return End::Cancelled,
            signal = signals.recv() => signal,
            () = silence(life, settings.timeout, delivery) => {
                let after = settings.timeout;
                return End::Failed(if life.online() { Problem::Silent { after } } else { Problem::NoAnswer { after } });
            }
        };
        match signal {
            Some(Signal::Online(words)) => online(words),
            Some(Signal::Ended) | None => return End::Finished,
            Some(Signal::Failed(problem)) => return End::Failed(problem),
        }
    }
}

/// Returns when no sign of life came for `timeout`, or nobody takes frames any more.
async fn silence(life: &Life, timeout: Duration, delivery: &Delivery) {
    loop {
        let due = life.last() + timeout;
        let now = life.clock().now().mono;
        if delivery.consumer_is_slow() {
            life.beat();
        } else if now >= due {
            return;
        }
        tokio::time::sleep(due.saturating_sub(now).clamp(Duration::from_millis(1), timeout)).await;
    }
}

/// What a GStreamer thread said before opening failed: it knows more.
fn told(signals: &mut mpsc::Receiver<Signal>) -> Option<Problem> {
    while let Ok(signal) = signals.try_recv() {
        if let Signal::Failed(problem) = signal {
            return Some(problem);
        }
    }
    None
}

struct Session {
    router: Arc<Router>,
    delivery: Arc<Delivery>,
    life: Arc<Life>,
    receive: Option<ReceivePipeline>,
}

impl Session {
    /// Stops both pipelines on a thread of its own and waits a bounded time for it. What hangs is left to that thread:
    /// it holds nothing that the next connection needs.
    async fn take_down(self) {
        self.life.stop().store(true, Ordering::SeqCst);
        self.delivery.wake();
        let stopping = on_thread("source-stop", move || {
            // The decoder first: the receiving thread may be waiting for room in front of it.
            self.router.stop();
            if let Some(receive) = self.receive {
                receive.stop();
            }
            // A unit that was on its way may have made a decoder meanwhile.
            self.router.stop();
        });
        if let Ok(stopped) = stopping
            && tokio::time::timeout(TAKE_DOWN, stopped).await.is_err()
        {
            tracing::warn!("the stream does not stop; it is left behind");
        }
    }
}

/// Runs `work` on a thread that may be left behind, which the runtime's own may not: it waits for them at its end.
fn on_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, Problem> {
    let (done, receiver) = oneshot::channel();
    let span = tracing::Span::current();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _in_span = span.enter();
            if done.send(work()).is_err() {
                tracing::debug!("nobody waits for it any more");
            }
        })
        .map_err(|e| Problem::Pipeline(format!("no thread: {e}")))?;
    Ok(receiver)
}
