//! Corruptions against Pillow, against arithmetic, and against themselves at other thread counts.

use secateur_eval::corruption::{Constants, gaussian_noise};
use secateur_eval::{Corruption, EvalError, Images};

fn golden(name: &str) -> Vec<f32> {
    let lines = include_str!("goldens/pillow.txt").lines();
    let line = lines
        .map(|line| line.split_once(' ').unwrap())
        .find(|(key, _)| *key == name);
    line.unwrap()
        .1
        .split(',')
        .map(|value| value.parse::<f32>().unwrap() / 255.0)
        .collect()
}

fn picture() -> Images {
    Images::new(golden("input"), [1, 1, 28, 28]).unwrap()
}

fn colours() -> Images {
    let value = |i: usize| ((i * 37 + i / 28 * 11) % 256) as f32 / 255.0;
    Images::new((0..5 * 3 * 24 * 32).map(value).collect(), [5, 3, 24, 32]).unwrap()
}

#[test]
fn pixelating_and_jpeg_agree_with_pillow() {
    for severity in 1..=5 {
        // Pillow rounds to bytes after each of four passes: at most two steps of 1/255 apart.
        for (corruption, name, most) in [
            (Corruption::Pixelate, "pixelate", 2.01),
            (Corruption::Jpeg, "jpeg", 2.01),
        ] {
            let found = corruption.apply(&picture(), severity, 0).unwrap();
            let expected = golden(&format!("{name}{severity}"));
            let worst = found
                .data()
                .iter()
                .zip(&expected)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(
                worst * 255.0 <= most,
                "{name} {severity}: {}",
                worst * 255.0
            );
        }
    }
}

#[test]
fn every_corruption_is_seeded_bounded_and_does_something() {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    for images in [picture(), colours()] {
        for corruption in Corruption::ALL {
            let mut last = 0.0;
            for severity in 1..=5 {
                let made = corruption.apply(&images, severity, 7).unwrap();
                assert_eq!(made.shape(), images.shape());
                assert!(made.data().iter().all(|value| (0.0..=1.0).contains(value)));
                let alone = pool.install(|| corruption.apply(&images, severity, 7).unwrap());
                assert_eq!(made, alone, "{}", corruption.name());
                let change: f32 = made
                    .data()
                    .iter()
                    .zip(images.data())
                    .map(|(a, b)| (a - b).abs())
                    .sum();
                assert!(change > 0.0, "{} {severity}", corruption.name());
                last = change;
                let strong = corruption
                    .apply_with(&images, severity, 7, Constants::ImageNetC)
                    .unwrap();
                assert_eq!(strong.shape(), images.shape());
            }
            let first = corruption.apply(&images, 1, 7).unwrap();
            let weakest: f32 = first
                .data()
                .iter()
                .zip(images.data())
                .map(|(a, b)| (a - b).abs())
                .sum();
            // A pattern that repeats may come back where it was.
            let moves = matches!(corruption, Corruption::Rotation | Corruption::Translation);
            assert!(
                moves || last > weakest,
                "{}: {last} {weakest}",
                corruption.name()
            );
        }
    }
    let random = [
        Corruption::GaussianNoise,
        Corruption::ShotNoise,
        Corruption::ImpulseNoise,
        Corruption::Fog,
    ];
    for corruption in random {
        let [a, b] = [1, 2].map(|seed| corruption.apply(&picture(), 3, seed).unwrap());
        assert_ne!(a, b, "{}", corruption.name());
    }
}

