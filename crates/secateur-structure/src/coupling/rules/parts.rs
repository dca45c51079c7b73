//! Parts of dimensions: cut out, put together, repeated, padded.

use secateur_graph::{Element, OpKind, Operation, Source, Span, ValueId};

use super::Tracer;
use crate::axes::Dim;
use crate::coupling::reason::Pin;

impl Tracer<'_> {
    pub(super) fn expand(&mut self, x: &[Dim], shape: &[usize]) -> Vec<Dim> {
        let added = shape.len().saturating_sub(x.len());
        let mut dims = Vec::with_capacity(shape.len());
        for (nth, &size) in shape.iter().enumerate() {
            let old = nth.checked_sub(added).map(|nth| x[nth].clone());
            dims.push(match old {
                Some(dim) if self.axes.size(&dim) == size => dim,
                Some(dim) => {
                    // Its only place serves all the new ones.
                    self.axes.mix_both(&dim, &dim);
                    self.axes.fresh(size)
                }
                None => self.axes.fresh(size),
            });
        }
        dims
    }

    pub(super) fn slice(
        &mut self,
        source: ValueId,
        x: &[Dim],
        spans: &[Span],
        positions: &Pin,
    ) -> Vec<Dim> {
        let mut dims = x.to_vec();
        for (nth, span) in spans.iter().enumerate() {
            let size = self.axes.size(&x[nth]);
            if (span.start, span.end, span.step) == (0, size, 1) {
                continue;
            }
            let places: Vec<usize> = match span.step {
                step if step > 0 => (span.start..span.end).step_by(step as usize).collect(),
                step => (span.start..span.end)
                    .rev()
                    .step_by(step.unsigned_abs())
                    .collect(),
            };
            dims[nth] = self.pick(&x[nth], &places, positions);
            if span.step == 1 && !self.is_pinned(&x[nth]) {
                self.cuts.push((source, nth, span.start, dims[nth].clone()));
            }
        }
        dims
    }

    pub(super) fn concat(
        &mut self,
        dim: usize,
        operation: &Operation,
        inputs: &[Vec<Dim>],
        made: Pin,
    ) -> Vec<Dim> {
        let mut dims = inputs[0].clone();
        let mut parts = Vec::with_capacity(inputs.len());
        for (&value, input) in operation.inputs.iter().zip(inputs) {
            for (nth, other) in input.iter().enumerate() {
                if nth == dim {
                    parts.push(other.clone());
                } else {
                    let first = dims[nth].clone();
                    self.equate(&first, other);
                }
            }
            // Padding: how many places it has is `forward`'s own doing.
            if self.is_made(value) {
                self.pin(&input[dim], made.clone());
            }
        }
        dims[dim] = match parts.iter().all(|part| self.is_pinned(part)) {
            true => {
                let size = parts.iter().map(|part| self.axes.size(part)).sum();
                self.fresh_pinned(size, made)
            }
            false => Dim::Sum(parts),
        };
        dims
    }

    pub(super) fn is_made(&self, value: ValueId) -> bool {
        let value = self.graph.value(value);
        let is_float = matches!(value.element, Element::Float(_));
        match &value.source {
            Source::Constant => is_float,
            Source::Operation(op) => {
                matches!(self.graph.operation(*op).kind, OpKind::Create { .. })
            }
            Source::Input(_) | Source::Parameter(_) => false,
        }
    }

    pub(super) fn pick(&mut self, dim: &Dim, places: &[usize], pin: &Pin) -> Dim {
        // What stays whole anyway need not be taken to pieces.
        if self.is_pinned(dim) {
            return self.fresh_pinned(places.len(), pin.clone());
        }
        self.axes.pick(dim, places)
    }

    pub(super) fn padded(&mut self, dim: &Dim, before: usize, after: usize, pin: &Pin) -> Dim {
        if self.is_pinned(dim) {
            let size = before + self.axes.size(dim) + after;
            return self.fresh_pinned(size, pin.clone());
        }
        let mut parts = Vec::new();
        if before > 0 {
            parts.push(self.fresh_pinned(before, pin.clone()));
        }
        parts.push(dim.clone());
        if after > 0 {
            parts.push(self.fresh_pinned(after, pin.clone()));
        }
        Dim::Sum(parts)
    }

    /// A dimension that is cut into parts of one size is cut so again when it is smaller: `chunk`
    /// divides what it finds. So each part has to lose the same places.
    pub(super) fn equal_parts(&mut self) {
        let mut cuts = std::mem::take(&mut self.cuts);
        cuts.sort_by_key(|&(value, dim, start, _)| (value, dim, start));
        cuts.dedup_by_key(|cut| (cut.0, cut.1, cut.2));
        for parts in cuts.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (value, dim, ..) = parts[0];
            let size = self.axes.size(&parts[0].3);
            let whole = self.shape(value)[dim];
            let even = parts.len() > 1
                && size * parts.len() == whole
                && (parts.iter().enumerate()).all(|(nth, part)| part.2 == nth * size);
            if even {
                for part in &parts[1..] {
                    self.equate(&parts[0].3, &part.3);
                }
            }
        }
    }
}
