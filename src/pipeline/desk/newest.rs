//! The newest frame of a camera, for whoever asks about it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::frame::Frame;

/// One frame or none. It is a decoder's own buffer, so it is never more than one.
#[derive(Debug, Clone, Default)]
pub(in crate::pipeline) struct Newest(Arc<Mutex<Option<Frame>>>);

impl Newest {
    pub(in crate::pipeline) fn put(&self, frame: Frame) {
        // The old one is let go after the lock.
        let _old = self.lock().replace(frame);
    }

    pub(in crate::pipeline) fn clear(&self) {
        let _old = self.lock().take();
    }

    pub(super) fn frame(&self) -> Option<Frame> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Frame>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
