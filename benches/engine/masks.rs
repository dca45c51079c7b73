//! Models as they are measured: trained weights where there are some, and pruned.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use burn_store::{ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use secateur::allocation::{Global, Uniform};
use secateur::prelude::*;
use secateur_examples::data::folders::find;

use crate::nets::{Model, Net};

/// How the zeros are spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Spread {
    /// So many in each weight tensor.
    Uniform,
    /// The smallest of the whole model.
    Global,
}

impl Spread {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Global => "global",
        }
    }
}

/// The model with trained weights, where the data folder has some; whether it did.
pub(crate) fn trained(model: Model, data: Option<&Path>, device: &Device) -> (Net, bool) {
    let mut net = model.net(device);
    let depth = match model {
        Model::ResNet20 => 20,
        Model::ResNet44 => 44,
        _ => return (net, false),
    };
    let name = format!("resnet{depth}.safetensors");
    let loaded = find("cifar10-resnet", &name, data).is_ok_and(|file| match &mut net {
        Net::ResNet(net) => {
            let mut store =
                SafetensorsStore::from_file(file).with_from_adapter(PyTorchToBurnAdapter);
            net.load_from(&mut store)
                .is_ok_and(|loaded| loaded.missing.is_empty() && loaded.errors.is_empty())
        }
        _ => false,
    });
    (net.valid(), loaded)
}

/// Without `sparsity` of its weights.
pub(crate) fn pruned(net: &Net, sparsity: f64, spread: Spread) -> Result<Net, PruneError> {
    let mut net = net.clone();
    if sparsity > 0.0 {
        let config = PrunerConfig::new().with_schedule(OneShot::new(sparsity));
        let config = match spread {
            Spread::Uniform => config.with_allocation(Uniform),
            Spread::Global => config.with_allocation(Global),
        };
        let mut pruner = config.init_module(&net)?;
        pruner.prune(&mut net, 0)?;
        pruner.finish(&mut net)?;
    }
    Ok(net)
}