#[test]
fn by_hand() {
    // Two pixels of mean 0.5, contrast 0.4.
    let two = Images::new(vec![0.25, 0.75], [1, 1, 1, 2]).unwrap();
    let made = Corruption::Contrast.apply(&two, 3, 0).unwrap();
    assert!(
        made.data()
            .iter()
            .zip([0.4, 0.6])
            .all(|(a, b)| (a - b).abs() < 1e-6),
        "{made:?}"
    );
    // Value 0.5 becomes 0.65, all channels times 1.3; black becomes grey.
    let pixel = Images::new(vec![0.5, 0.0, 0.25, 0.0, 0.1, 0.0], [1, 3, 1, 2]).unwrap();
    let made = Corruption::Brightness.apply(&pixel, 3, 0).unwrap();
    let expected = [0.65, 0.15, 0.325, 0.15, 0.13, 0.15];
    assert!(
        made.data()
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-6),
        "{made:?}"
    );
    // A point moves by 3 of 28 pixels diagonally.
    let mut point = vec![0.0; 28 * 28];
    point[14 * 28 + 14] = 1.0;
    let point = Images::new(point, [1, 1, 28, 28]).unwrap();
    let moved = Corruption::Translation.apply(&point, 3, 0).unwrap();
    let at = moved.data().iter().position(|&value| value == 1.0).unwrap();
    assert_eq!(((at / 28).abs_diff(14), (at % 28).abs_diff(14)), (3, 3));
    // A disk of radius 1.5 has the nine pixels of a square, its blur of 0.1 adds nothing; the scale
    // is 28/32, so 1.3125: five.
    let blurred = Corruption::DefocusBlur.apply(&point, 5, 0).unwrap();
    let lit = blurred
        .data()
        .iter()
        .filter(|&&value| value > 0.19 && value < 0.21)
        .count();
    assert_eq!(lit, 5);
    // Blurs and turns keep a flat image flat (but for the black corners of a turn).
    let flat = Images::new(vec![0.5; 32 * 32], [1, 1, 32, 32]).unwrap();
    for corruption in [
        Corruption::DefocusBlur,
        Corruption::MotionBlur,
        Corruption::Pixelate,
        Corruption::Contrast,
    ] {
        let made = corruption.apply(&flat, 5, 0).unwrap();
        assert!(
            made.data().iter().all(|value| (value - 0.5).abs() < 1e-5),
            "{}",
            corruption.name()
        );
    }
    // Impulse noise of severity 5 changes 7 % of the values, half of them to white.
    let many = Images::new(vec![0.5; 100_000], [1, 1, 100, 1000]).unwrap();
    let made = Corruption::ImpulseNoise
        .apply_with(&many, 5, 0, Constants::Cifar10C)
        .unwrap();
    let share =
        |wanted: f32| made.data().iter().filter(|&&value| value == wanted).count() as f32 / 1e5;
    assert!((share(0.0) - 0.035).abs() < 0.003 && (share(1.0) - 0.035).abs() < 0.003);
}

#[test]
fn any_input_gets_noise_in_its_own_measure() {
    let values: Vec<f32> = (0..20_000)
        .map(|i| if i % 2 == 0 { 100.0 } else { -100.0 })
        .collect();
    let noisy = gaussian_noise(&values, 10, 3, 1).unwrap();
    let errors: Vec<f32> = noisy.iter().zip(&values).map(|(a, b)| a - b).collect();
    let deviation = (errors.iter().map(|e| e * e).sum::<f32>() / errors.len() as f32).sqrt();
    assert!((deviation - 30.0).abs() < 0.6, "{deviation}");
    assert!(gaussian_noise(&values, 7, 3, 1).is_err());
    assert!(gaussian_noise(&[], 7, 3, 1).is_err());
    assert!(gaussian_noise(&[f32::NAN], 1, 3, 1).is_err());
}

#[test]
fn senseless_images_are_refused() {
    assert!(matches!(
        Images::new(vec![], [0, 1, 28, 28]),
        Err(EvalError::Empty { .. })
    ));
    assert!(matches!(
        Images::new(vec![0.0; 3], [1, 1, 2, 2]),
        Err(EvalError::Length { .. })
    ));
    assert!(matches!(
        Images::new(vec![f32::NAN], [1; 4]),
        Err(EvalError::NotFinite { .. })
    ));
    assert!(matches!(
        Images::new(vec![-1.0], [1; 4]),
        Err(EvalError::Setting { .. })
    ));
    assert!(matches!(
        Images::new(vec![], [usize::MAX, 2, 1, 1]),
        Err(EvalError::Length { .. })
    ));
    for severity in [0, 6] {
        assert!(Corruption::Fog.apply(&picture(), severity, 0).is_err());
    }
    // One pixel is an image.
    let dot = Images::new(vec![0.5], [1; 4]).unwrap();
    for corruption in Corruption::ALL {
        assert!(
            corruption.apply(&dot, 5, 0).is_ok(),
            "{}",
            corruption.name()
        );
    }
}
