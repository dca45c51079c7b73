//! Everything that can go wrong, with what to do about it.

use crate::isa::Isa;
use crate::values::Precision;

/// The error of every fallible call of this crate. A call that returns one has changed nothing
/// but, for a multiplication, the output buffer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A slice has another length than its shape says.
    #[error("`{what}` holds {got} elements where its shape asks for {expected}; {remedy}")]
    Length {
        /// Name of the argument.
        what: &'static str,
        /// Elements the shape asks for.
        expected: usize,
        /// Elements there are.
        got: usize,
        /// What to do.
        remedy: &'static str,
    },

    /// A dimension is zero, or too large for the index type of a format.
    #[error("`{what}` is {got}, outside {min} to {max}; {remedy}")]
    Dimension {
        /// Name of the dimension.
        what: &'static str,
        /// The value it had.
        got: usize,
        /// Smallest that is allowed.
        min: usize,
        /// Largest that is allowed.
        max: usize,
        /// What to do.
        remedy: &'static str,
    },

    /// A product of dimensions does not fit the address space.
    #[error("{what} overflows the address space; split the matrix")]
    Overflow {
        /// What was computed.
        what: &'static str,
    },

    /// The row starts of a CSR matrix do not ascend from 0 to the number of values.
    #[error(
        "row start {at} of a CSR matrix is {got}, which is not between {min} and {max}; row \
         starts begin at 0, never descend, and end at the number of values"
    )]
    RowStart {
        /// Position among the row starts.
        at: usize,
        /// The start found there.
        got: usize,
        /// Smallest start allowed there.
        min: usize,
        /// Largest start allowed there.
        max: usize,
    },

    /// A column index points outside the matrix.
    #[error("row {row} has column {column} in a matrix of {columns} columns; indices count from 0")]
    ColumnOutOfRange {
        /// The row.
        row: usize,
        /// The column it names.
        column: usize,
        /// Columns there are.
        columns: usize,
    },

    /// The columns of a row do not ascend, or one is named twice.
    #[error(
        "columns {before} and {after} of row {row} do not ascend; sort each row and merge duplicates"
    )]
    UnsortedColumns {
        /// The row.
        row: usize,
        /// The earlier column.
        before: usize,
        /// The column after it.
        after: usize,
    },

    /// A weight breaks the pattern that its format relies on.
    #[error(
        "row {row}, columns from {column}: {got} weights where {format} keeps at most {keep}; {remedy}"
    )]
    Pattern {
        /// The format, as it prints.
        format: String,
        /// Row of the group.
        row: usize,
        /// First column of the group.
        column: usize,
        /// Weights that the group has.
        got: usize,
        /// Weights that the format keeps.
        keep: usize,
        /// What to do.
        remedy: &'static str,
    },

    /// A weight is finite, and would be infinite in the precision it is to be stored in.
    #[error(
        "the weight {value} at row {row}, column {column} is beyond the range of {precision}, which \
         ends at {max}; scale the weights down, or store them as bf16 or f32"
    )]
    OutOfRange {
        /// Row of the weight.
        row: usize,
        /// Column of the weight.
        column: usize,
        /// The weight.
        value: f32,
        /// The precision asked for.
        precision: Precision,
        /// The largest value of that precision.
        max: f32,
    },

    /// The values given for an update stand at other places than the ones packed.
    #[error("{what}; pack the matrix anew")]
    MaskChanged {
        /// What differs.
        what: String,
    },

    /// A format was asked for that cannot hold this matrix, or cannot do this.
    #[error("the format {format} {why}; {remedy}")]
    Unsupported {
        /// The format, as it prints.
        format: String,
        /// Why.
        why: &'static str,
        /// What to do.
        remedy: &'static str,
    },

    /// A setting is outside its range.
    #[error("`{setting}` is {value}, which is not {expected}; {remedy}")]
    InvalidSetting {
        /// Name of the setting.
        setting: &'static str,
        /// The value it had.
        value: String,
        /// What it has to be.
        expected: &'static str,
        /// What to do.
        remedy: &'static str,
    },

    /// `SECATEUR_ISA` names no instruction set.
    #[error(
        "`{name}` is no instruction set; set SECATEUR_ISA to scalar, wasm, neon, avx2, avx512 or \
         avx512vbmi, or leave it unset"
    )]
    UnknownIsa {
        /// The name given.
        name: String,
    },

    /// This processor lacks an instruction set.
    #[error("this processor cannot run {isa}; use at most {widest}")]
    UnavailableIsa {
        /// The instruction set asked for.
        isa: Isa,
        /// The widest this processor has.
        widest: Isa,
    },

    /// Stored bytes are not an intact matrix.
    #[error("the stored matrix is damaged: {what}; write it again from its source")]
    Damaged {
        /// What does not hold.
        what: String,
    },

    /// Stored bytes come from a newer version of this crate.
    #[error(
        "the stored matrix has version {found}, this crate reads up to {known}; update secateur-kernels"
    )]
    Version {
        /// Version of the bytes.
        found: u32,
        /// Latest version understood.
        known: u32,
    },
}

/// `a * b`, or the error that names what overflowed.
pub(crate) fn checked_product(
    a: usize,
    b: usize,
    what: &'static str,
) -> Result<usize, KernelError> {
    a.checked_mul(b).ok_or(KernelError::Overflow { what })
}

/// Refuses a slice whose length is not `expected`.
pub(crate) fn check_length(
    what: &'static str,
    got: usize,
    expected: usize,
    remedy: &'static str,
) -> Result<(), KernelError> {
    if got == expected {
        Ok(())
    } else {
        Err(KernelError::Length {
            what,
            expected,
            got,
            remedy,
        })
    }
}
