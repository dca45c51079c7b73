//! Cuts the starter set out of Fashion-MNIST's test part.
//!
//! Run once, its output is part of this package; run again, it writes the same bytes:
//! `cargo run --release --example make_starter -- [FASHION_MNIST_DIR]`

use std::path::{Path, PathBuf};

use secateur_examples::data::{DatasetName, official, pack_starter};
use secateur_examples::{ExampleError, Result};

fn main() -> Result<()> {
    let dir = std::env::args_os().nth(1).map(PathBuf::from);
    let source = official(DatasetName::FashionMnist, dir.as_deref())?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/starter");
    let [images, labels] = pack_starter(&source.test)?;
    for (name, bytes) in [("images.idx.gz", images), ("labels.idx.gz", labels)] {
        let path = folder.join(name);
        std::fs::write(&path, &bytes).map_err(ExampleError::io("write", &path))?;
        println!("{}  {} bytes", path.display(), bytes.len());
    }
    Ok(())
}
