//! MNIST through Burn's own download (feature `download`).

use burn::data::dataset::Dataset;
use burn::data::dataset::vision::{MnistDataset, MnistItem};

use super::idx::Idx;
use super::origin::Official;
use super::samples::{Data, Samples};
use crate::{ExampleError, Result};

/// Fetches MNIST once; Burn keeps it in its own cache folder.
pub(super) fn mnist() -> Result<Data<Official>> {
    Ok(Data {
        name: "mnist".into(),
        train: samples("mnist (train)", &MnistDataset::train())?,
        test: samples("mnist (t10k)", &MnistDataset::test())?,
    })
}

fn samples(name: &str, source: &MnistDataset) -> Result<Samples<Official>> {
    let mut images = Vec::with_capacity(source.len() * 28 * 28);
    let mut labels = Vec::with_capacity(source.len());
    for index in 0..source.len() {
        let MnistItem { image, label } =
            source.get(index).map_err(|error| ExampleError::Mismatch {
                name: name.into(),
                why: format!("image {index} cannot be read ({error})"),
            })?;
        // Burn hands out whole numbers from 0 to 255 as floats.
        images.extend(image.as_flattened().iter().map(|&pixel| pixel as u8));
        labels.push(label);
    }
    let dims = vec![labels.len(), 28, 28];
    let images = Idx {
        dims,
        bytes: images,
    };
    let labels = Idx {
        dims: vec![labels.len()],
        bytes: labels,
    };
    Samples::new(name, images, labels)
}
