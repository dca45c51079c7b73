//! What the program prints.

use std::fmt;

use secateur_examples::data::CIFAR_LABEL;

use crate::measure::standard_error;
use crate::method::Method;

/// What one method left.
pub(crate) struct Cell {
    pub method: Method,
    /// 0 to 1.
    pub accuracy: f64,
    /// Mean over the layers of the relative squared error of their outputs.
    pub error: f64,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accuracy = 100.0 * self.accuracy;
        write!(f, "{}: {accuracy:.1} %, {:.4}", self.method, self.error)
    }
}

/// All methods at all sparsities.
pub(crate) struct Table {
    pub depth: usize,
    pub images: usize,
    pub calibration: usize,
    /// Accuracy of the net as it was.
    pub dense: f64,
    pub methods: Vec<Method>,
    pub rows: Vec<(f64, Vec<Cell>)>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dense = 100.0 * self.dense;
        let error = 100.0 * standard_error(self.dense, self.images);
        writeln!(
            f,
            "{CIFAR_LABEL}: ResNet-{}, {} test images, {} calibration images.",
            self.depth, self.images, self.calibration
        )?;
        writeln!(
            f,
            "Dense {dense:.1} %; standard errors {error:.1} to {:.1} points.\n",
            100.0 * standard_error(0.5, self.images)
        )?;
        write!(f, "| sparsity |")?;
        for method in &self.methods {
            write!(f, " {method} |")?;
        }
        for method in &self.methods {
            write!(f, " error: {method} |")?;
        }
        writeln!(f, "\n|{}", " --- |".repeat(1 + 2 * self.methods.len()))?;
        for (sparsity, cells) in &self.rows {
            write!(f, "| {:.0} % |", 100.0 * sparsity)?;
            for cell in cells {
                write!(f, " {:.1} % |", 100.0 * cell.accuracy)?;
            }
            for cell in cells {
                write!(f, " {:.4} |", cell.error)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
