//! One run: memory, and the steps on it.

use std::ops::Range;

use secateur_kernels::{Isa, Layout, Scratch, softmax};

use super::burn_side::BurnSide;
use super::layer::{Layer, Packed};
use super::memory::{LINE, Places};
use super::plan::{BufferId, Home, Plan, Step, shape_at};
use super::product::{Product, epilogue};
use super::{elementwise, pool, rows, strided};
use crate::error::SparseError;

/// What a run needs beside the packed weights; kept from run to run, so that those of one size of
/// the batch allocate nothing after the first.
pub(crate) struct State {
    /// The size of the batch that all is laid out for.
    further: Option<isize>,
    places: Places,
    /// The shape of each buffer.
    shapes: Vec<Vec<usize>>,
    memory: Vec<f32>,
    scratch: Scratch,
    isa: Isa,
    burn: Option<BurnSide>,
}

impl State {
    pub(crate) fn new(scratch: Scratch, isa: Isa) -> Self {
        Self {
            further: None,
            places: Places::default(),
            shapes: Vec::new(),
            memory: Vec::new(),
            scratch,
            isa,
            burn: None,
        }
    }

    /// Lays everything out for a batch of `further` entries more than the captured one.
    pub(crate) fn lay_out(&mut self, plan: &Plan, further: isize) -> Result<(), SparseError> {
        if self.further == Some(further) {
            return Ok(());
        }
        let too_large = || SparseError::Unsupported {
            what: format!("a batch of {}", plan.batch as isize + further),
            remedy: "a tensor of the model would have no size then, or one beyond the memory's; \
                     give another batch"
                .into(),
        };
        self.further = None;
        self.places = Places::of(plan, further).ok_or_else(too_large)?;
        let shapes = plan.buffers.iter();
        self.shapes = shapes
            .map(|buffer| shape_at(&buffer.shape, further).ok_or_else(too_large))
            .collect::<Result<_, _>>()?;
        self.memory.resize(self.places.len + LINE, 0.0);
        self.burn = BurnSide::of(plan, further);
        self.further = Some(further);
        Ok(())
    }

    /// Bytes of activations and of what the kernels need beside them.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.memory.as_slice()) + self.scratch.bytes()
    }

    pub(crate) fn burn(&mut self) -> Option<&mut BurnSide> {
        self.burn.as_mut()
    }

    /// Runs a step.
    pub(crate) fn step(
        &mut self,
        plan: &Plan,
        layers: &[Layer],
        at: usize,
        inputs: &[&[f32]],
    ) -> Result<(), SparseError> {
        let step = &plan.steps[at];
        if let Some(burn) = &mut self.burn {
            match step {
                Step::Burn { name, .. } => return burn.run(plan, at, name),
                Step::Drop { tensor } => {
                    burn.forget(plan, *tensor);
                    return Ok(());
                }
                _ => {}
            }
        }
        let base = base_of(&self.memory);
        let memory = &mut self.memory[base..base + self.places.len];
        if let Step::Give { x, tensor } = step {
            let x = match owner(plan, *x) {
                Home::Input(nth) => inputs[nth],
                Home::Memory | Home::Alias(_) => &memory[self.places.range(plan, *x)],
            };
            if let Some(burn) = &mut self.burn {
                burn.give_floats(plan, *tensor, x);
            }
            return Ok(());
        }
        let Some(written) = step.writes() else {
            return Ok(());
        };
        let (y, rest) = cut(memory, self.places.range(plan, written));
        let from = Operands {
            plan,
            places: &self.places,
            inputs,
            rest,
        };
        let shape = |buffer: BufferId| self.shapes[buffer].as_slice();
        match step {
            Step::Take { tensor, .. } => {
                if let Some(burn) = &mut self.burn {
                    burn.take_floats(plan, *tensor, y)?;
                }
            }
            Step::Product {
                weight, x, tail, ..
            } => {
                let layer = &layers[*weight];
                if let Packed::Matrix(matrix) = &layer.packed {
                    let product = Product {
                        matrix,
                        layouts: [lie_of(plan, *x), lie_of(plan, written)],
                        tail,
                        residual: tail.residual.map(|residual| from.get(residual)),
                    };
                    let done = product.run(from.get(*x), y, &mut self.scratch);
                    done.map_err(|source| layer.failed(source))?;
                }
            }
            Step::Conv {
                weight, x, tail, ..
            } => {
                let layer = &layers[*weight];
                if let Packed::Conv(conv) = &layer.packed {
                    let batch = shape(*x).first().copied().unwrap_or(0);
                    let image = image_of(shape(*x));
                    let residual = tail.residual.map(|residual| from.get(residual));
                    let tail = epilogue(tail, residual);
                    let done = conv.forward(from.get(*x), batch, image, y, tail, &mut self.scratch);
                    done.map_err(|source| layer.failed(source))?;
                }
            }
            Step::Affine {
                x, scale, shift, ..
            } => {
                from.copy(*x, y);
                let pixels = shape(*x).iter().skip(2).product();
                elementwise::affine(y, scale, shift, pixels);
            }
            Step::Unary { of, x, .. } => {
                from.copy(*x, y);
                of.apply(y);
            }
            Step::Binary { of, x: [a, b], .. } => {
                from.copy(*a, y);
                of.apply(y, from.get(*b));
            }
            Step::Pool { pooling, x, .. } => {
                let sizes = pool::Sizes {
                    x: image_of(shape(*x)),
                    y: image_of(shape(written)),
                };
                pool::pool(*pooling, sizes, from.get(*x), y);
            }
            Step::Slice { parts, x, .. } => {
                strided::slice(parts, shape(*x), shape(written), from.get(*x), y);
            }
            Step::Fill { value, .. } => y.fill(*value),
            Step::Concat { dim, x, .. } => {
                let after: usize = shape(written).iter().skip(dim + 1).product();
                let all = shape(written)[*dim] * after;
                let mut first = 0;
                for &x in x {
                    let part = shape(x)[*dim] * after;
                    strided::place(from.get(x), part, y, all, first);
                    first += part;
                }
            }
            Step::Pad {
                before, value, x, ..
            } => {
                let (inner, outer) = (shape(*x), shape(written));
                strided::pad(before, *value, inner, outer, from.get(*x), y);
            }
            Step::Softmax { log, x, .. } => {
                from.copy(*x, y);
                let width = shape(*x).last().copied().unwrap_or(1);
                softmax(self.isa, y, width, *log);
            }
            Step::LayerNorm {
                x,
                scale,
                shift,
                epsilon,
                ..
            } => {
                from.copy(*x, y);
                rows::layer_norm(y, scale, shift.as_deref(), *epsilon);
            }
            Step::Give { .. } | Step::Burn { .. } | Step::Drop { .. } => {}
        }
        Ok(())
    }

    /// The elements of a buffer.
    pub(crate) fn read<'a>(
        &'a self,
        plan: &Plan,
        buffer: BufferId,
        inputs: &[&'a [f32]],
    ) -> &'a [f32] {
        match owner(plan, buffer) {
            Home::Input(nth) => inputs[nth],
            Home::Memory | Home::Alias(_) => {
                let range = self.places.range(plan, buffer);
                let base = base_of(&self.memory);
                &self.memory[base + range.start..base + range.end]
            }
        }
    }
}

