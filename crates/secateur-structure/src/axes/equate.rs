//! Saying that two dimensions are the same, place by place.

use super::{Axes, Dim, Mixed, product};

impl Axes {
    /// Says that two dimensions are the same place by place, by finding out what their axes are
    /// made of.
    ///
    /// # Errors
    ///
    /// Where sizes differ, or where sums and products of the one cut through those of the other.
    /// What was found until then stays.
    pub fn equate(&mut self, a: &Dim, b: &Dim) -> Result<(), Mixed> {
        let (a, b) = (self.resolve(a), self.resolve(b));
        if a == b {
            return Ok(());
        }
        if self.size(&a) != self.size(&b) {
            return Err(Mixed);
        }
        match (a, b) {
            (Dim::Axis(a), Dim::Axis(b)) => {
                let (first, second) = (a.min(b), a.max(b));
                self.bind(second, Dim::Axis(first));
                Ok(())
            }
            (Dim::Axis(axis), other) | (other, Dim::Axis(axis)) => {
                if self.axes_of(&other).contains(&axis) {
                    // Times places that are always there: those have to be so.
                    self.mix(&other);
                } else {
                    self.bind(axis, other);
                }
                Ok(())
            }
            (Dim::Product(a), Dim::Product(b)) => self.equate_products(a, b),
            (a @ Dim::Sum(_), b) | (a, b @ Dim::Sum(_)) => self.equate_parts(a, b),
        }
    }

    /// Factors from the innermost on.
    fn equate_products(&mut self, mut a: Vec<Dim>, mut b: Vec<Dim>) -> Result<(), Mixed> {
        while let (Some(last_a), Some(last_b)) = (a.pop(), b.pop()) {
            let (size_a, size_b) = (self.size(&last_a), self.size(&last_b));
            if size_a < size_b {
                let (outer, inner) = self.factor(&last_b, size_a)?;
                self.equate(&last_a, &inner)?;
                b.push(outer);
            } else if size_b < size_a {
                let (outer, inner) = self.factor(&last_a, size_b)?;
                self.equate(&last_b, &inner)?;
                a.push(outer);
            } else {
                self.equate(&last_a, &last_b)?;
            }
        }
        // Whatever is left has one place.
        let left = product(a.into_iter().chain(b).collect());
        self.mix(&left);
        Ok(())
    }

    /// Parts from the first on; a product is cut where the other's parts end.
    fn equate_parts(&mut self, a: Dim, b: Dim) -> Result<(), Mixed> {
        let (mut rest_a, mut rest_b) = (Some(a), Some(b));
        while let (Some(a), Some(b)) = (rest_a.take(), rest_b.take()) {
            let (a, b) = (self.resolve(&a), self.resolve(&b));
            let first = |axes: &Self, dim: &Dim| match dim {
                Dim::Sum(parts) => parts.first().map_or(0, |part| axes.size(part)),
                other => axes.size(other),
            };
            let (first_a, first_b) = (first(self, &a), first(self, &b));
            let at = first_a.min(first_b);
            if at == 0 {
                return Ok(());
            }
            let (part_a, left_a) = self.first_places(&a, at);
            let (part_b, left_b) = self.first_places(&b, at);
            self.equate(&part_a, &part_b)?;
            (rest_a, rest_b) = (left_a, left_b);
        }
        Ok(())
    }

    fn first_places(&mut self, dim: &Dim, at: usize) -> (Dim, Option<Dim>) {
        if at == self.size(dim) {
            return (dim.clone(), None);
        }
        let (first, rest) = self.split(dim, at);
        (first, Some(rest))
    }
}
