//! Records with the sparse storage, and dense safetensors.

use burn::{
    module::Module,
    nn::{
        Linear, LinearConfig,
        conv::{Conv1dConfig, Conv2dConfig},
    },
    tensor::Device,
};
use secateur::sparse::{
    SparseError,
    layers::{SparseConv1d, SparseConv2d, SparseLinear, SparseRecord},
};

use crate::{
    device::{device, training_device},
    layers::{dense, dense_conv},
    weights::{floats, noise},
};

#[derive(Module, Debug)]
struct Net {
    conv: SparseConv2d,
    line: SparseConv1d,
    fc: SparseLinear,
}

impl Net {
    fn new(device: &Device) -> Self {
        let line = Conv1dConfig::new(3, 2, 3).init(device);
        Self {
            conv: SparseConv2d::from_dense(&dense_conv(device)).unwrap(),
            line: SparseConv1d::from_dense(&line).unwrap(),
            fc: SparseLinear::from_dense(&dense(30, 20, device)).unwrap(),
        }
    }

    /// The net that a file holds.
    fn open(record: &SparseRecord, device: &Device) -> Result<Self, SparseError> {
        let conv = Conv2dConfig::new([4, 6], [3, 3])
            .with_padding(burn::nn::PaddingConfig2d::Same)
            .with_stride([2, 1])
            .with_groups(2);
        Ok(Self {
            conv: record.conv2d("conv", &conv, device)?,
            line: record.conv1d("line", &Conv1dConfig::new(3, 2, 3), device)?,
            fc: record.linear("fc", device)?,
        })
    }

    fn outputs(&self, device: &Device) -> [Vec<f32>; 3] {
        [
            floats(self.conv.forward(noise("x", [1, 4, 8, 7], device)).unwrap()),
            floats(self.line.forward(noise("x", [1, 3, 8], device)).unwrap()),
            floats(self.fc.forward(noise::<2>("x", [3, 30], device)).unwrap()),
        ]
    }
}

#[test]
fn a_record_brings_every_layer_back() {
    let device = device();
    let net = Net::new(&device);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net");
    net.clone().save_file(&path).unwrap();
    let record = SparseRecord::open(&path).unwrap();
    let loaded = Net::open(&record, &device).unwrap();
    assert_eq!(loaded.outputs(&device), net.outputs(&device));
    // Optimizers know parameters by their ids.
    assert_eq!(loaded.fc.values.id, net.fc.values.id);
    // With gradients, too.
    let training = training_device();
    let trained = Net::open(&record, &training).unwrap();
    assert!(trained.fc.values.val().is_require_grad());
    assert_eq!(trained.valid().outputs(&device), net.outputs(&device));
}

#[test]
fn a_record_loads_into_a_layer_of_the_same_size_with_other_places() {
    let device = device();
    let (a, b) = (dense(30, 20, &device), dense(30, 20, &device));
    let shifted = b.weight.val().roll_dim(1, 0);
    let b = Linear {
        weight: burn::module::Param::from_tensor(shifted),
        ..b
    };
    let (a, b) = (
        SparseLinear::from_dense(&a).unwrap(),
        SparseLinear::from_dense(&b).unwrap(),
    );
    assert_ne!(a.structure().unwrap(), b.structure().unwrap());
    let x = noise::<2>("x", [3, 30], &device);
    let (of_a, of_b) = (
        floats(a.forward(x.clone()).unwrap()),
        floats(b.forward(x.clone()).unwrap()),
    );
    assert_ne!(of_a, of_b);
    let loaded = a.clone().load_record(b.clone().into_record());
    assert_eq!(floats(loaded.forward(x.clone()).unwrap()), of_b);
    assert_eq!(loaded.structure().unwrap(), b.structure().unwrap());
    // The original is a clone of it, and stays what it was.
    assert_eq!(floats(a.forward(x).unwrap()), of_a);
}

#[test]
fn a_record_of_another_number_of_weights_is_refused() {
    let device = device();
    let many = SparseLinear::from_dense(&LinearConfig::new(30, 20).init(&device)).unwrap();
    let few = SparseLinear::from_dense(&dense(30, 20, &device)).unwrap();
    assert!(many.try_load_record(few.into_record()).is_err());
}

#[test]
fn a_sparse_file_is_an_eighth_of_the_dense_one() {
    let device = device();
    let dense = dense(256, 256, &device);
    let folder = tempfile::tempdir().unwrap();
    let (full, packed) = (
        folder.path().join("dense.bpk"),
        folder.path().join("sparse.bpk"),
    );
    let layer = SparseLinear::from_dense(&dense).unwrap();
    dense.save_file(&full).unwrap();
    layer.save_file(&packed).unwrap();
    let size = |path| std::fs::metadata(path).unwrap().len();
    // 4 bytes for a tenth of the weights and a bit for each: 0.525 of 4 bytes, and the headers.
    let share = size(&packed) as f64 / size(&full) as f64;
    assert!((0.12..0.15).contains(&share), "{share}");
}

#[test]
fn damaged_and_foreign_files_are_refused() {
    let device = device();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.bpk");
    assert!(SparseRecord::open(&path).is_err());
    let net = Net::new(&device);
    net.clone().save_file(&path).unwrap();
    let record = SparseRecord::open(&path).unwrap();
    let error = record.linear("fc1", &device).unwrap_err();
    assert!(
        error.to_string().contains("no sparse layer at `fc1`"),
        "{error}"
    );
    let config = Conv2dConfig::new([4, 8], [3, 3]);
    assert!(matches!(
        record.conv2d("conv", &config, &device),
        Err(SparseError::Shape { .. })
    ));

    let bytes = std::fs::read(&path).unwrap();
    for end in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..end]).unwrap();
        assert!(
            SparseRecord::open(&path).is_err(),
            "{end} of {} bytes",
            bytes.len()
        );
    }
    // Whatever a byte is changed to: a layer or an error, and no panic.
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        if let Ok(record) = SparseRecord::open(&path) {
            let _ = Net::open(&record, &device).map(|net| net.fc.nnz());
        }
    }
}

#[cfg(feature = "pytorch")]
#[test]
fn dense_safetensors_and_back() {
    use burn_store::{ModuleSnapshot, SafetensorsStore};

    let device = device();
    let layer = SparseLinear::from_dense(&dense(30, 20, &device)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer.safetensors");
    let mut store = SafetensorsStore::from_file(&path);
    layer.to_dense().unwrap().save_into(&mut store).unwrap();

    let mut dense = LinearConfig::new(30, 20).init(&device);
    let mut store = SafetensorsStore::from_file(&path);
    dense.load_from(&mut store).unwrap();
    let loaded = SparseLinear::from_dense(&dense).unwrap();
    assert_eq!(loaded.structure().unwrap(), layer.structure().unwrap());
    let x = noise::<2>("x", [3, 30], &device);
    assert_eq!(
        floats(loaded.forward(x.clone()).unwrap()),
        floats(layer.forward(x).unwrap())
    );
}
