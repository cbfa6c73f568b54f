//! The models that the setups need: one, unless they name different ones.

use std::sync::Arc;

use super::Setup;
use crate::cli::failure::Failure;
use crate::cli::run::load_model;
use crate::clock::Clock;
use crate::vlm::{self, Model};

pub(super) struct Models(Vec<(vlm::Settings, Arc<Model>)>);

impl Models {
    pub(super) async fn load(setups: &[Setup], clock: Clock) -> Result<Self, Failure> {
        let mut models: Vec<(vlm::Settings, Arc<Model>)> = Vec::new();
        for setup in setups {
            let settings = &setup.config.model.settings;
            if models.iter().all(|(known, _)| known != settings) {
                models.push((settings.clone(), Arc::new(load_model(settings.clone(), clock).await?)));
            }
        }
        Ok(Self(models))
    }

    pub(super) fn of(&self, setup: &Setup) -> &Arc<Model> {
        let found = self.0.iter().find(|(settings, _)| *settings == setup.config.model.settings);
        &found.expect("each setup's model was loaded").1
    }
}
