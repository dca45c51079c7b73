//! Weights packed for the CPU kernels, kept from call to call.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Bytes;
use secateur_kernels::{
    ConvGeometry, ConvHint, Epilogue, Hint, KernelError, Layout, Scratch, SparseConv, SparseMatrix,
    Threads, TrainingMatrix,
};

use super::structure::Structure;

/// Columns up to which other formats are fastest than for a batch.
const FEW: usize = 8;

/// The batch that formats for many columns are chosen for.
const MANY: usize = 64;

/// Multiply-adds from which a product is shared between threads.
const SHARED_WORK: usize = 1 << 18;

/// The values of a sparse weight: one for each kept weight.
#[derive(Debug)]
pub(super) struct Values<'a> {
    pub(super) slice: &'a [f32],
    /// What the slice is borrowed from, where the backend shares it by reference count. Who holds
    /// a count knows that nobody writes to it, and so that the same address has the same values.
    pub(super) owner: Option<Arc<Bytes>>,
}

/// The values that something was packed with.
#[derive(Debug)]
enum Stamp {
    Owner { owner: Arc<Bytes>, address: usize },
    Copy(Vec<f32>),
}

impl Stamp {
    fn of(values: &Values<'_>) -> Self {
        match &values.owner {
            Some(owner) => Self::Owner {
                owner: Arc::clone(owner),
                address: values.slice.as_ptr().addr(),
            },
            None => Self::Copy(values.slice.to_vec()),
        }
    }

    fn is(&self, values: &Values<'_>) -> bool {
        match (self, &values.owner) {
            (Self::Owner { owner, address }, Some(other)) => {
                Arc::ptr_eq(owner, other) && *address == values.slice.as_ptr().addr()
            }
            (Self::Copy(copy), None) => {
                let bits = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
                copy.len() == values.slice.len() && copy.iter().zip(values.slice).all(bits)
            }
            _ => false,
        }
    }
}

/// Something packed, and the values it was packed with.
#[derive(Debug)]
struct Packed<M> {
    packed: Arc<M>,
    stamp: Stamp,
}

/// What the weights of one structure are packed into. All is made when it is first asked for.
#[derive(Debug, Default)]
pub(super) struct Packings {
    products: Mutex<Products>,
    conv: Mutex<Option<Packed<SparseConv>>>,
}

#[derive(Debug, Default)]
struct Products {
    /// For products with few columns, of values that stay.
    few: Option<Packed<SparseMatrix>>,
    /// For products with many columns, before there is a training matrix.
    many: Option<Packed<SparseMatrix>>,
    /// From the first gradient on.
    training: Option<Packed<TrainingMatrix>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Product {
    Plain(Arc<SparseMatrix>),
    Training(Arc<TrainingMatrix>),
}

impl Products {
    /// The packing for a product with `n` columns.
    fn forward(
        &mut self,
        structure: &Structure,
        values: &Values<'_>,
        n: usize,
    ) -> Result<Product, KernelError> {
        // While values change with every step, only the training matrix follows them.
        if let Some(training) = &self.training
            && (n > FEW || !training.stamp.is(values))
        {
            return self.training(structure, values).map(Product::Training);
        }
        let (slot, hint) = if n > FEW {
            (&mut self.many, Hint::batch(MANY))
        } else {
            (&mut self.few, Hint::batch(n.max(1)))
        };
        match slot {
            Some(held) if held.stamp.is(values) => Ok(Product::Plain(Arc::clone(&held.packed))),
            _ => {
                let matrix = SparseMatrix::pack_csr(&structure.csr(values.slice)?, &hint)?;
                let packed = Arc::new(matrix);
                *slot = Some(Packed {
                    packed: Arc::clone(&packed),
                    stamp: Stamp::of(values),
                });
                Ok(Product::Plain(packed))
            }
        }
    }

