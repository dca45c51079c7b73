//! The report: complete, self-contained, and honest in its words.

use secateur_eval::random::{Sample, Stream};
use secateur_eval::tradeoff::{Costs, Point};
use secateur_eval::weights::{Histogram, LayerCount, layer_table};
use secateur_eval::{
    Images, Level, ModelResult, Predictions, Report, Settings, Study, TestSet, TradeOff,
};

/// Names that a page could trip over.
const CLASSES: [&str; 3] = [
    "<b>cat & \"dog\"</b>",
    "bee",
    "a class with quite a long name indeed",
];

fn analysis(models: u64) -> secateur_eval::Analysis {
    let set = TestSet::new("<script>alert(1)</script>", CLASSES, (0..90).map(|i| i % 3)).unwrap();
    let mut all = Vec::new();
    let levels = [
        Level::dense(),
        Level::control(),
        Level::named("L1 & more 90 %", 0.9).unwrap(),
    ];
    for (place, level) in levels.into_iter().enumerate() {
        for seed in place as u64 * models..(place as u64 + 1) * models {
            let answer = |noise: f32| {
                let mut stream = Stream::new(seed, "answers", noise.to_bits() as usize);
                let logits: Vec<f32> = (0..270)
                    .map(|at| {
                        let right = f32::from(at % 3 == (at / 3) % 3);
                        right * (2.0 - noise - 0.5 * place as f32) + stream.normals()[0]
                    })
                    .collect();
                Predictions::from_logits(&set, &logits).unwrap()
            };
            let model = ModelResult::new(level.clone(), seed, answer(0.0));
            let model = model.with_corrupted("fog", 1, &answer(0.5)).unwrap();
            all.push(model.with_corrupted("fog", 3, &answer(1.0)).unwrap());
        }
    }
    let settings = Settings {
        replicates: 200,
        exchanges: 199,
        ..Settings::default()
    };
    Study::new(&set, all)
        .unwrap()
        .with_settings(settings)
        .run()
        .unwrap()
}

fn curves(seeds: u64) -> TradeOff {
    let methods = ["magnitude", "random"];
    let points = methods.iter().flat_map(|method| {
        (0..seeds).flat_map(move |seed| {
            [0.0, 0.9].map(|sparsity| Point {
                method: (*method).into(),
                sparsity,
                seed,
                accuracy: 0.9 - 0.1 * sparsity - 0.001 * seed as f64,
                costs: Costs {
                    parameters: 100.0 * (1.0 - sparsity),
                    ..Costs::default()
                },
            })
        })
    });
    TradeOff::new("toy", "random", &points.collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_page_is_one_file_and_escapes_what_it_is_told() {
    let analysis = analysis(10);
    let images = Images::new(vec![0.5; 90 * 3 * 8 * 8], [90, 3, 8, 8]).unwrap();
    let curves = curves(1);
    let histogram = Histogram::new(&[-1.0, 0.0, 0.5, 1.0], 5).unwrap();
    let layer = LayerCount {
        name: "fc".into(),
        kept: 0,
        total: 10,
        dead: None,
    };
    let dir = tempfile::tempdir().unwrap();
    Report::new(&analysis)
        .with_images(&images)
        .unwrap()
        .with_tradeoff(&curves)
        .with_histograms("fc", &[("after".into(), histogram)], "One model, seed 0.")
        .with_table(layer_table(&[layer]))
        .write(dir.path().join("report"))
        .unwrap();
    let read = |name: &str| std::fs::read(dir.path().join("report").join(name)).unwrap();
    let page = String::from_utf8(read("report.html")).unwrap();
    assert!(
        !page.contains("<script") && !page.contains("<b>cat"),
        "not escaped"
    );
    // No address but the name space of SVG.
    let addresses = page.matches("http").count();
    assert_eq!(
        addresses,
        page.matches("http://www.w3.org/2000/svg").count()
    );
    for wanted in [
        "data:image/png;base64",
        "prefers-color-scheme: dark",
        "width=device-width",
        "one seed",
        "collapsed",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    for svg in [
        "accuracy.svg",
        "class-l1-more-90.svg",
        "pies.svg",
        "confidence.svg",
        "robustness.svg",
        "tradeoff-parameters.svg",
        "weights-fc.svg",
    ] {
        let text = String::from_utf8(read(svg)).unwrap();
        assert!(
            text.starts_with("<svg") && text.trim_end().ends_with("</svg>"),
            "{svg}"
        );
        assert!(!text.contains("<b>"), "{svg}");
        let png = read(&svg.replace("svg", "png"));
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n", "{svg}");
    }
    assert_eq!(&read("pies-l1-more-90.png")[1..4], b"PNG");
    for file in [
        "levels.csv",
        "classes.csv",
        "pies.csv",
        "calibration.csv",
        "robustness.csv",
        "tradeoff.csv",
    ] {
        let text = String::from_utf8(read(file)).unwrap();
        assert!(
            text.lines().count() > 1 && text.contains("level") | text.contains("method"),
            "{file}"
        );
    }
    assert!(String::from_utf8(read("pies.csv")).unwrap().lines().count() > 1);
}

#[test]
fn every_figure_says_where_it_is_from() {
    let analysis = analysis(4);
    let page = Report::new(&analysis).html().unwrap();
    let figures = page.matches("<figure><h3>").count();
    let captions = page.matches("<figcaption>").count();
    assert!(figures >= 5 && figures == captions);
    for caption in page.split("<figcaption>").skip(1) {
        let caption = caption.split("</figcaption>").next().unwrap();
        for wanted in [
            "90 examples",
            "Models (seeds): 4 dense (0-3)",
            "95 % intervals",
        ] {
            assert!(caption.contains(wanted), "{wanted}: {caption}");
        }
    }
    for text in [page, analysis.to_string()] {
        assert!(
            text.contains("No verdict") && text.contains("no verdict")
                || text.contains("too few models")
        );
        for word in ["unharmed", "unaffected", "no effect", "no harm"] {
            assert!(!text.contains(word), "{word}");
        }
    }
}

#[test]
fn one_seed_is_said_in_words_and_images_must_fit() {
    let analysis = analysis(4);
    let page = Report::new(&analysis)
        .with_tradeoff(&curves(1))
        .html()
        .unwrap();
    assert!(page.contains("single run from one seed"));
    let page = Report::new(&analysis)
        .with_tradeoff(&curves(3))
        .html()
        .unwrap();
    assert!(!page.contains("one seed"));
    let few = Images::new(vec![0.5; 4], [1, 1, 2, 2]).unwrap();
    assert!(Report::new(&analysis).with_images(&few).is_err());
}
