//! The parts of a mask update one by one: `cargo bench --bench parts`.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use secateur::{
    mask::Mask,
    random::Stream,
    rank::{RankRow, keep_largest, pooled_counts},
    view::{Layout, View},
};

const N: usize = 1_000_000;

fn scores() -> Vec<f32> {
    let mut stream = Stream::new(1, "scores", 0);
    (0..N).map(|_| stream.normal().abs()).collect()
}

fn parts(c: &mut Criterion) {
    let scores = scores();
    let mut group = c.benchmark_group("1 million weights");
    group.throughput(Throughput::Elements(N as u64));
    group.bench_function("keep_largest, 90 %", |b| {
        b.iter(|| keep_largest(&scores, None, N / 10));
    });
    group.bench_function("pooled_counts over 10 rows", |b| {
        let rows: Vec<_> = scores.chunks(N / 10).map(RankRow::new).collect();
        b.iter(|| pooled_counts(&rows, N / 10));
    });
    group.bench_function("linear to view order", |b| {
        let view = View::new(&[1_000, 1_000], Layout::InOut { groups: 1 });
        b.iter(|| view.to_view(&scores));
    });
    group.bench_function("mask union", |b| {
        let mask = |parity: usize| Mask::from_fn([1_000, 1_000, 1], |i| i % 3 == parity).unwrap();
        b.iter_batched(
            || (mask(0), mask(1)),
            |(a, b)| a.or(&b),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
