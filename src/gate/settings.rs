//! What can be set about one camera's gate. Defaults stand here and nowhere else.

use std::time::Duration;

use crate::units::{Polygon, Rate};

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// 0 sees only what is large and clear, 1 sees most.
    pub sensitivity: f32,
    /// This long without anything new in view ends the event.
    pub settle: Duration,
    /// Between two descriptions of one event.
    pub min_interval: Duration,
    /// At the latest, while an event goes on.
    pub refresh: Duration,
    /// How old a cached answer may be; zero: no cache.
    pub reuse_for: Duration,
    /// Descriptions of this camera.
    pub budget: Rate,
    /// Share of the time in which the model may be busy with this camera, 0 to 1.
    pub share: f32,
    /// Where nothing is looked at.
    pub masks: Vec<Polygon>,
    /// Outside of them nothing starts or keeps an event; none: everywhere.
    pub zones: Vec<Polygon>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sensitivity: 0.5,
            settle: Duration::from_secs(2),
            min_interval: Duration::from_secs(4),
            refresh: Duration::from_secs(60),
            reuse_for: Duration::from_secs(600),
            budget: Rate { count: 12.0, per: Duration::from_secs(60) },
            share: 1.0,
            masks: Vec::new(),
            zones: Vec::new(),
        }
    }
}
