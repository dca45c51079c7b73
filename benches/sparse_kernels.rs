//! The sparse kernels by themselves, to see a change of their speed:
//! `cargo bench -p secateur-benches --bench sparse_kernels`.
//!
//! Small, and without rivals: those are in `cargo run --release -p secateur-benches --bin kernels`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use secateur_benches::aligned::Aligned;
use secateur_benches::matrices::{Pattern, activations, pruned};
use secateur_kernels::{
    ConvFormat, ConvGeometry, ConvHint, Csr, Epilogue, Format, KernelError, Layout, Scratch,
    SparseConv, SparseMatrix, TrainingMatrix,
};

const SHAPE: [usize; 2] = [512, 512];
const SPARSITY: f64 = 0.9;
const BATCH: usize = 64;

fn weights(sparsity: f64, pattern: Pattern) -> Csr {
    pruned(SHAPE, sparsity, pattern).expect("a shape without zeros")
}

/// One product a call, with its buffers at cache lines as in a tensor library.
fn product(
    c: &mut Criterion,
    group: &str,
    n: usize,
    layout: Layout,
    matrices: &[(&str, Csr, Format)],
) {
    let [m, k] = SHAPE;
    let mut group = c.benchmark_group(group);
    for (name, csr, format) in matrices {
        let packed = SparseMatrix::pack_as(csr, *format).expect("a format for this pattern");
        let (x, mut y) = (
            Aligned::new(&activations(k * n, "x")),
            Aligned::zeros(m * n),
        );
        let mut scratch = Scratch::new();
        group.throughput(Throughput::Elements((csr.nnz() * n) as u64));
        group.bench_function(BenchmarkId::new(format.to_string(), name), |b| {
            b.iter(|| {
                let (x, y) = (x.get(), y.get_mut());
                packed.multiply(x, n, layout, y, &Epilogue::none(), &mut scratch)
            });
        });
    }
    group.finish();
}

fn spmm(c: &mut Criterion) {
    let (half, ninety) = (
        weights(0.5, Pattern::Unstructured),
        weights(SPARSITY, Pattern::Unstructured),
    );
    let strips = weights(SPARSITY, Pattern::Strips(4));
    let two_of_four = weights(0.5, Pattern::NofM { keep: 2, of: 4 });
    let blocks = Format::Blocks {
        rows: 4,
        columns: 1,
    };
    let matrices = [
        ("dense", ninety.clone(), Format::Dense),
        ("50 %", half, Format::RowLists),
        ("90 %", ninety.clone(), Format::Panels),
        ("90 %", ninety, Format::Csr),
        ("90 %", strips, blocks),
        ("2:4", two_of_four, Format::NofM { keep: 2, of: 4 }),
    ];
    product(c, "spmm", BATCH, Layout::FeatureMajor, &matrices);
    // Straight from a tensor library's rows: the change of the layout is part of the time.
    let batch_major = &matrices[2..3];
    product(
        c,
        "spmm, batch-major",
        BATCH,
        Layout::BatchMajor,
        batch_major,
    );
}

fn spmv(c: &mut Criterion) {
    let csr = weights(SPARSITY, Pattern::Unstructured);
    let half = weights(0.5, Pattern::Unstructured);
    let matrices = [
        ("dense", csr.clone(), Format::Dense),
        ("90 %", csr.clone(), Format::Lookup),
        ("90 %", csr, Format::Csr),
        ("50 %", half, Format::Bitmap),
    ];
    product(c, "spmv", 1, Layout::FeatureMajor, &matrices);
}

fn training_step(c: &mut Criterion) {
    let [m, k] = SHAPE;
    let csr = weights(SPARSITY, Pattern::Unstructured);
    let nnz = csr.nnz();
    let matrix =
        TrainingMatrix::new(csr, Format::Panels, Format::Panels).expect("panels hold every matrix");
    let x = Aligned::new(&activations(k * BATCH, "x"));
    let dy = Aligned::new(&activations(m * BATCH, "dy"));
    let (mut y, mut dx) = (Aligned::zeros(m * BATCH), Aligned::zeros(k * BATCH));
    let (mut dw, mut scratch) = (vec![0.0; nnz], Scratch::new());
    let layout = Layout::FeatureMajor;
    let mut group = c.benchmark_group("training step, 90 %");
    group.throughput(Throughput::Elements((nnz * BATCH) as u64));
    group.bench_function("forward", |b| {
        b.iter(|| {
            let (x, y) = (x.get(), y.get_mut());
            matrix.forward(x, BATCH, layout, y, Epilogue::none(), &mut scratch)
        });
    });
    group.bench_function("dX", |b| {
        b.iter(|| matrix.input_gradient(dy.get(), BATCH, layout, dx.get_mut(), &mut scratch));
    });
    group.bench_function("dW (sddmm)", |b| {
        b.iter(|| {
            let (dy, x) = (dy.get(), x.get());
            matrix.weight_gradient(dy, x, BATCH, layout, &mut dw, &mut scratch)
        });
    });
    group.finish();
}

fn convolution(c: &mut Criterion) {
    let (channels, image) = (64, [28, 28]);
    let pixels = image[0] * image[1];
    let geometry = ConvGeometry::conv2d([channels; 2], [3, 3]).padding([1, 1]);
    let csr = pruned([channels, 9 * channels], SPARSITY, Pattern::Unstructured)
        .expect("a shape without zeros");
    let x = Aligned::new(&activations(channels * pixels, "x"));
    let mut y = Aligned::zeros(channels * pixels);
    let mut scratch = Scratch::new();
    let mut group = c.benchmark_group("3x3 convolution, 64 channels at 28x28");
    for (name, format) in [("dense", ConvFormat::Dense), ("90 %", ConvFormat::Panels)] {
        let conv = SparseConv::pack_as(&csr, &geometry, format, &ConvHint::image(image))
            .expect("a kernel smaller than its image");
        group.bench_function(name, |b| {
            b.iter(|| -> Result<(), KernelError> {
                let (x, y) = (x.get(), y.get_mut());
                conv.forward(x, 1, image, y, Epilogue::none(), &mut scratch)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, spmm, spmv, training_step, convolution);
criterion_main!(benches);
