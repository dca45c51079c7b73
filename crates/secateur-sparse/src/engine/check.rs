//! Whether a plan from a file can be run without looking past the end of anything.

use super::layer::{Layer, Packed};
use super::plan::{Home, Plan, Size, Step, elements};

/// The elements of a shape at the captured batch and at a larger one: equal at both, they are equal
/// wherever one size alone follows the batch.
fn counts(shape: &[Size]) -> Option<[usize; 2]> {
    Some([elements(shape, 0)?, elements(shape, 1)?])
}

impl Plan {
    /// Says what does not fit.
    pub(crate) fn check(&self, layers: &[Layer]) -> Result<(), String> {
        let buffers = self.buffers.len();
        for (at, buffer) in self.buffers.iter().enumerate() {
            let fits = match buffer.home {
                Home::Alias(of) => {
                    of < buffers
                        && !matches!(self.buffers[of].home, Home::Alias(_))
                        && counts(&self.buffers[of].shape) == counts(&buffer.shape)
                }
                Home::Input(nth) => nth < self.inputs.len(),
                Home::Memory => true,
            };
            if !fits || counts(&buffer.shape).is_none() {
                return Err(format!("buffer {at} contradicts itself"));
            }
        }
        for (at, step) in self.steps.iter().enumerate() {
            let touched = step.reads().into_iter().chain(step.writes());
            if touched.into_iter().any(|buffer| buffer >= buffers) {
                return Err(format!("step {at} uses a buffer that is not there"));
            }
            if !self.step_fits(step, layers) {
                return Err(format!("step {at} does not fit what it works on"));
            }
        }
        let ports = self.inputs.iter().chain(&self.outputs);
        for port in ports {
            let fits = port.buffer.is_none_or(|buffer| buffer < buffers)
                && port.tensor.is_none_or(|tensor| tensor < self.tensors.len());
            if !fits {
                return Err("an input or output is not there".into());
            }
        }
        Ok(())
    }

    fn step_fits(&self, step: &Step, layers: &[Layer]) -> bool {
        let rank = |buffer: usize| self.buffers[buffer].shape.len();
        let len = |buffer: usize| counts(&self.buffers[buffer].shape);
        let last = |buffer: usize| self.buffers[buffer].shape.last().map(|size| size.captured);
        match step {
            Step::Product { weight, .. } => layers
                .get(*weight)
                .is_some_and(|layer| matches!(layer.packed, Packed::Matrix(_))),
            Step::Conv { weight, x, .. } => {
                let layer = layers.get(*weight);
                layer.is_some_and(|layer| matches!(layer.packed, Packed::Conv(_)))
                    && matches!(rank(*x), 3 | 4)
            }
            Step::Affine { x, y, scale, shift } => {
                let channels = self.buffers[*x].shape.get(1).map(|size| size.captured);
                scale.len() == shift.len() && channels == Some(scale.len()) && len(*x) == len(*y)
            }
            Step::Unary { x, y, .. } | Step::Softmax { x, y, .. } => len(*x) == len(*y),
            Step::LayerNorm {
                x, y, scale, shift, ..
            } => {
                let shift = shift
                    .as_ref()
                    .is_none_or(|shift| shift.len() == scale.len());
                len(*x) == len(*y) && last(*x) == Some(scale.len()) && shift
            }
            Step::Binary { x, y, .. } => x.iter().all(|&x| len(x) == len(*y)),
            Step::Pool { x, y, .. } => matches!(rank(*x), 3 | 4) && rank(*x) == rank(*y),
            Step::Slice { parts, x, y } => {
                let inside = parts.iter().enumerate().all(|(axis, part)| {
                    let sizes = [*x, *y].map(|b| self.buffers[b].shape[axis].captured);
                    let [from, to] = sizes;
                    part.step > 0 && (to == 0 || part.start + part.step * (to - 1) < from)
                });
                parts.len() == rank(*x) && rank(*x) == rank(*y) && inside
            }
            Step::Fill { .. } => true,
            Step::Concat { dim, x, y } => {
                let size = |buffer: usize| {
                    let shape = &self.buffers[buffer].shape;
                    shape.get(*dim).map_or(0, |size| size.captured)
                };
                let whole = x.iter().try_fold([0_usize; 2], |sum, &x| {
                    let [captured, larger] = len(x)?;
                    Some([sum[0].checked_add(captured)?, sum[1].checked_add(larger)?])
                });
                *dim < rank(*y)
                    && x.iter().all(|&x| rank(x) == rank(*y))
                    && x.iter().map(|&x| size(x)).sum::<usize>() == size(*y)
                    && whole == len(*y)
            }
            Step::Pad { before, x, y, .. } => {
                let inside = before.iter().enumerate().all(|(axis, before)| {
                    let sizes = [*x, *y].map(|b| self.buffers[b].shape[axis].captured);
                    let [from, to] = sizes;
                    before + from <= to
                });
                before.len() == rank(*x) && rank(*x) == rank(*y) && inside
            }
            Step::Give { tensor, .. } | Step::Take { tensor, .. } | Step::Drop { tensor } => {
                *tensor < self.tensors.len()
            }
            Step::Burn { .. } => true,
        }
    }
}
