//! Arrays on their way to a peer and back.

use std::path::Path;

use lstm::Tensor;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::conformance::Tensors;

/// Writes a file.
///
/// # Errors
///
/// If it cannot be written.
pub fn write(path: &Path, tensors: &Tensors<f32>) -> Result<(), String> {
    let bytes = |tensor: &Tensor<f32>| tensor.data().iter().flat_map(|x| x.to_le_bytes()).collect();
    let bytes: Vec<Vec<u8>> = tensors.values().map(bytes).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, tensor), bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.shape().to_vec(), bytes);
        Ok((name, view.map_err(|error| format!("{name}: {error}"))?))
    });
    let views: Vec<_> = views.collect::<Result<_, String>>()?;
    safetensors::serialize_to_file(views, None, path)
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads a file.
///
/// # Errors
///
/// If it cannot be read, or has numbers other than `f32`.
pub fn read(path: &Path) -> Result<Tensors<f32>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file =
        SafeTensors::deserialize(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        if view.dtype() != Dtype::F32 {
            return Err(format!("{name}: expected F32, found {:?}", view.dtype()));
        }
        let numbers = view.data().chunks_exact(4).filter_map(|bytes| bytes.first_chunk());
        let data = numbers.map(|&bytes| f32::from_le_bytes(bytes)).collect();
        let tensor = Tensor::new(view.shape(), data).map_err(|error| error.to_string())?;
        Ok((name, tensor))
    });
    tensors.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() -> Result<(), String> {
        let path = std::env::temp_dir().join(format!("harness-files-{}", std::process::id()));
        let tensor = |shape: [usize; 2]| {
            Tensor::new(shape, vec![0.5, -1.0, 2.0, 1e-9, 3.0, -0.0]).map_err(|e| e.to_string())
        };
        let tensors =
            Tensors::from([("a".to_owned(), tensor([2, 3])?), ("b".to_owned(), tensor([6, 1])?)]);
        write(&path, &tensors)?;
        let same = read(&path);
        std::fs::remove_file(&path).map_err(|error| error.to_string())?;
        assert_eq!(same?, tensors);
        assert!(read(&path).is_err());
        Ok(())
    }
}
