//! Delivers events. MQTT (rumqttc) lives here and nowhere else.

mod settings;

pub use settings::*;
