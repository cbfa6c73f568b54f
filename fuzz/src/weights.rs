//! `model.safetensors` and the index of its shards.

use eyewitness::onnx::Safetensors;

use super::files;
use super::input::Input;

pub(crate) fn run(data: &[u8]) {
    let folder = files::folder();
    let names = ["a.safetensors", "b.safetensors", "model.safetensors.index.json"];
    let parts: Vec<&[u8]> = Input(data).parts().take(names.len()).collect();
    match parts.as_slice() {
        [whole] => files::write(folder.path(), "model.safetensors", whole),
        several => several.iter().zip(names).for_each(|(part, name)| files::write(folder.path(), name, part)),
    }
    let Ok(read) = Safetensors::open(folder.path()) else { return };
    for weights in [read.vision(), read.embed(), read.decoder()].into_iter().flatten() {
        let numbers: usize = weights.iter().map(|(_, values)| values.len()).sum();
        // A head that is tied is there twice.
        assert!(numbers <= 4 * data.len(), "weights out of nothing");
    }
}