/// Floats until the first cache line.
fn base_of(memory: &[f32]) -> usize {
    memory.as_ptr().align_offset(64).min(LINE)
}

/// Whose elements a buffer has.
fn owner(plan: &Plan, buffer: BufferId) -> Home {
    match plan.buffers[buffer].home {
        Home::Alias(of) => plan.buffers[of].home,
        home => home,
    }
}

/// How the elements of a buffer lie, as the rows of a product's operand.
fn lie_of(plan: &Plan, buffer: BufferId) -> Layout {
    let owner = match plan.buffers[buffer].home {
        Home::Alias(of) => of,
        Home::Input(_) | Home::Memory => buffer,
    };
    if plan.buffers[owner].feature_major {
        Layout::FeatureMajor
    } else {
        Layout::BatchMajor
    }
}

/// Height and width of `[batch, channels, width]` or `[batch, channels, height, width]`.
fn image_of(shape: &[usize]) -> [usize; 2] {
    match *shape {
        [_, _, width] => [1, width],
        [_, _, height, width] => [height, width],
        _ => [0, 0],
    }
}

/// Memory without the part that a step writes.
#[derive(Clone, Copy)]
struct Rest<'a> {
    before: &'a [f32],
    written: (usize, usize),
    after: &'a [f32],
}

fn cut(memory: &mut [f32], written: Range<usize>) -> (&mut [f32], Rest<'_>) {
    let (before, others) = memory.split_at_mut(written.start);
    let (y, after) = others.split_at_mut(written.len());
    let rest = Rest {
        before,
        written: (written.start, written.end),
        after,
    };
    (y, rest)
}

/// What a step reads.
#[derive(Clone, Copy)]
struct Operands<'a> {
    plan: &'a Plan,
    places: &'a Places,
    inputs: &'a [&'a [f32]],
    rest: Rest<'a>,
}

impl<'a> Operands<'a> {
    /// The elements of a buffer; nothing where they are what the step writes.
    fn get(&self, buffer: BufferId) -> &'a [f32] {
        if let Home::Input(nth) = owner(self.plan, buffer) {
            return self.inputs[nth];
        }
        let range = self.places.range(self.plan, buffer);
        let (start, end) = self.rest.written;
        if range.end <= start {
            &self.rest.before[range]
        } else if range.start >= end {
            &self.rest.after[range.start - end..range.end - end]
        } else {
            &[]
        }
    }

    /// Copies a buffer to where the step writes, unless it is there.
    fn copy(&self, buffer: BufferId, y: &mut [f32]) {
        let x = self.get(buffer);
        if x.len() == y.len() {
            y.copy_from_slice(x);
        }
    }
}
