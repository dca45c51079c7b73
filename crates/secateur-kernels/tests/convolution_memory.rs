//! A convolution allocates nothing after its first call.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use secateur_kernels::{
    ConvFormat, ConvGeometry, ConvHint, Csr, Epilogue, Isa, Scratch, SparseConv,
};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counting the calls of each thread.
struct Counting;

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, at: *mut u8, memory: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
#[cfg_attr(miri, ignore = "large")]
fn later_calls_allocate_nothing() {
    for geometry in [
        ConvGeometry::conv2d([24, 12], [3, 3]).padding([1, 1]),
        ConvGeometry::conv2d([24, 12], [3, 3])
            .stride([2, 2])
            .groups(4),
        ConvGeometry::conv2d([24, 12], [1, 1]),
    ] {
        let [out, input, height, width] = geometry.weight_shape();
        let shape = [out, input * height * width];
        let dense: Vec<f32> = (0..shape[0] * shape[1])
            .map(|at| if at * 7919 % 13 < 3 { 0.5 } else { 0.0 })
            .collect();
        let csr = Csr::from_dense(&dense, shape).unwrap();
        let image = [20, 20];
        let [height, width] = geometry.output(image).unwrap();
        let x = vec![1.0; 2 * 12 * 400];
        let mut y = vec![0.0; 2 * out * height * width];
        for format in [ConvFormat::Panels, ConvFormat::Dense] {
            for isa in Isa::available() {
                let conv = SparseConv::pack_as(&csr, &geometry, format, &ConvHint::image(image))
                    .unwrap()
                    .with_isa(isa)
                    .unwrap();
                let mut scratch = Scratch::new();
                let mut call = |y: &mut [f32]| {
                    let before = ALLOCATIONS.get();
                    conv.forward(&x, 2, image, y, Epilogue::none().relu(), &mut scratch)
                        .unwrap();
                    ALLOCATIONS.get() - before
                };
                assert!(call(&mut y) > 0);
                assert_eq!(call(&mut y), 0, "{format} {isa}");
            }
        }
    }
}
