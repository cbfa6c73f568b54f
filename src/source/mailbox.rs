//! A mailbox for one item: the newest wins, and the one that it replaced is counted. The edge from `source` to `gate`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A mailbox with nothing in it.
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State { item: None, superseded: 0, sender_gone: false, receiver_gone: false }),
        filled: Notify::new(),
        emptied: Condvar::new(),
    });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared })
}

/// The end that puts items in, from any thread.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// The end that takes items out.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    filled: Notify,
    emptied: Condvar,
}

#[derive(Debug)]
struct State<T> {
    item: Option<T>,
    superseded: u64,
    sender_gone: bool,
    receiver_gone: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code of others runs under the lock, so a poisoned one still holds a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, sender: bool, receiver: bool) {
        let mut state = self.lock();
        state.sender_gone |= sender;
        state.receiver_gone |= receiver;
        drop(state);
        self.filled.notify_one();
        self.emptied.notify_all();
    }
}

impl<T> Sender<T> {
    /// Puts `item` in, at once. Returns the item that it replaced: nobody will take that one any more, and it is
    /// counted in [`Receiver::superseded`].
    pub fn put(&self, item: T) -> Option<T> {
        let mut state = self.shared.lock();
        let replaced = state.item.replace(item);
        if replaced.is_some() {
            state.superseded += 1;
        }
        drop(state);
        self.shared.filled.notify_one();
        replaced
    }

    /// Puts `item` in as soon as there is room; blocks the thread until then. Gives the item back if the receiver is
    /// gone, or if `stop` is set (and [`Sender::wake`] called).
    ///
    /// # Errors
    /// The item.
    pub fn put_wait(&self, item: T, stop: &AtomicBool) -> Result<(), T> {
        let mut state = self.shared.lock();
        while state.item.is_some() && !state.receiver_gone && !stop.load(Ordering::SeqCst) {
            state = self.shared.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.receiver_gone || stop.load(Ordering::SeqCst) {
            return Err(item);
        }
        state.item = Some(item);
        drop(state);
        self.shared.filled.notify_one();
        Ok(())
    }

    /// Lets every [`Sender::put_wait`] look at its `stop` again.
    pub fn wake(&self) {
        // Whoever checked `stop` before it was set holds the lock until it waits: so it hears this call.
        drop(self.shared.lock());
        self.shared.emptied.notify_all();
    }

    /// Whether an item waits to be taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.shared.lock().item.is_some()
    }

    /// Whether nobody will take anything any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().receiver_gone
    }

    /// Says that nothing more will come, as dropping it does.
    pub fn close(&self) {
        self.shared.close(true, false);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> Receiver<T> {
    /// The item, as soon as there is one; `None` when the sender is gone and nothing is left. Losing the future loses
    /// no item.
    pub async fn take(&mut self) -> Option<T> {
        loop {
            {
                let mut state = self.shared.lock();
                if let Some(item) = state.item.take() {
                    drop(state);
                    self.shared.emptied.notify_one();
                    return Some(item);
                }
                if state.sender_gone {
                    return None;
                }
            }
            // A `put` since the look above left its permit, so this returns at once.
            self.shared.filled.notified().await;
        }
    }

    /// How many items were replaced before anybody took them.
    #[must_use]
    pub fn superseded(&self) -> u64 {
        self.shared.lock().superseded
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.close(false, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_wins_and_the_old_one_is_counted() {
        let (sender, mut receiver) = channel();
        assert_eq!(sender.put(1), None);
        assert_eq!(sender.put(2), Some(1));
        assert_eq!(receiver.take().await, Some(2));
        assert_eq!(receiver.superseded(), 1);
        assert!(!sender.is_full());
    }

    #[tokio::test]
    async fn the_last_item_is_taken_before_the_end() {
        let (sender, mut receiver) = channel();
        sender.put(1);
        drop(sender);
        assert_eq!(receiver.take().await, Some(1));
        assert_eq!(receiver.take().await, None);
    }

    #[tokio::test]
    async fn a_waiting_taker_hears_of_an_item_and_of_the_end() {
        let (sender, mut receiver) = channel();
        let taker = tokio::spawn(async move { (receiver.take().await, receiver.take().await) });
        tokio::task::yield_now().await;
        sender.put(7);
        drop(sender);
        assert_eq!(taker.await.unwrap(), (Some(7), None));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_patient_sender_loses_nothing() {
        let (sender, mut receiver) = channel();
        let go = AtomicBool::new(false);
        let thread = std::thread::spawn(move || (0..100).all(|i| sender.put_wait(i, &go).is_ok()));
        let mut seen = Vec::new();
        while let Some(i) = receiver.take().await {
            seen.push(i);
        }
        assert!(thread.join().unwrap());
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        assert_eq!(receiver.superseded(), 0);
    }

    #[test]
    fn a_patient_sender_gives_up_when_told_or_left_alone() {
        let (sender, receiver) = channel();
        let (sender, stop) = (Arc::new(sender), Arc::new(AtomicBool::new(false)));
        sender.put(1);
        let waiting = {
            let (sender, stop) = (Arc::clone(&sender), Arc::clone(&stop));
            std::thread::spawn(move || sender.put_wait(2, &stop))
        };
        stop.store(true, Ordering::SeqCst);
        sender.wake();
        assert_eq!(waiting.join().unwrap(), Err(2));

        stop.store(false, Ordering::SeqCst);
        let left = Arc::clone(&sender);
        let waiting = std::thread::spawn(move || left.put_wait(3, &stop));
        drop(receiver);
        assert_eq!(waiting.join().unwrap(), Err(3));
        assert!(sender.is_closed());
    }
}
