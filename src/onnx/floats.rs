//! Numbers of tensors and files, widened to f32.

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};

use super::proto::{Tensor, element};

/// How floats lie in bytes, little endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Float {
    F32,
    F16,
    Bf16,
    F64,
}

impl Float {
    /// Of an ONNX element type, if it is a float.
    pub(super) fn of_element(element: Option<i32>) -> Option<Self> {
        Some(match element? {
            element::FLOAT => Self::F32,
            element::FLOAT16 => Self::F16,
            element::BFLOAT16 => Self::Bf16,
            element::DOUBLE => Self::F64,
            _ => return None,
        })
    }

    fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// All numbers in `bytes`; `None` if the last one is cut off.
    pub(super) fn read(self, bytes: &[u8]) -> Option<Vec<f32>> {
        if !bytes.len().is_multiple_of(self.bytes()) {
            return None;
        }
        Some(match self {
            Self::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Self::F16 => bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Self::Bf16 => bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            Self::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        })
    }
}

/// The dimensions of a tensor; `None` if one is negative.
pub(super) fn dims(tensor: &Tensor) -> Option<Vec<usize>> {
    tensor.dims.iter().map(|dim| usize::try_from(*dim).ok()).collect()
}

/// A float tensor; otherwise why it is none.
pub(super) fn array(tensor: &Tensor) -> Result<ArrayD<f32>, String> {
    let name = tensor.name.as_deref().unwrap_or_default();
    let float = Float::of_element(tensor.data_type).ok_or_else(|| format!("`{name}` does not hold floats"))?;
    let values = match &tensor.raw_data {
        Some(bytes) => float.read(bytes),
        None => Some(typed(tensor, float)),
    };
    let dims = dims(tensor).ok_or_else(|| format!("`{name}` has a negative dimension"))?;
    let values = values.ok_or_else(|| format!("`{name}` is cut off"))?;
    ArrayD::from_shape_vec(IxDyn(&dims), values)
        .map_err(|_| format!("`{name}` has not as many numbers as its dimensions say"))
}

/// Halves lie in the lower bits of 32-bit integers there.
fn typed(tensor: &Tensor, float: Float) -> Vec<f32> {
    let halves = tensor.int32_data.iter().map(|bits| *bits as u16);
    match float {
        Float::F32 => tensor.float_data.clone(),
        Float::F16 => halves.map(|bits| f16::from_bits(bits).to_f32()).collect(),
        Float::Bf16 => halves.map(|bits| bf16::from_bits(bits).to_f32()).collect(),
        Float::F64 => tensor.double_data.iter().map(|value| *value as f32).collect(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn tensor(data_type: i32, dims: &[i64]) -> Tensor {
        Tensor { name: Some("w".into()), data_type: Some(data_type), dims: dims.to_vec(), ..Tensor::default() }
    }

    #[test]
    fn every_float_is_widened() {
        let raw = |data_type, bytes: &'static [u8]| Tensor {
            raw_data: Some(Bytes::from_static(bytes)),
            ..tensor(data_type, &[2])
        };
        for (tensor, want) in [
            (raw(element::FLOAT, &[0, 0, 128, 63, 0, 0, 0, 192]), [1.0, -2.0]),
            (raw(element::FLOAT16, &[0, 0x3c, 0, 0xc0]), [1.0, -2.0]),
            (raw(element::BFLOAT16, &[0x80, 0x3f, 0, 0xc0]), [1.0, -2.0]),
            (Tensor { float_data: vec![1.0, -2.0], ..tensor(element::FLOAT, &[2]) }, [1.0, -2.0]),
            (Tensor { int32_data: vec![0x3c00, 0xc000], ..tensor(element::FLOAT16, &[2]) }, [1.0, -2.0]),
            (Tensor { double_data: vec![1.0, -2.0], ..tensor(element::DOUBLE, &[2]) }, [1.0, -2.0]),
        ] {
            assert_eq!(array(&tensor).unwrap().into_raw_vec_and_offset().0, want);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(array(&tensor(element::INT64, &[2])).unwrap_err(), "`w` does not hold floats");
        let cut = Tensor { raw_data: Some(Bytes::from_static(&[0; 7])), ..tensor(element::FLOAT, &[2]) };
        assert_eq!(array(&cut).unwrap_err(), "`w` is cut off");
        let few = Tensor { float_data: vec![0.0; 3], ..tensor(element::FLOAT, &[2, 2]) };
        assert!(array(&few).unwrap_err().contains("not as many numbers"));
    }
}
