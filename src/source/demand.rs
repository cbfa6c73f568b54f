//! What the gate wants of a camera's source: the third thing that goes from right to left, beside cancellation and
//! health. The gate's side tells it after every frame, the router hears it at every access unit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a wait looks whether it is still worth waiting.
const LOOK: Duration = Duration::from_millis(100);

/// What the gate wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing goes on: a keyframe now and then will do.
    Keyframes,
    /// Every frame.
    All,
    /// Every frame since the last lone one that it kept; it has forgotten the lone ones after that.
    Replay,
}

/// Shared between one camera's gate and its source. Until somebody tells, everything is wanted.
#[derive(Debug, Default)]
pub struct Demand {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    heard: Heard,
    /// Frames that the gate has decided about.
    judged: u64,
}

/// What was told since the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) wants_all: bool,
    /// It wanted everything at any time since the last time.
    pub(super) busy: bool,
    pub(super) replay: bool,
    /// Presentation time of the last lone frame that the gate saw and kept.
    pub(super) kept: Option<Duration>,
}

impl Default for State {
    fn default() -> Self {
        Self { heard: Heard { wants_all: true, busy: true, replay: false, kept: None }, judged: 0 }
    }
}

impl Demand {
    /// Says what the gate wants after it has decided about a frame with this `pts`; `lone` as the frame's own.
    pub fn tell(&self, pts: Option<Duration>, lone: bool, wish: Wish) {
        let mut state = self.lock();
        state.judged += 1;
        state.heard.wants_all = wish == Wish::All;
        state.heard.busy |= wish == Wish::All;
        state.heard.replay |= wish == Wish::Replay;
        if lone && wish != Wish::Replay {
            state.heard.kept = pts;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Takes what was told.
    pub(super) fn hear(&self) -> Heard {
        let mut state = self.lock();
        let heard = state.heard;
        state.heard = Heard { busy: heard.wants_all, replay: false, kept: None, ..heard };
        heard
    }

    /// Blocks until `enough`, which gets the number of frames that were judged, or until `stop` (and [`Demand::wake`]).
    pub(super) fn wait(&self, stop: &AtomicBool, mut enough: impl FnMut(u64) -> bool) {
        let mut state = self.lock();
        while !stop.load(Ordering::SeqCst) && !enough(state.judged) {
            // Bounded, because nobody notifies when the taker of the frames goes away.
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets every wait look again.
    pub(super) fn wake(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn until_somebody_tells_everything_is_wanted() {
        let demand = Demand::default();
        assert!(demand.hear().wants_all);
        assert!(demand.hear().busy);
    }

    #[test]
    fn what_was_told_between_two_looks_is_not_lost() {
        let demand = Demand::default();
        demand.hear();
        demand.tell(Some(SECOND), true, Wish::Keyframes);
        demand.tell(Some(2 * SECOND), true, Wish::Replay);
        let heard = Heard { wants_all: false, busy: true, replay: true, kept: Some(SECOND) };
        assert_eq!(demand.hear(), heard);
        assert_eq!(demand.hear(), Heard { busy: false, replay: false, kept: None, ..heard });
        demand.tell(None, false, Wish::All);
        demand.tell(None, false, Wish::Keyframes);
        assert!(demand.hear().busy, "it was busy in between");
    }

    #[test]
    fn a_wait_ends_with_the_verdict_or_with_the_stop() {
        let (demand, stop) = (std::sync::Arc::new(Demand::default()), std::sync::Arc::new(AtomicBool::new(false)));
        let waiting = {
            let (demand, stop) = (demand.clone(), stop.clone());
            std::thread::spawn(move || {
                demand.wait(&stop, |judged| judged == 1);
                demand.wait(&stop, |_| false);
            })
        };
        demand.tell(None, true, Wish::Keyframes);
        stop.store(true, Ordering::SeqCst);
        demand.wake();
        waiting.join().unwrap();
    }
}
