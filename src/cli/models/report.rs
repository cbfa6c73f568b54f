//! What was made and how it compares: as lines for people, and as the mark in the new set's folder.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use serde_json::{Value, json};

use super::args::Precision;
use super::compare::{Bounds, Comparison};
use super::target::WRITER;

/// A graph that was written.
pub(super) struct Written {
    /// Inside the set.
    pub(super) file: String,
    pub(super) precision: Precision,
    /// Bytes of the file that its weights come from, if they have one to themselves.
    pub(super) before: Option<u64>,
    pub(super) after: u64,
}

/// A precision that held.
pub(super) struct Verified {
    pub(super) precision: Precision,
    /// Whether its graphs are in the new set, or only showed that the weights were read rightly.
    pub(super) kept: bool,
    pub(super) bounds: Bounds,
    pub(super) comparison: Comparison,
}

/// The table, and a line for each precision.
pub(super) fn table(written: &[Written], verified: &[Verified], against: &str) -> String {
    let wide = written.iter().map(|row| row.file.len()).max().unwrap_or(0);
    let mut lines = vec![format!("{:wide$}  {:>10}  {:>10}  precision", "file", "before", "after")];
    for row in written {
        let before = row.before.map_or_else(|| "-".into(), megabytes);
        let after = megabytes(row.after);
        lines.push(format!("{:wide$}  {before:>10}  {after:>10}  {}", row.file, row.precision.name()));
    }
    lines.push(String::new());
    lines.push(format!("verified against {against}:"));
    for row in verified {
        let kept = if row.kept { "" } else { " (made for this check only)" };
        lines.push(format!("  {:6} {}{kept}", row.precision.name(), numbers(&row.comparison)));
    }
    lines.join("\n")
}

/// How far apart, on one line.
pub(super) fn numbers(c: &Comparison) -> String {
    let distance = |d: super::compare::Distance| {
        format!("rel. L2 {:.2e}, max {:.2e}, cosine {:.6}", d.relative, d.max_abs, d.cosine)
    };
    format!(
        "features {}; logits {}; {} of {} greedy tokens, first token in {} of {} questions",
        distance(c.features),
        distance(c.logits),
        c.same_tokens,
        c.tokens,
        c.first,
        c.questions
    )
}

/// What the mark in the new folder holds.
///
/// # Errors
/// If a file cannot be read.
pub(super) fn mark(
    folder: &Path,
    source: &[PathBuf],
    written: &[Written],
    verified: &[Verified],
    against: &str,
) -> io::Result<Value> {
    let mut from = serde_json::Map::new();
    for path in source {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        from.insert(name, hashed(path)?);
    }
    let mut graphs = serde_json::Map::new();
    for row in written {
        graphs.insert(row.file.clone(), hashed(&folder.join(&row.file))?);
    }
    let verified: Vec<Value> = verified
        .iter()
        .map(|row| json!({"precision": row.precision.name(), "kept": row.kept, "bounds": row.bounds, "found": row.comparison}))
        .collect();
    Ok(json!({
        "made_by": WRITER,
        "version": env!("CARGO_PKG_VERSION"),
        "made_from": from,
        "graphs": graphs,
        "verified_against": against,
        "verified": verified,
    }))
}

fn hashed(path: &Path) -> io::Result<Value> {
    let mut file = fs::File::open(path)?;
    let (mut context, mut buffer, mut size) = (Context::new(&SHA256), vec![0; 1 << 20], 0_u64);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        size += n as u64;
        context.update(&buffer[..n]);
    }
    let sha256: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(json!({"sha256": sha256, "bytes": size}))
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
