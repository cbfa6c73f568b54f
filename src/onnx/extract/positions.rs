//! The table of position embeddings, from itself or from the rows that were looked up in it.

use ndarray::{Array2, Axis};

use super::ExtractError;
use super::values::{Values, input, kind};
use crate::onnx::proto::Node;

/// Where the published implementation looks for the position of each patch of a full picture, row by row. It cuts fractions
/// that are scaled by 1 - 1e-6 into buckets, so every row and column but the first has the place of the one before.
pub(super) fn ids(side: usize) -> impl Iterator<Item = usize> {
    let place = |at: usize| at.saturating_sub(1);
    (0..side * side).map(move |patch| place(patch / side) * side + place(patch % side))
}

/// The table [side x side, hidden] behind `value`, which `adder` adds to the patches.
pub(super) fn table<'a>(
    values: &Values<'a>,
    adder: &'a Node,
    value: &'a str,
    side: usize,
    hidden: usize,
) -> Result<Array2<f32>, ExtractError> {
    let patches = side * side;
    if values.numbers(value) == Some(patches * hidden) {
        let rows = values.vector(adder, value)?;
        let rows = rows.into_shape_with_order((patches, hidden)).expect("the numbers were counted");
        return invert(&rows, side).ok_or_else(|| {
            let why = "the position embeddings added here are not looked up as the published model does it";
            values.stop(adder, why)
        });
    }
    let mut next = vec![value];
    let mut seen = Vec::new();
    while let Some(value) = next.pop() {
        let Some(node) = values.maker(value).filter(|_| !seen.contains(&value)) else { continue };
        seen.push(value);
        if kind(node) == "Gather"
            && let Some(data) = input(node, 0)
            && values.matrix_dims(data) == Some((patches, hidden))
        {
            return values.matrix(node, data, false);
        }
        next.extend(node.input.iter().map(String::as_str));
    }
    Err(values
        .stop(adder, format!("a table of {patches} position embeddings of {hidden} numbers was expected behind it")))
}

/// Rows that are never looked up stay zero; `None` if the same place has several rows.
fn invert(rows: &Array2<f32>, side: usize) -> Option<Array2<f32>> {
    let mut table = Array2::zeros(rows.raw_dim());
    for (row, id) in rows.axis_iter(Axis(0)).zip(ids(side)) {
        table.row_mut(id).assign(&row);
    }
    let same = rows.axis_iter(Axis(0)).zip(ids(side)).all(|(row, id)| table.row(id) == row);
    same.then_some(table)
}
