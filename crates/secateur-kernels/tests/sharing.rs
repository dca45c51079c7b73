//! One packed matrix, many threads; and no allocation after the first call.

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::cell::Cell;

use secateur_kernels::{Csr, Epilogue, Format, Layout, Precision, Scratch, SparseMatrix, Threads};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting the calls of each thread.
struct Counting;

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, at: *mut u8, memory: Memory) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const FORMATS: [Format; 7] = [
    Format::Dense,
    Format::Csr,
    Format::Panels,
    Format::RowLists,
    Format::Lookup,
    Format::Bitmap,
    Format::Blocks {
        rows: 4,
        columns: 1,
    },
];

/// A column, a few, and more than a tile.
const COLUMNS: [usize; 3] = if cfg!(miri) { [1, 3, 5] } else { [1, 5, 70] };

fn matrices() -> impl Iterator<Item = SparseMatrix> {
    FORMATS.into_iter().flat_map(|format| {
        Precision::ALL.map(|precision| matrix(format).with_precision(precision).unwrap())
    })
}

fn matrix(format: Format) -> SparseMatrix {
    let [m, k] = if cfg!(miri) { [20, 12] } else { [600, 300] };
    let dense: Vec<f32> = (0..m * k)
        .map(|at| {
            if at * 7919 % 13 < 3 {
                at as f32 * 1e-5 - 0.9
            } else {
                0.0
            }
        })
        .collect();
    SparseMatrix::pack_as(&Csr::from_dense(&dense, [m, k]).unwrap(), format).unwrap()
}

fn product(matrix: &SparseMatrix, n: usize, scratch: &mut Scratch) -> Vec<f32> {
    let [m, k] = matrix.shape();
    let x: Vec<f32> = (0..k * n).map(|at| (at % 17) as f32 - 8.0).collect();
    let mut y = vec![0.0; m * n];
    matrix
        .multiply(
            &x,
            n,
            Layout::BatchMajor,
            &mut y,
            &Epilogue::none().gelu(),
            scratch,
        )
        .unwrap();
    y
}

#[test]
fn a_matrix_is_shared_between_threads() {
    for matrix in matrices() {
        let format = matrix.format();
        let expected: Vec<Vec<f32>> = COLUMNS
            .map(|n| product(&matrix, n, &mut Scratch::new()))
            .to_vec();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (matrix, expected) = (&matrix, &expected);
                scope.spawn(move || {
                    // Rayon's pool never ends, which Miri takes for a leak.
                    let threads = if thread % 2 == 0 || cfg!(miri) {
                        Threads::One
                    } else {
                        Threads::Rayon
                    };
                    let mut scratch = Scratch::new().with_threads(threads);
                    for round in 0..6 {
                        let which = (round + thread) % 3;
                        let got = product(matrix, COLUMNS[which], &mut scratch);
                        assert_eq!(got, expected[which], "{format}");
                    }
                });
            }
        });
    }
}

#[test]
fn the_second_call_allocates_nothing() {
    for matrix in matrices() {
        let format = matrix.format();
        let [m, k] = matrix.shape();
        for n in COLUMNS {
            let (x, mut y) = (vec![0.5; k * n], vec![0.0; m * n]);
            let mut scratch = Scratch::new();
            let mut multiply = || {
                for layout in [Layout::FeatureMajor, Layout::BatchMajor] {
                    matrix
                        .multiply(
                            &x,
                            n,
                            layout,
                            &mut y,
                            &Epilogue::none().relu(),
                            &mut scratch,
                        )
                        .unwrap();
                }
            };
            multiply();
            let before = ALLOCATIONS.with(Cell::get);
            multiply();
            let after = ALLOCATIONS.with(Cell::get);
            assert_eq!(before, after, "{format} allocates, n = {n}");
        }
    }
}
