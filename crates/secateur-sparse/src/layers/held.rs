//! The structure of a layer, beside the parameter that records it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use burn::{
    Tensor,
    module::{Module, Param, ParamId},
    tensor::{DType, Device, Int, TensorData},
};
use secateur_core::torch::{is_pruned_at, mask_of};

use crate::{SparseError, ops::Structure};

/// The structure that a layer multiplies with. The parameter that records it is read again after
/// something was loaded into it, for loading happens behind the layer's back.
#[derive(Debug)]
pub(super) struct Held {
    /// Loads into the parameter of this layer or of a clone.
    loads: Arc<AtomicU64>,
    current: Mutex<Current>,
}

#[derive(Debug, Clone)]
struct Current {
    /// The loads that are accounted for.
    loads: u64,
    structure: Arc<Structure>,
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Self {
            loads: Arc::clone(&self.loads),
            current: Mutex::new(self.lock().clone()),
        }
    }
}

impl Held {
    /// Holds `structure`, and gives the parameter that records it.
    pub(super) fn new(
        structure: Arc<Structure>,
        id: ParamId,
        device: &Device,
    ) -> (Self, Param<Tensor<1, Int>>) {
        let words = structure.to_words();
        let data = TensorData::new(words.clone(), [words.len()]);
        let device = device.clone().without_autodiff();
        let tensor = Tensor::from_data(data, (&device, DType::I32));
        let loads = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&loads);
        let param = Param::initialized(id, tensor).load_mapper(move |words| {
            counted.fetch_add(1, Ordering::Release);
            words
        });
        let current = Current {
            loads: 0,
            structure,
        };
        let held = Self {
            loads,
            current: Mutex::new(current),
        };
        (held, param)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The structure that `places` records.
    pub(super) fn structure(
        &self,
        places: &Param<Tensor<1, Int>>,
    ) -> Result<Arc<Structure>, SparseError> {
        let loads = self.loads.load(Ordering::Acquire);
        let mut current = self.lock();
        if current.loads != loads {
            let read = read_words(places.val().into_data())
                .and_then(|words| Structure::from_words(&words));
            let structure = read.map_err(|why| SparseError::Unsupported {
                what: format!("a sparse layer into which a record was loaded ({why})"),
                remedy: "load the record that this layer was saved to".into(),
            })?;
            if *structure != *current.structure {
                current.structure = structure;
            }
            current.loads = loads;
        }
        Ok(Arc::clone(&current.structure))
    }
}

/// The words that a tensor of integers holds.
pub(super) fn read_words(data: TensorData) -> Result<Vec<i32>, String> {
    if !data.dtype().is_int() && !data.dtype().is_uint() {
        return Err("the places of its weights are no integers".into());
    }
    let words = data.iter::<i64>().map(|word| {
        // Whatever type holds the 32 bits.
        i32::try_from(word).or_else(|_| u32::try_from(word).map(u32::cast_signed))
    });
    let words: Result<_, _> = words.collect();
    words.map_err(|_| "the places of its weights are no words of 32 bits".into())
}

/// The structure and values of a dense weight, seen as a matrix of `shape`: what the mask on the
/// parameter `weight` of `layer` keeps, or what is not zero.
pub(super) fn read_dense<M: Module>(
    layer: &M,
    weight: TensorData,
    shape: [usize; 2],
) -> Result<(Arc<Structure>, Vec<f32>), SparseError> {
    let dense = weight
        .try_to_vec::<f32>()
        .map_err(|_| SparseError::Element {
            what: "the weight".into(),
            got: format!("{:?}", weight.dtype()),
            expected: "F32".into(),
        })?;
    let structure = if is_pruned_at(layer, "weight")? {
        let kept: Vec<bool> = mask_of(layer, "weight")?.iter().collect();
        Structure::from_mask(&kept, shape)?
    } else {
        Structure::from_dense(&dense, shape)?
    };
    let values = structure.places().map(|place| dense[place]).collect();
    Ok((structure, values))
}

/// A trainable parameter of values.
pub(super) fn values_param(id: ParamId, values: Vec<f32>, device: &Device) -> Param<Tensor<1>> {
    let len = values.len();
    let tensor = Tensor::from_data(TensorData::new(values, [len]), device);
    let (_, tensor, mapper) = Param::from_tensor(tensor).consume();
    Param::from_mapped_value(id, tensor, mapper)
}
