//! The complete MNIST and Fashion-MNIST, from files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::folders::roots;
use super::idx::read_idx;
use super::origin::Official;
use super::samples::{Data, Samples};
use crate::{ExampleError, Result};

/// A data set with an official split of 60,000 images to learn from and 10,000 to be judged on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DatasetName {
    /// Handwritten digits (LeCun, Cortes, Burges).
    Mnist,
    /// Clothes (Xiao, Rasul, Vollgraf 2017).
    FashionMnist,
}

impl DatasetName {
    /// The folder that holds the four idx files.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
        }
    }

    /// As the literature writes it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST",
            Self::FashionMnist => "Fashion-MNIST",
        }
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.folder())
    }
}

impl FromStr for DatasetName {
    type Err = ExampleError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "mnist" => Ok(Self::Mnist),
            "fashion" | "fashion-mnist" => Ok(Self::FashionMnist),
            _ => Err(ExampleError::Usage(format!(
                "there is no data set `{name}`, only mnist and fashion"
            ))),
        }
    }
}

/// Reads a data set from the first folder that has it: `DIR` itself, the folder named by
/// `SECATEUR_DATA`, `../shared/data`, and Debian's `/usr/share/datasets`. Each may hold the four
/// files itself or in a folder `mnist` or `fashion-mnist`.
///
/// # Errors
///
/// [`ExampleError::NoData`] if no folder has it, or [`ExampleError::Idx`] if a file is damaged.
pub fn official(name: DatasetName, dir: Option<&Path>) -> Result<Data<Official>> {
    let roots = roots(dir);
    let Some(folder) = find(name, &roots) else {
        return Err(ExampleError::NoData {
            dataset: name.to_string(),
            tried: roots,
            remedy: remedy(name).into(),
        });
    };
    let part = |prefix: &str| {
        let read = |suffix: &str| {
            let path = file(&folder, &format!("{prefix}-{suffix}"));
            let bytes = std::fs::read(&path).map_err(ExampleError::io("read", &path))?;
            read_idx(&path.display().to_string(), &bytes)
        };
        let part = format!("{name} ({prefix})");
        Samples::new(&part, read(IMAGES)?, read(LABELS)?)
    };
    Ok(Data {
        name: name.to_string(),
        train: part("train")?,
        test: part("t10k")?,
    })
}

/// The names of Fashion-MNIST's classes.
pub const FASHION_CLASSES: [&str; 10] = [
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot",
];

const IMAGES: &str = "images-idx3-ubyte";
const LABELS: &str = "labels-idx1-ubyte";

fn find(name: DatasetName, roots: &[PathBuf]) -> Option<PathBuf> {
    roots
        .iter()
        .flat_map(|root| [root.join(name.folder()), root.clone()])
        // Both sets have files of the same names, so a bare folder counts only if nothing speaks
        // against it.
        .filter(|folder| !DatasetName::other(name, folder))
        .find(|folder| file(folder, &format!("train-{IMAGES}")).is_file())
}

/// The gzipped file where there is one, the plain file otherwise.
fn file(folder: &Path, name: &str) -> PathBuf {
    let gzipped = folder.join(format!("{name}.gz"));
    if gzipped.is_file() {
        gzipped
    } else {
        folder.join(name)
    }
}

impl DatasetName {
    /// Whether `folder` is named like the other data set.
    fn other(self, folder: &Path) -> bool {
        [Self::Mnist, Self::FashionMnist]
            .into_iter()
            .any(|name| name != self && folder.ends_with(name.folder()))
    }
}

fn remedy(name: DatasetName) -> &'static str {
    match name {
        DatasetName::Mnist => {
            "pass --data DIR or set SECATEUR_DATA to the folder that holds `mnist`; its four files \
             are at https://storage.googleapis.com/cvdf-datasets/mnist/ and may stay gzipped"
        }
        DatasetName::FashionMnist => {
            "pass --data DIR or set SECATEUR_DATA to the folder that holds `fashion-mnist`, or \
             install the Debian package `dataset-fashion-mnist`"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Idx, write_idx};
    use super::*;

    fn write_set(folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        for (part, count) in [("train", 3_usize), ("t10k", 2)] {
            let images = Idx {
                dims: vec![count, 2, 2],
                bytes: vec![7; 4 * count],
            };
            let labels = Idx {
                dims: vec![count],
                bytes: vec![1; count],
            };
            for (kind, idx) in [(IMAGES, images), (LABELS, labels)] {
                let path = folder.join(format!("{part}-{kind}.gz"));
                std::fs::write(path, write_idx(&idx).unwrap()).unwrap();
            }
        }
    }

    #[test]
    fn a_folder_may_hold_the_files_or_a_folder_of_them() {
        let root = tempfile::tempdir().unwrap();
        write_set(&root.path().join("mnist"));
        for dir in [root.path().to_path_buf(), root.path().join("mnist")] {
            let data = official(DatasetName::Mnist, Some(&dir)).unwrap();
            assert_eq!((data.train.len(), data.test.len()), (3, 2));
        }
    }

    #[test]
    fn one_data_set_is_never_read_as_the_other() {
        let root = tempfile::tempdir().unwrap();
        write_set(&root.path().join("mnist"));
        for dir in [root.path().to_path_buf(), root.path().join("mnist")] {
            let error = official(DatasetName::FashionMnist, Some(&dir)).unwrap_err();
            assert!(error.to_string().contains("--data DIR"), "{error}");
        }
    }
}
