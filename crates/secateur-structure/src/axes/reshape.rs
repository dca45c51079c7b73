//! The same places under other dimensions.

use super::{Axes, Dim, Mixed, product, sum};

impl Axes {
    /// A dimension as a product whose inner factor has `inner` places.
    ///
    /// # Errors
    ///
    /// Where axes would have to be cut across.
    pub fn factor(&mut self, dim: &Dim, inner: usize) -> Result<(Dim, Dim), Mixed> {
        let dim = self.resolve(dim);
        let size = self.size(&dim);
        if inner == 1 {
            return Ok((dim, Dim::one()));
        }
        if inner == size {
            return Ok((Dim::one(), dim));
        }
        if inner == 0 || !size.is_multiple_of(inner) {
            return Err(Mixed);
        }
        match dim {
            Dim::Axis(axis) => {
                let marks = self.axes[axis.0].marks.clone();
                let outer = Dim::Axis(self.add(size / inner, marks.clone()));
                let inner = Dim::Axis(self.add(inner, marks));
                self.bind(axis, Dim::Product(vec![outer.clone(), inner.clone()]));
                Ok((outer, inner))
            }
            Dim::Product(mut factors) => {
                let mut taken = Vec::new();
                let mut missing = inner;
                while missing > 1 {
                    let Some(last) = factors.pop() else {
                        return Err(Mixed);
                    };
                    let places = self.size(&last);
                    if missing.is_multiple_of(places) {
                        missing /= places;
                        taken.push(last);
                    } else if places.is_multiple_of(missing) {
                        let (outer, last) = self.factor(&last, missing)?;
                        factors.push(outer);
                        taken.push(last);
                        missing = 1;
                    } else {
                        return Err(Mixed);
                    }
                }
                taken.reverse();
                Ok((product(factors), product(taken)))
            }
            Dim::Sum(parts) => {
                let mut outer = Vec::with_capacity(parts.len());
                let mut shared: Option<Dim> = None;
                for part in parts {
                    let (factor, last) = self.factor(&part, inner)?;
                    outer.push(factor);
                    match &shared {
                        Some(shared) => self.equate(shared, &last)?,
                        None => shared = Some(last),
                    }
                }
                Ok((sum(outer), shared.unwrap_or_else(Dim::one)))
            }
        }
    }

    /// The dimensions of a reshaped tensor. Where they cut across the axes of the former ones,
    /// both are marked as mixed up.
    pub fn reshape(&mut self, dims: &[Dim], shape: &[usize]) -> Vec<Dim> {
        let sizes: Vec<usize> = dims.iter().map(|dim| self.size(dim)).collect();
        if shape.contains(&0) || sizes.contains(&0) {
            return self.mixed_up(dims, shape);
        }
        let mut reshaped = Vec::with_capacity(shape.len());
        let (mut from, mut to) = (0, 0);
        while from < dims.len() || to < shape.len() {
            // The shortest run of dimensions on both sides with equally many places.
            let (from_start, to_start) = (from, to);
            let (mut before, mut after) = (1, 1);
            if from < dims.len() && to < shape.len() {
                before = sizes[from];
                after = shape[to];
                (from, to) = (from + 1, to + 1);
            }
            while before != after || before == 1 {
                if before <= after && from < dims.len() {
                    before *= sizes[from];
                    from += 1;
                } else if after <= before && to < shape.len() {
                    after *= shape[to];
                    to += 1;
                } else {
                    break;
                }
            }
            let (old, new) = (&dims[from_start..from], &shape[to_start..to]);
            match self.refold(old, new) {
                Ok(folded) => reshaped.extend(folded),
                Err(Mixed) => reshaped.extend(self.mixed_up(old, new)),
            }
        }
        reshaped
    }

    fn refold(&mut self, old: &[Dim], new: &[usize]) -> Result<Vec<Dim>, Mixed> {
        if let ([dim], [size]) = (old, new)
            && self.size(dim) == *size
        {
            return Ok(vec![dim.clone()]);
        }
        let mut rest = product(old.to_vec());
        if new.is_empty() {
            // What loses its dimension has one place, and that has to stay.
            self.mix(&rest);
        }
        let mut folded = Vec::with_capacity(new.len());
        // Of several dimensions of one place the first real one takes what has one place too.
        let outermost = new.iter().position(|&size| size > 1).unwrap_or(0);
        for (nth, &size) in new.iter().enumerate().rev() {
            if nth == outermost {
                folded.push(rest);
                rest = Dim::one();
                continue;
            }
            let (outer, inner) = self.factor(&rest, size)?;
            folded.push(inner);
            rest = outer;
        }
        folded.reverse();
        let fits = folded.iter().zip(new).all(|(dim, &n)| self.size(dim) == n);
        if fits { Ok(folded) } else { Err(Mixed) }
    }

    fn mixed_up(&mut self, dims: &[Dim], shape: &[usize]) -> Vec<Dim> {
        for dim in dims {
            self.mix(dim);
        }
        let mut new = Vec::with_capacity(shape.len());
        for &size in shape {
            let dim = self.fresh(size);
            self.mix(&dim);
            new.push(dim);
        }
        new
    }
}
