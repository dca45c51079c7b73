//! Masks of trained nets beside random ones: rows and columns of a trained layer are uneven.

mod comparison;
mod lenet;
mod resnet;
mod safetensors;
mod unevenness;

use std::path::{Path, PathBuf};

use secateur_kernels::Csr;

pub(crate) use comparison::{columns, compare};

use crate::error::Result;
use crate::section::Section;
use crate::work::Work;

/// A pruned layer of a trained net.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Net and parameter.
    pub name: String,
    pub weights: Csr,
    /// What is computed with it.
    pub works: Vec<Work>,
}

/// The layers of the nets that are found in `dir`, `$SECATEUR_DATA` or `../shared/data`; says
/// what is left out and why.
pub(crate) fn layers(dir: Option<&Path>, quick: bool) -> Result<Vec<Layer>> {
    let dir = match (dir, std::env::var_os("SECATEUR_DATA")) {
        (Some(dir), _) => dir.to_path_buf(),
        (None, Some(dir)) => dir.into(),
        (None, None) => PathBuf::from("../shared/data"),
    };
    let mut layers = Vec::new();
    match resnet::layers(&dir, Section::Real.sparsities(quick), quick)? {
        Some(found) => layers.extend(found),
        None => left_out("a pretrained ResNet-44", &dir.join(resnet::FILE)),
    }
    match lenet::layers(&dir)? {
        Some(found) => layers.extend(found),
        None => left_out("a LeNet-300-100 trained now", &dir.join("mnist")),
    }
    Ok(layers)
}

fn left_out(what: &str, path: &Path) {
    println!(
        "\nreal masks of {what} are left out: there is no {}; see --real",
        path.display()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_data_there_are_no_layers() {
        let folder = tempfile::tempdir().unwrap();
        assert!(layers(Some(folder.path()), true).unwrap().is_empty());
    }
}
