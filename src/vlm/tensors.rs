//! Tensors of f32 or f16, as a set's graphs want them. Whoever uses these sees f32 only.

use std::borrow::Cow;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::memory::Allocator;
use ort::value::{DynTensor, Tensor, TensorElementType};

/// Whether a graph takes 32 or 16 bit floats there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Float {
    F32,
    F16,
}

impl Float {
    pub(super) fn of(element: TensorElementType) -> Option<Self> {
        match element {
            TensorElementType::Float32 => Some(Self::F32),
            TensorElementType::Float16 => Some(Self::F16),
            _ => None,
        }
    }

    pub(super) fn element(self) -> TensorElementType {
        match self {
            Self::F32 => TensorElementType::Float32,
            Self::F16 => TensorElementType::Float16,
        }
    }

    /// A tensor of zeros in host memory.
    pub(super) fn zeros(self, shape: &[i64]) -> ort::Result<DynTensor> {
        DynTensor::new(&Allocator::default(), self.element(), shape.to_vec())
    }
}

/// A tensor of whole numbers in host memory.
pub(super) fn integers(shape: [i64; 2], values: Vec<i64>) -> ort::Result<Tensor<i64>> {
    Tensor::from_array((shape, values))
}

/// The numbers of a float tensor in host memory; borrowed where they are f32 already.
pub(super) fn floats(value: &DynTensor) -> ort::Result<Cow<'_, [f32]>> {
    if float_of(value) == Some(Float::F16) {
        let (_, values) = value.try_extract_tensor::<f16>()?;
        Ok(Cow::Owned(values.to_f32_vec()))
    } else {
        let (_, values) = value.try_extract_tensor::<f32>()?;
        Ok(Cow::Borrowed(values))
    }
}

/// The last `count` numbers of a float tensor in host memory; borrowed where they are f32 already, else widened into `wide`.
pub(super) fn last_floats<'a>(
    value: &'a DynTensor,
    count: usize,
    wide: &'a mut Vec<f32>,
) -> ort::Result<Option<&'a [f32]>> {
    fn tail<T>(values: &[T], count: usize) -> Option<&[T]> {
        values.len().checked_sub(count).map(|start| &values[start..])
    }
    if float_of(value) == Some(Float::F16) {
        let (_, values) = value.try_extract_tensor::<f16>()?;
        let Some(row) = tail(values, count) else { return Ok(None) };
        wide.resize(count, 0.0);
        row.convert_to_f32_slice(wide);
        Ok(Some(wide))
    } else {
        let (_, values) = value.try_extract_tensor::<f32>()?;
        Ok(tail(values, count))
    }
}

/// Writes `values` into `target` from number `start` on. The caller has checked that they fit.
pub(super) fn write(target: &mut DynTensor, start: usize, values: &[f32]) -> ort::Result<()> {
    let range = start..start + values.len();
    if *target.data_type() == TensorElementType::Float16 {
        let (_, numbers) = target.try_extract_tensor_mut::<f16>()?;
        numbers[range].convert_from_f32_slice(values);
    } else {
        let (_, numbers) = target.try_extract_tensor_mut::<f32>()?;
        numbers[range].copy_from_slice(values);
    }
    Ok(())
}

fn float_of(value: &DynTensor) -> Option<Float> {
    Float::of(*value.data_type())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_widths_look_the_same() {
        super::super::runtime::load(None).unwrap();
        for float in [Float::F32, Float::F16] {
            let mut tensor = float.zeros(&[1, 2, 3]).unwrap();
            write(&mut tensor, 2, &[1.5, -2.0]).unwrap();
            assert_eq!(float_of(&tensor), Some(float));
            let value = tensor;
            assert_eq!(*floats(&value).unwrap(), [0.0, 0.0, 1.5, -2.0, 0.0, 0.0]);
            let mut wide = Vec::new();
            assert_eq!(last_floats(&value, 3, &mut wide).unwrap().unwrap(), [-2.0, 0.0, 0.0]);
            assert!(last_floats(&value, 7, &mut wide).unwrap().is_none());
        }
    }
}
