//! Products: what is summed over, and what is left.

use secateur_graph::OpId;

use super::Tracer;
use crate::axes::Dim;
use crate::coupling::reason::{Change, Pin};

impl Tracer<'_> {
    /// `[.., in]` times `[in, out]`, plus `[out]`.
    pub(super) fn linear(&mut self, inputs: &[Vec<Dim>]) -> Vec<Dim> {
        let mut dims = inputs[0].clone();
        if let Some(features) = dims.pop() {
            self.equate(&features, &inputs[1][0]);
        }
        if let Some(bias) = inputs.get(2) {
            self.equate(&inputs[1][1], &bias[0]);
        }
        dims.push(inputs[1][1].clone());
        dims
    }

    pub(super) fn matmul(&mut self, inputs: &[Vec<Dim>], shape: &[usize]) -> Vec<Dim> {
        let (mut a, mut b) = (inputs[0].clone(), inputs[1].clone());
        let (Some(k), Some(n)) = (a.pop(), b.pop()) else {
            return self.fresh(shape);
        };
        let (Some(m), Some(other_k)) = (a.pop(), b.pop()) else {
            return self.fresh(shape);
        };
        self.equate(&k, &other_k);
        let outer = shape.get(..shape.len().saturating_sub(2)).unwrap_or(&[]);
        let mut dims = self.broadcast(&[a, b], outer);
        dims.extend([m, n]);
        dims
    }

    /// x `[batch, in, ..]`; weight `[out, in / groups, ..]`, or `[in, out / groups, ..]` for a
    /// transposed convolution.
    pub(super) fn convolution(
        &mut self,
        id: OpId,
        inputs: &[Vec<Dim>],
        shape: &[usize],
        groups: usize,
        transposed: bool,
        positions: Pin,
    ) -> Vec<Dim> {
        let (x, weight) = (&inputs[0], &inputs[1]);
        for kernel in &weight[2..] {
            self.pin(kernel, positions.clone());
        }
        let mut dims = self.windows(x, shape, positions);
        // Weights of both kinds hold all groups in their first dimension, one group in their second.
        let mut channels = weight[1].clone();
        if groups > 1 {
            let one_group = self.axes.size(&weight[0]) / groups;
            match self.axes.factor(&weight[0], one_group) {
                Ok((group, _)) => {
                    channels = Dim::Product(vec![group.clone(), weight[1].clone()]);
                    self.groups.push((id, group));
                }
                Err(_) => {
                    self.axes.mix_both(&weight[0], &weight[1]);
                    channels = self.axes.fresh(groups * self.axes.size(&weight[1]));
                    self.axes.mix_both(&channels, &x[1]);
                }
            }
        }
        let (into, out) = match transposed {
            false => (channels, weight[0].clone()),
            true => (weight[0].clone(), channels),
        };
        self.equate(&x[1], &into);
        if let Some(bias) = inputs.get(2) {
            self.equate(&out, &bias[0]);
        }
        dims[1] = out;
        dims
    }

    /// Query, key and value `[batch, heads, length, width]`, perhaps a mask and a bias.
    pub(super) fn attention(&mut self, id: OpId, name: String, inputs: &[Vec<Dim>]) -> Vec<Dim> {
        let (query, key, value) = (&inputs[0], &inputs[1], &inputs[2]);
        for nth in 0..2 {
            self.equate(&query[nth], &key[nth]);
            self.equate(&query[nth], &value[nth]);
        }
        self.equate(&key[2], &value[2]);
        self.equate(&query[3], &key[3]);
        self.changes(&query[3], Change::Scale(id, name.clone()));
        self.changes(&key[2], Change::Shares(id, name));
        for scores in &inputs[3..] {
            let whole = [
                query[0].clone(),
                query[1].clone(),
                query[2].clone(),
                key[2].clone(),
            ];
            let sizes = whole
                .iter()
                .map(|dim| self.axes.size(dim))
                .collect::<Vec<_>>();
            self.broadcast(&[whole.to_vec(), scores.clone()], &sizes);
        }
        vec![
            query[0].clone(),
            query[1].clone(),
            query[2].clone(),
            value[3].clone(),
        ]
    }
}
