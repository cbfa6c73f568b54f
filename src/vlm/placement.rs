//! Where a graph's nodes really run: read from what ONNX Runtime recorded of one run, because a provider that was asked for may
//! leave any node to another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ort::session::Session;
use serde::Deserialize;

/// Nodes per provider ("cpu", "cuda", ...), most first.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Placement(pub Vec<(String, usize)>);

impl Placement {
    /// Nodes on `provider`.
    #[must_use]
    pub fn on(&self, provider: &str) -> usize {
        self.0.iter().filter(|(name, _)| name == provider).map(|(_, nodes)| nodes).sum()
    }

    #[must_use]
    pub fn nodes(&self) -> usize {
        self.0.iter().map(|(_, nodes)| nodes).sum()
    }
}

impl std::fmt::Display for Placement {
    /// "cuda 812, cpu 12"
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (provider, nodes)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{provider} {nodes}")?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Args,
}

#[derive(Deserialize, Default)]
struct Args {
    #[serde(default)]
    provider: String,
}

/// Ends the recording of a session that was opened with one. `None` if it cannot be read: that is no reason not to start.
pub(super) fn end(session: &mut Session) -> Option<Placement> {
    let file = session.end_profiling().ok()?;
    let text = std::fs::read(&file).ok()?;
    // It lies in a temporary folder anyway.
    let _ = std::fs::remove_file(Path::new(&file));
    Some(placement(&serde_json::from_slice::<Vec<Event>>(&text).ok()?))
}

fn placement(events: &[Event]) -> Placement {
    let mut nodes: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.cat == "Node" && !event.args.provider.is_empty()) {
        nodes.entry(short(&event.args.provider)).or_default().insert(&event.name);
    }
    let mut counted: Vec<_> = nodes.into_iter().map(|(provider, names)| (provider, names.len())).collect();
    counted.sort_by_key(|(_, nodes)| std::cmp::Reverse(*nodes));
    Placement(counted)
}

/// "CUDAExecutionProvider" is "cuda" here.
fn short(provider: &str) -> String {
    provider.trim_end_matches("ExecutionProvider").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_counted_once_by_the_provider_that_ran_them() {
        let text = r#"[
            {"cat":"Session","name":"model_run","args":{}},
            {"cat":"Node","name":"/MatMul_1_kernel_time","args":{"op_name":"MatMul","provider":"CUDAExecutionProvider"}},
            {"cat":"Node","name":"/MatMul_1_kernel_time","args":{"op_name":"MatMul","provider":"CUDAExecutionProvider"}},
            {"cat":"Node","name":"/MatMul_2_kernel_time","args":{"op_name":"MatMul","provider":"CUDAExecutionProvider"}},
            {"cat":"Node","name":"/Shape_3_kernel_time","args":{"op_name":"Shape","provider":"CPUExecutionProvider"}}
        ]"#;
        let placement = placement(&serde_json::from_str::<Vec<Event>>(text).unwrap());
        assert_eq!(placement.to_string(), "cuda 2, cpu 1");
        assert_eq!((placement.on("cuda"), placement.on("tensorrt"), placement.nodes()), (2, 0, 3));
    }
}
