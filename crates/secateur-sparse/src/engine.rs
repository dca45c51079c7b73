//! A captured model compiled to run on sparse kernels.
//!
//! [`SparseEngine::compile`] captures a model's forward pass, packs each weight in the format that
//! is predicted to be fastest, joins bias, normalisation, activation and residual sums to the
//! product before them, gives each intermediate value a place in memory, and leaves what it does
//! not know to Burn.

mod batch;
mod burn_side;
mod check;
mod config;
mod constants;
mod elementwise;
mod explain;
mod file;
mod fuse;
pub(crate) mod layer;
pub(crate) mod lower;
mod memory;
mod output;
mod plan;
mod pool;
mod product;
#[cfg(test)]
mod random_programs;
mod recognise;
mod rows;
mod state;
mod strided;
mod turns;
pub(crate) mod weight;

pub use config::EngineConfig;
pub use explain::{Explanation, LayerExplanation, OtherExplanation};
pub use output::EngineOutput;

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::module::Module;
use burn::tensor::{DType, TensorData};
use secateur_graph::GraphTensors;
use secateur_kernels::{Isa, Scratch, Threads};

use crate::error::SparseError;
use layer::Layer;
use plan::{Plan, Port, elements, shape_at};
use state::State;

/// A model that runs on the sparse kernels.
///
/// `run` takes `&self`; any number of threads may run one engine at once, each run with memory of
/// its own out of a pool.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
/// use secateur_sparse::SparseEngine;
///
/// let device = Device::flex();
/// let layer = LinearConfig::new(64, 8).init(&device);
/// let x = Tensor::<2>::ones([4, 64], &device);
///
/// let engine = SparseEngine::compile(&layer, x.clone(), Linear::forward)?;
/// let y: Tensor<2> = engine.run(x.clone())?;
/// let error = (y - layer.forward(x)).abs().max().into_scalar::<f32>();
/// assert!(error < 1e-5);
/// println!("{}", engine.explain()?);
/// # Ok(())
/// # }
/// ```
pub struct SparseEngine {
    plan: Plan,
    layers: Vec<Layer>,
    isa: Isa,
    threads: usize,
    pool: Option<rayon::ThreadPool>,
    states: Mutex<Vec<State>>,
}

impl SparseEngine {
    /// Compiles `forward` of `model` for inputs like `example`, with one thread and the cost model
    /// of this machine; [`EngineConfig`] sets both.
    ///
    /// Inference is what is compiled: as after [`Module::valid`], with masks folded into the
    /// weights. Formats are chosen for the batch of `example`; where nothing in the graph depends on
    /// it, other batches run as well.
    ///
    /// # Errors
    ///
    /// Where the model cannot be captured, a weight cannot be packed, or Burn's interpreter cannot
    /// run an operation that the engine leaves to it.
    pub fn compile<M, I, O>(
        model: &M,
        example: I,
        forward: impl Fn(&M, I) -> O,
    ) -> Result<Self, SparseError>
    where
        M: Module,
        I: GraphTensors + Clone,
        O: GraphTensors,
    {
        EngineConfig::new().compile(model, example, forward)
    }

    fn new(plan: Plan, layers: Vec<Layer>, threads: usize) -> Result<Self, SparseError> {
        let pool = (threads > 1)
            .then(|| rayon::ThreadPoolBuilder::new().num_threads(threads).build())
            .transpose()
            .map_err(|error| SparseError::Unsupported {
                what: format!("an engine with {threads} threads"),
                remedy: format!("ask for fewer: {error}"),
            })?;
        Ok(Self {
            plan,
            layers,
            isa: Isa::from_env().map_err(|source| SparseError::Kernel {
                what: "the instruction set".into(),
                source,
            })?,
            threads,
            pool,
            states: Mutex::new(Vec::new()),
        })
    }

    /// The outputs for `input`: as a tensor, a tuple of tensors, [`TensorData`], or a `Vec` of it.
    ///
    /// # Errors
    ///
    /// Where an input has another shape or other elements than the captured one, the outputs do
    /// not fit `O`, or Burn cannot run an operation. The engine can be used again.
    pub fn run<I: GraphTensors, O: EngineOutput>(&self, input: I) -> Result<O, SparseError> {
        let mut given = Vec::new();
        input.data(&mut |data| given.push(data));
        O::from_data(self.run_data(given)?)
    }

