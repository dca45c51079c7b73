//! A report on synthetic populations, with the time it takes.
//!
//! `cargo run --release -p secateur-eval --example synthetic -- OUT [MODELS] [EXAMPLES]`

use std::error::Error;
use std::time::Instant;

use secateur_eval::random::{Sample, Stream};
use secateur_eval::tradeoff::{Costs, Point};
use secateur_eval::weights::{Histogram, LayerCount, Overlap, layer_table, overlap_table};
use secateur_eval::{
    Corruption, Drawn, Images, Jobs, Level, ModelResult, Predictions, Report, ResultsFolder, Study,
    TestSet, TradeOff,
};

const CLASSES: [&str; 10] = [
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let out = args.next().ok_or("say where to write")?;
    let models: usize = args.next().map_or(Ok(30), |text| text.parse())?;
    let examples: usize = args.next().map_or(Ok(10_000), |text| text.parse())?;
    let labels: Vec<u32> = (0..examples).map(|i| (i % 10) as u32).collect();
    let set = TestSet::new("synthetic garments", CLASSES, labels)?;
    let folder = ResultsFolder::create(format!("{out}/results"), &set)?;

    let mut levels = vec![Level::dense(), Level::control()];
    for sparsity in [0.5, 0.9, 0.95, 0.98, 0.99] {
        levels.push(Level::pruned(sparsity)?);
    }
    let start = Instant::now();
    for job in folder.missing(&Jobs::disjoint(levels, models))? {
        folder.write(&model(&set, job.level, job.seed)?)?;
    }
    println!("made in {:.2?}", start.elapsed());

    let start = Instant::now();
    let study = Study::of(&folder)?;
    println!("read in {:.2?}", start.elapsed());
    let start = Instant::now();
    let analysis = study.run()?;
    println!("analysed in {:.2?}", start.elapsed());
    let start = Instant::now();
    study.clone().with_drawn(Drawn::ModelsAndExamples).run()?;
    println!(
        "analysed with models and examples drawn in {:.2?}",
        start.elapsed()
    );
    println!("\n{analysis}");

    let images = images(examples)?;
    for corruption in Corruption::ALL {
        let start = Instant::now();
        corruption.apply(&images, 5, 0)?;
        println!("{:>15} in {:.2?}", corruption.name(), start.elapsed());
    }
    let curves = curves()?;
    let before: Vec<f32> = (0..5000)
        .flat_map(|i| Stream::new(0, "w", i).normals())
        .collect();
    let after: Vec<f32> = before
        .iter()
        .map(|w| if w.abs() < 1.2 { 0.0 } else { *w })
        .collect();
    let ends = [-4.0, 4.0];
    let histograms = [
        ("before".to_string(), Histogram::between(&before, 40, ends)?),
        ("after".to_string(), Histogram::between(&after, 40, ends)?),
    ];
    let [a, b] = [1.2, 1.0].map(|t| before.iter().map(|w| *w > t).collect::<Vec<bool>>());
    let start = Instant::now();
    Report::new(&analysis)
        .with_images(&images)?
        .with_tradeoff(&curves)
        .with_histograms("fc1", &histograms, "One model, seed 0.")
        .with_table(layer_table(&[
            LayerCount {
                name: "fc1".into(),
                kept: 2000,
                total: 235_200,
                dead: Some((12, 300)),
            },
            LayerCount {
                name: "fc2".into(),
                kept: 0,
                total: 30_000,
                dead: Some((100, 100)),
            },
        ]))
        .with_table(overlap_table(&[Overlap::of(["seed 0", "seed 1"], &a, &b)?]))
        .write(format!("{out}/report"))?;
    println!("written in {:.2?}", start.elapsed());
    Ok(())
}

/// The seventh class pays most; corrupted inputs cost, and more so when pruned.
fn model(set: &TestSet, level: Level, seed: u64) -> Result<ModelResult, Box<dyn Error>> {
    let loss = (level.sparsity().powi(6) * 0.5) as f32;
    let answer = |noise: f32| {
        let mut luck = Stream::new(seed, level.name(), noise.to_bits() as usize);
        let mut logits = Vec::with_capacity(set.len() * 10);
        for (example, &label) in set.labels().iter().enumerate() {
            let ease = 3.5 + 2.5 * Stream::new(7, "ease", example).normals()[0] - noise;
            let rival = (label + 1 + (example as u32 / 10) % 3) % 10;
            for class in 0..10 {
                let mut logit = 0.6 * luck.normals()[0];
                if class == label {
                    let pays = if class == 6 { 3.0 * loss } else { 0.2 * loss };
                    logit += ease - pays - noise * loss;
                } else if class == rival {
                    logit += 1.0;
                }
                logits.push(logit);
            }
        }
        Predictions::from_logits(set, &logits)
    };
    let clean = answer(0.0)?;
    let mut result = ModelResult::new(level.clone(), seed, clean);
    if set.len() <= 2000 {
        for (corruption, step) in [("fog", 0.5), ("Gaussian noise", 0.3), ("rotation", 0.8)] {
            for severity in [1, 3, 5] {
                let corrupted = answer(step * f32::from(severity))?;
                result = result.with_corrupted(corruption, severity, &corrupted)?;
            }
        }
    }
    Ok(result)
}

fn images(examples: usize) -> Result<Images, Box<dyn Error>> {
    let mut data = Vec::with_capacity(examples * 784);
    for example in 0..examples {
        let mut stream = Stream::new(3, "picture", example);
        let [x, y, r] = [
            stream.between(8.0, 20.0),
            stream.between(8.0, 20.0),
            stream.between(3.0, 9.0),
        ];
        for at in 0..784 {
            let distance = ((at % 28) as f32 - x).hypot((at / 28) as f32 - y);
            data.push(if (distance - r).abs() < 2.0 {
                0.9
            } else {
                0.1 * stream.uniform()
            });
        }
    }
    Ok(Images::new(data, [examples, 1, 28, 28])?)
}

fn curves() -> Result<TradeOff, Box<dyn Error>> {
    let mut points = Vec::new();
    for (method, harm) in [("magnitude", 0.05), ("random", 0.3), ("SNIP", 0.12)] {
        for sparsity in [0.0, 0.5, 0.8, 0.9, 0.95, 0.98] {
            for seed in 0..3 {
                let noise =
                    f64::from(Stream::new(seed, method, (sparsity * 100.0) as usize).normals()[0]);
                let parameters = 266_200.0 * (1.0 - sparsity);
                points.push(Point {
                    method: method.into(),
                    sparsity,
                    seed,
                    accuracy: 0.88 - harm * sparsity.powi(8) + 0.004 * noise,
                    costs: Costs {
                        parameters,
                        multiply_adds: parameters,
                        bytes: 4.3 * parameters,
                        seconds: None,
                    },
                });
            }
        }
    }
    Ok(TradeOff::new("synthetic garments", "random", &points)?)
}