    /// The packing for gradients.
    fn training(
        &mut self,
        structure: &Structure,
        values: &Values<'_>,
    ) -> Result<Arc<TrainingMatrix>, KernelError> {
        let packed = match self.training.take() {
            Some(held) if held.stamp.is(values) => {
                let packed = Arc::clone(&held.packed);
                self.training = Some(held);
                return Ok(packed);
            }
            Some(Packed { mut packed, .. }) => {
                // A copy only where another thread is still multiplying with the old values.
                Arc::make_mut(&mut packed).set_values(values.slice)?;
                packed
            }
            None => {
                let csr = structure.csr(values.slice)?;
                let hint = Hint::batch(MANY);
                let transposed = hint.choose(&csr.transposed().0)?.format();
                let format = hint.choose(&csr)?.format();
                // It serves the products with many columns from now on.
                self.many = None;
                Arc::new(TrainingMatrix::new(csr, format, transposed)?)
            }
        };
        self.training = Some(Packed {
            packed: Arc::clone(&packed),
            stamp: Stamp::of(values),
        });
        Ok(packed)
    }
}

thread_local! {
    static SCRATCH: Cell<Option<Scratch>> = const { Cell::new(None) };
}

/// Lends this thread's scratch. A call that runs inside another one, as work stolen by a thread of
/// the pool may, finds none and makes its own.
fn with_scratch<T>(work: usize, call: impl FnOnce(&mut Scratch) -> T) -> T {
    let threads = if work >= SHARED_WORK {
        Threads::Rayon
    } else {
        Threads::One
    };
    let mut scratch = SCRATCH.take().unwrap_or_default().with_threads(threads);
    let result = call(&mut scratch);
    SCRATCH.set(Some(scratch));
    result
}

fn epilogue(bias: Option<&[f32]>) -> Epilogue<'_> {
    bias.map_or_else(Epilogue::none, Epilogue::bias)
}

impl Structure {
    /// `W x + bias` for `n` columns `x` in `layout`, in the same layout.
    pub(super) fn product(
        &self,
        x: &[f32],
        n: usize,
        layout: Layout,
        values: &Values<'_>,
        bias: Option<&[f32]>,
    ) -> Result<Vec<f32>, KernelError> {
        let product = lock(&self.packings.products).forward(self, values, n)?;
        let mut y = vec![0.0; self.shape()[0] * n];
        with_scratch(self.nnz() * n, |scratch| match product {
            Product::Plain(matrix) => {
                matrix.multiply(x, n, layout, &mut y, &epilogue(bias), scratch)
            }
            Product::Training(matrix) => {
                matrix.forward(x, n, layout, &mut y, epilogue(bias), scratch)
            }
        })?;
        Ok(y)
    }

    /// `Wᵀ dy` for `n` columns.
    pub(super) fn input_gradient(
        &self,
        dy: &[f32],
        n: usize,
        layout: Layout,
        values: &Values<'_>,
    ) -> Result<Vec<f32>, KernelError> {
        let matrix = lock(&self.packings.products).training(self, values)?;
        let mut dx = vec![0.0; self.shape()[1] * n];
        with_scratch(self.nnz() * n, |scratch| {
            matrix.input_gradient(dy, n, layout, &mut dx, scratch)
        })?;
        Ok(dx)
    }

    /// `dy[row] . x[column]` over `n` columns, for each kept weight.
    pub(super) fn value_gradient(
        &self,
        dy: &[f32],
        x: &[f32],
        n: usize,
        layout: Layout,
        values: &Values<'_>,
    ) -> Result<Vec<f32>, KernelError> {
        let matrix = lock(&self.packings.products).training(self, values)?;
        let mut gradient = vec![0.0; self.nnz()];
        with_scratch(self.nnz() * n, |scratch| {
            matrix.weight_gradient(dy, x, n, layout, &mut gradient, scratch)
        })?;
        Ok(gradient)
    }

    /// The convolution of a batch of images; `output` is their height and width after it.
    pub(super) fn convolution(
        &self,
        x: &[f32],
        [batch, height, width]: [usize; 3],
        output: [usize; 2],
        values: &Values<'_>,
        bias: Option<&[f32]>,
        geometry: &ConvGeometry,
    ) -> Result<Vec<f32>, KernelError> {
        let image = [height, width];
        let conv = self.packed_convolution(values, geometry, image)?;
        let pixels = output[0] * output[1];
        let mut y = vec![0.0; batch * self.shape()[0] * pixels];
        with_scratch(self.nnz() * batch * pixels, |scratch| {
            conv.forward(x, batch, image, &mut y, epilogue(bias), scratch)
        })?;
        Ok(y)
    }

    fn packed_convolution(
        &self,
        values: &Values<'_>,
        geometry: &ConvGeometry,
        image: [usize; 2],
    ) -> Result<Arc<SparseConv>, KernelError> {
        let mut slot = lock(&self.packings.conv);
        let packed = match slot.take() {
            Some(held) if held.packed.geometry() == geometry => {
                if held.stamp.is(values) {
                    let packed = Arc::clone(&held.packed);
                    *slot = Some(held);
                    return Ok(packed);
                }
                let mut packed = held.packed;
                Arc::make_mut(&mut packed).update_values(&self.csr(values.slice)?)?;
                packed
            }
            _ => {
                let csr = self.csr(values.slice)?;
                Arc::new(SparseConv::pack_csr(
                    &csr,
                    geometry,
                    &ConvHint::image(image),
                )?)
            }
        };
        *slot = Some(Packed {
            packed: Arc::clone(&packed),
            stamp: Stamp::of(values),
        });
        Ok(packed)
    }
}