    /// The same on data.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_data(&self, inputs: Vec<TensorData>) -> Result<Vec<TensorData>, SparseError> {
        let further = self.further(&inputs)?;
        self.check_inputs(&inputs, further)?;
        let floats = inputs.iter().map(|data| match data.dtype() {
            DType::F32 => data.as_slice::<f32>().unwrap_or(&[]),
            _ => &[],
        });
        let floats: Vec<&[f32]> = floats.collect();
        self.with_state(further, |engine, state| {
            for (port, data) in engine.plan.inputs.iter().zip(&inputs) {
                if let (Some(tensor), Some(burn)) = (port.tensor, state.burn()) {
                    burn.give(&engine.plan, tensor, data.clone());
                }
            }
            engine.steps(state, &floats)?;
            let outputs = engine.plan.outputs.iter();
            let outputs = outputs
                .map(|port| engine.output(state, port, further, &floats))
                .collect::<Result<Vec<_>, _>>()?;
            engine.forget(state);
            Ok(outputs)
        })
    }

    /// Runs on slices and writes to slices, for models whose inputs and outputs are all `f32`;
    /// after the first run of a `batch`, steps of the engine's own allocate nothing.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and where an input or output is not `f32`.
    pub fn run_into(
        &self,
        batch: usize,
        inputs: &[&[f32]],
        outputs: &mut [&mut [f32]],
    ) -> Result<(), SparseError> {
        let further = batch as isize - self.plan.batch as isize;
        self.check_batch(batch)?;
        self.check_slices(
            "input",
            &self.plan.inputs,
            inputs.iter().map(|x| x.len()),
            further,
        )?;
        let lens = outputs.iter().map(|y| y.len());
        self.check_slices("output", &self.plan.outputs, lens, further)?;
        self.with_state(further, |engine, state| {
            engine.steps(state, inputs)?;
            for (port, y) in engine.plan.outputs.iter().zip(outputs.iter_mut()) {
                match (port.buffer, port.tensor) {
                    (Some(buffer), _) => {
                        y.copy_from_slice(state.read(&engine.plan, buffer, inputs));
                    }
                    (None, Some(tensor)) => {
                        if let Some(burn) = state.burn() {
                            burn.take_floats(&engine.plan, tensor, y)?;
                        }
                    }
                    (None, None) => {}
                }
            }
            engine.forget(state);
            Ok(())
        })
    }

    /// What is done for each layer, why, and how long it takes: measured now, on inputs of zeros
    /// and the captured batch.
    ///
    /// # Errors
    ///
    /// Where Burn cannot run an operation.
    pub fn explain(&self) -> Result<Explanation, SparseError> {
        explain::explain(self)
    }

    /// Writes the engine to a file: the steps and the weights that are kept, not their packing,
    /// which is made anew for the machine that loads it. The file appears whole or not at all.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), SparseError> {
        file::save(self, path.as_ref())
    }

    /// Reads an engine that [`save`](Self::save) wrote; no model is needed. With one thread and
    /// the cost model of this machine; [`EngineConfig::load`] sets both.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, is damaged, or is of another kind or version.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SparseError> {
        EngineConfig::new().load(path)
    }

    /// Bytes of the packed weights and indices.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.layers.iter().map(Layer::bytes).sum()
    }

    /// Bytes of the activations and scratch memory of the runs so far, those of concurrent runs
    /// added up.
    #[must_use]
    pub fn run_bytes(&self) -> usize {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.iter().map(State::bytes).sum()
    }

    /// Bytes of the activations that live at the same time at the captured batch, at their most:
    /// what no placing can do without.
    #[must_use]
    pub fn activation_bytes(&self) -> usize {
        size_of::<f32>() * memory::least(&self.plan, 0).unwrap_or(0)
    }

    /// Whether batches of another size than the captured one run.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.plan.dynamic
    }

    /// Threads that a run uses.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Entries of the batch beyond the captured one.
    fn further(&self, inputs: &[TensorData]) -> Result<isize, SparseError> {
        let expected = self.plan.inputs.len();
        if inputs.len() != expected {
            return Err(SparseError::Inputs {
                what: "inputs",
                got: inputs.len(),
                expected,
            });
        }
        let Some(port) = self.plan.inputs.first() else {
            return Ok(0);
        };
        // The first dimension that follows the batch says how large it is.
        let sizes = port.shape.iter().zip(inputs[0].shape().iter());
        let further = sizes
            .filter(|(size, _)| size.more != 0)
            .map(|(size, &got)| (got as isize - size.captured as isize) / size.more)
            .next();
        Ok(further.unwrap_or(0))
    }

    fn check_batch(&self, batch: usize) -> Result<(), SparseError> {
        if batch == self.plan.batch || self.plan.dynamic {
            return Ok(());
        }
        Err(SparseError::Unsupported {
            what: format!("a batch of {batch}"),
            remedy: format!(
                "something in the model's forward pass depends on the size of the batch, so it \
                 runs with {} alone; compile it again for the other size",
                self.plan.batch
            ),
        })
    }

    fn check_inputs(&self, inputs: &[TensorData], further: isize) -> Result<(), SparseError> {
        for (nth, (port, data)) in self.plan.inputs.iter().zip(inputs).enumerate() {
            let got: Vec<usize> = data.shape().iter().copied().collect();
            let expected = shape_at(&port.shape, further);
            if expected.as_ref() != Some(&got) {
                let captured = shape_at(&port.shape, 0);
                let remedy = if self.plan.dynamic {
                    "; the batch may differ"
                } else {
                    "; the batch cannot differ, for something in the forward pass depends on it"
                };
                return Err(SparseError::Shape {
                    what: format!("input {nth}"),
                    got,
                    expected: format!("{:?}{remedy}", captured.unwrap_or_default()),
                });
            }
            if data.dtype() != port.dtype {
                return Err(SparseError::Element {
                    what: format!("input {nth}"),
                    got: format!("{:?}", data.dtype()),
                    expected: format!("{:?}", port.dtype),
                });
            }
        }
        Ok(())
    }

    fn check_slices(
        &self,
        what: &'static str,
        ports: &[Port],
        lens: impl ExactSizeIterator<Item = usize>,
        further: isize,
    ) -> Result<(), SparseError> {
        if lens.len() != ports.len() {
            return Err(SparseError::Inputs {
                what: if what == "input" { "inputs" } else { "outputs" },
                got: lens.len(),
                expected: ports.len(),
            });
        }
        for (nth, (port, len)) in ports.iter().zip(lens).enumerate() {
            if port.dtype != DType::F32 {
                return Err(SparseError::Element {
                    what: format!("{what} {nth}"),
                    got: format!("{:?}", port.dtype),
                    expected: "f32 (or call `run`)".into(),
                });
            }
            if elements(&port.shape, further) != Some(len) {
                return Err(SparseError::Shape {
                    what: format!("{what} {nth}"),
                    got: vec![len],
                    expected: format!(
                        "the elements of {:?}",
                        shape_at(&port.shape, further).unwrap_or_default()
                    ),
                });
            }
        }
        Ok(())
    }

    /// Runs `work` with a state out of the pool, on the engine's own threads.
    fn with_state<T: Send>(
        &self,
        further: isize,
        work: impl FnOnce(&Self, &mut State) -> Result<T, SparseError> + Send,
    ) -> Result<T, SparseError> {
        let mut state = self
            .states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
            .unwrap_or_else(|| State::new(self.scratch(), self.isa));
        let result = state
            .lay_out(&self.plan, further)
            .and_then(|()| match &self.pool {
                Some(pool) => pool.install(|| work(self, &mut state)),
                None => work(self, &mut state),
            });
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.push(state);
        result
    }

    fn scratch(&self) -> Scratch {
        let threads = if self.threads > 1 {
            Threads::Rayon
        } else {
            Threads::One
        };
        Scratch::new().with_threads(threads)
    }

    fn steps(&self, state: &mut State, inputs: &[&[f32]]) -> Result<(), SparseError> {
        for step in 0..self.plan.steps.len() {
            state.step(&self.plan, &self.layers, step, inputs)?;
        }
        Ok(())
    }

    fn output(
        &self,
        state: &mut State,
        port: &Port,
        further: isize,
        inputs: &[&[f32]],
    ) -> Result<TensorData, SparseError> {
        let shape = shape_at(&port.shape, further).unwrap_or_default();
        if let Some(buffer) = port.buffer {
            let values = state.read(&self.plan, buffer, inputs).to_vec();
            return Ok(TensorData::new(values, shape));
        }
        match (port.tensor, state.burn()) {
            (Some(tensor), Some(burn)) => Ok(burn.read(&self.plan, tensor)),
            _ => Ok(TensorData::new(Vec::<f32>::new(), [0])),
        }
    }

    /// Inputs of zeros, of the captured shapes.
    fn zeros(&self) -> Vec<TensorData> {
        let inputs = self.plan.inputs.iter();
        inputs
            .map(|port| {
                let shape = shape_at(&port.shape, 0).unwrap_or_default();
                TensorData::zeros::<f32, _>(shape).convert_dtype(port.dtype)
            })
            .collect()
    }

    /// Runs once, so that what Burn cannot run is found before somebody relies on it.
    fn try_out(&self) -> Result<(), SparseError> {
        self.run_data(self.zeros()).map(drop)
    }

    /// Has Burn forget outputs.
    fn forget(&self, state: &mut State) {
        if let Some(burn) = state.burn() {
            burn.clear(&self.plan);
        }
    }
}

impl fmt::Debug for SparseEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparseEngine")
            .field("layers", &self.layers.len())
            .field("steps", &self.plan.steps.len())
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
