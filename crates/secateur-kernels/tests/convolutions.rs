//! Convolutions of every geometry, format, instruction set, epilogue and thread count against the
//! slow reference.

use proptest::prelude::*;
use secateur_kernels::conv::reference;
use secateur_kernels::{
    Activation, ConvFormat, ConvGeometry, ConvHint, Csr, Epilogue, Isa, KernelError, Scratch,
    SparseConv, Threads,
};

const FORMATS: [ConvFormat; 2] = [ConvFormat::Panels, ConvFormat::Dense];

/// Several threads; under Miri, which runs rayon's pool slowly and never sees it end, one.
const MANY: Threads = if cfg!(miri) {
    Threads::One
} else {
    Threads::Rayon
};

/// A property on `usual` cases; on two under Miri, which is a thousand times slower and has no files
/// to note failures in.
fn on_cases(usual: u32) -> ProptestConfig {
    if cfg!(miri) {
        ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(2)
        }
    } else {
        ProptestConfig::with_cases(usual)
    }
}

/// Numbers from -1 to 1, the same for a seed.
fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9E37_79B9_7F4A_7C15);
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0) as f32
        })
        .collect()
}

/// A convolution, the images it runs on and its weights.
#[derive(Clone)]
struct Case {
    geometry: ConvGeometry,
    image: [usize; 2],
    batch: usize,
    weights: Csr,
    x: Vec<f32>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (image, batch, nnz) = (self.image, self.batch, self.weights.nnz());
        write!(
            f,
            "{:?} on {batch} of {image:?}, {nnz} weights",
            self.geometry
        )
    }
}

impl Case {
    fn new(
        geometry: ConvGeometry,
        image: [usize; 2],
        batch: usize,
        density: f64,
        seed: u64,
    ) -> Self {
        let [out, input, height, width] = geometry.weight_shape();
        let shape = [out, input * height * width];
        let dense = numbers(seed, shape[0] * shape[1]);
        let mask: Vec<bool> = numbers(seed ^ 5, dense.len())
            .iter()
            .map(|&v| f64::from(v) < 2.0 * density - 1.0)
            .collect();
        Self {
            geometry,
            image,
            batch,
            weights: Csr::from_masked(&dense, &mask, shape).unwrap(),
            x: numbers(
                seed ^ 9,
                batch * geometry.channels()[1] * image[0] * image[1],
            ),
        }
    }

    fn hint(&self) -> ConvHint {
        ConvHint::image(self.image)
    }

    fn pack(&self, format: ConvFormat) -> SparseConv {
        SparseConv::pack_as(&self.weights, &self.geometry, format, &self.hint()).unwrap()
    }

    fn outputs(&self) -> usize {
        let [height, width] = self.geometry.output(self.image).unwrap();
        self.batch * self.geometry.channels()[0] * height * width
    }

    fn run(&self, conv: &SparseConv, epilogue: Epilogue<'_>, threads: Threads) -> Vec<f32> {
        let mut scratch = Scratch::new().with_threads(threads);
        let mut y = vec![f32::NAN; self.outputs()];
        let call = |scratch: &mut Scratch, y: &mut [f32]| {
            conv.forward(&self.x, self.batch, self.image, y, epilogue, scratch)
                .unwrap();
        };
        // Twice with one scratch: what the first call leaves must not matter.
        call(&mut scratch, &mut y);
        let bytes = scratch.bytes();
        y.fill(f32::NAN);
        call(&mut scratch, &mut y);
        assert_eq!(scratch.bytes(), bytes, "the second call allocates nothing");
        y
    }

    fn expected(&self) -> Vec<f64> {
        reference::convolve(
            &self.weights,
            &self.geometry,
            &self.x,
            self.batch,
            self.image,
        )
        .unwrap()
    }

    /// Most terms of a sum.
    fn terms(&self) -> usize {
        self.weights.shape()[1]
    }
}

fn check(got: &[f32], expected: &[f64], terms: usize, what: &dyn std::fmt::Debug) {
    assert_eq!(got.len(), expected.len());
    for (at, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs();
        let bound = 4e-7 * (terms as f64 + 4.0) * expected.abs().max(1.0);
        assert!(
            error <= bound,
            "{what:?}: output {at} is {got}, not {expected}"
        );
    }
}

/// Height and width of an image stay below them.
const LARGEST: [usize; 2] = if cfg!(miri) { [6, 9] } else { [30, 75] };

fn kernel() -> impl Strategy<Value = [usize; 2]> {
    prop_oneof![
        Just([1, 1]),
        Just([3, 3]),
        Just([5, 5]),
        Just([1, 7]),
        Just([7, 1]),
        Just([2, 4]),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    (
        (kernel(), [1_usize..4, 1..4], [1_usize..3, 1..3]),
        [0_usize..4, 0..4, 0..4, 0..4],
        (
            prop_oneof![Just(1_usize), Just(2), Just(3)],
            1_usize..20,
            1_usize..12,
        ),
        ([1..LARGEST[0], 1..LARGEST[1]], 1_usize..4),
        (
            prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64],
            any::<u64>(),
        ),
    )
        .prop_filter_map(
            "the kernel is larger than the image",
            |(
                (kernel, stride, dilation),
                [top, bottom, left, right],
                (groups, out, input),
                (image, batch),
                (density, seed),
            )| {
                let geometry = ConvGeometry::conv2d([out * groups, input * groups], kernel)
                    .stride(stride)
                    .dilation(dilation)
                    .padding_each([[top, bottom], [left, right]])
                    .groups(groups);
                geometry.output(image).ok()?;
                Some(Case::new(geometry, image, batch, density, seed))
            },
        )
}

proptest! {
    #![proptest_config(on_cases(128))]

    #[test]
    fn convolutions_match_the_reference(case in cases()) {
        let expected = case.expected();
        for format in FORMATS {
            let packed = case.pack(format);
            for isa in Isa::available() {
                let packed = packed.clone().with_isa(isa).unwrap();
                let y = case.run(&packed, Epilogue::none(), Threads::One);
                check(&y, &expected, case.terms(), &(format, isa));
                let shared = case.run(&packed, Epilogue::none(), MANY);
                prop_assert_eq!(&y, &shared, "{} differs between thread counts", format);
            }
        }
    }

    #[test]
    fn epilogues_match_the_reference(
        case in cases(), which in 0_usize..5, biased: bool, added: bool,
    ) {
        let [out, _] = case.geometry.channels();
        let bias = numbers(1, out);
        let residual = numbers(2, case.outputs());
        let activation = [
            Activation::Identity, Activation::Relu, Activation::Gelu, Activation::Silu,
            Activation::Clamp { min: -0.25, max: 0.5 },
        ][which];
        let mut epilogue = if biased { Epilogue::bias(&bias) } else { Epilogue::none() };
        if added {
            epilogue = epilogue.residual(&residual);
        }
        epilogue = epilogue.activation(activation);
        let mut expected = case.expected();
        let pixels = expected.len() / (case.batch * out);
        for (at, value) in expected.iter_mut().enumerate() {
            if biased { *value += f64::from(bias[at / pixels % out]); }
            if added { *value += f64::from(residual[at]); }
            *value = f64::from(activation.of(*value as f32));
        }
        for format in FORMATS {
            for isa in Isa::available() {
                let packed = case.pack(format).with_isa(isa).unwrap();
                let y = case.run(&packed, epilogue, Threads::One);
                check(&y, &expected, case.terms() + 4, &(format, isa, activation));
            }
        }
    }

    #[test]
    fn special_values_reach_only_what_they_touch(
        case in cases(),
        special in prop::sample::select(
            vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-42, -0.0],
        ),
        at in any::<prop::sample::Index>(),
    ) {
        let mut case = case;
        let at = at.index(case.x.len());
        case.x[at] = special;
        let expected = case.expected();
        for isa in Isa::available() {
            let packed = case.pack(ConvFormat::Panels).with_isa(isa).unwrap();
            let y = case.run(&packed, Epilogue::none(), Threads::One);
            for (&got, &expected) in y.iter().zip(&expected) {
                if expected.is_finite() {
                    prop_assert!((f64::from(got) - expected).abs() < 1e-3, "{} {}", got, expected);
                } else if expected.is_nan() {
                    prop_assert!(got.is_nan());
                } else {
                    prop_assert_eq!(f64::from(got), expected);
                }
            }
        }
    }

    #[test]
    fn weights_are_kept_and_replaced_exactly(case in cases()) {
        let mut new = case.weights.clone();
        new.values_mut().iter_mut().for_each(|v| *v = 1.0 - *v);
        for format in FORMATS {
            let mut packed = case.pack(format);
            prop_assert_eq!(packed.to_csr(), case.weights.clone());
            packed.update_values(&new).unwrap();
            let mut other = case.clone();
            other.weights = new.clone();
            prop_assert_eq!(&packed, &other.pack(format));
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn images_wider_and_batches_larger_than_a_tile() {
    for (geometry, image, batch) in [
        (
            ConvGeometry::conv2d([20, 5], [3, 3]).padding([1, 1]),
            [9, 300],
            2,
        ),
        (ConvGeometry::conv2d([3, 2], [3, 3]), [4, 1030], 1),
        (
            ConvGeometry::conv2d([70, 40], [3, 3]).padding([1, 1]),
            [14, 14],
            3,
        ),
        (
            ConvGeometry::conv2d([150, 17], [3, 3])
                .stride([2, 2])
                .padding([1, 1]),
            [30, 150],
            1,
        ),
        (ConvGeometry::conv2d([64, 48], [1, 1]), [28, 28], 2),
        (
            ConvGeometry::conv2d([24, 24], [3, 3])
                .padding([1, 1])
                .groups(24),
            [20, 20],
            2,
        ),
        (
            ConvGeometry::conv1d([16, 8], 9).padding([0, 4]),
            [1, 500],
            2,
        ),
        (
            ConvGeometry::conv2d([8, 3], [11, 11])
                .dilation([2, 3])
                .padding([9, 9]),
            [40, 200],
            1,
        ),
    ] {
        for density in [0.05, 0.3, 1.0] {
            let case = Case::new(geometry, image, batch, density, 3);
            let expected = case.expected();
            for format in FORMATS {
                for isa in Isa::available() {
                    let packed = case.pack(format).with_isa(isa).unwrap();
                    let y = case.run(&packed, Epilogue::none(), Threads::One);
                    check(&y, &expected, case.terms(), &(format, isa, geometry));
                    for threads in [1, 2, 3, 7] {
                        let pool = rayon::ThreadPoolBuilder::new()
                            .num_threads(threads)
                            .build()
                            .unwrap();
                        let shared = pool.install(|| case.run(&packed, Epilogue::none(), MANY));
                        assert_eq!(y, shared, "{threads} threads");
                    }
                }
            }
        }
    }
}

#[test]
fn strides_beyond_the_image_see_its_corner() {
    let geometry = ConvGeometry::conv2d([5, 3], [3, 3])
        .stride([usize::MAX, usize::MAX])
        .padding([1, 1]);
    let case = Case::new(geometry, [7, 9], 2, 0.5, 6);
    for format in FORMATS {
        let y = case.run(&case.pack(format), Epilogue::none(), Threads::One);
        check(&y, &case.expected(), case.terms(), &format);
    }
}

#[test]
fn kernels_of_too_many_places_are_refused() {
    let larger = ConvGeometry::conv2d([1, 1], [256, 256]);
    assert!(matches!(
        larger.output([256, 256]),
        Err(KernelError::Dimension {
            max: 65535,
            got: 65536,
            ..
        })
    ));
}

#[test]
fn one_packed_convolution_serves_images_of_any_size() {
    let geometry = ConvGeometry::conv2d([12, 6], [3, 3]).padding([1, 1]);
    let packed_for = Case::new(geometry, [14, 14], 1, 0.3, 8);
    let mut scratch = Scratch::new();
    for format in FORMATS {
        let packed = packed_for.pack(format);
        for image in [[14, 14], [1, 1], [200, 3], [5, 333], [14, 14]] {
            let mut case = Case::new(geometry, image, 2, 0.3, 8);
            case.weights = packed_for.weights.clone();
            let mut y = vec![f32::NAN; case.outputs()];
            packed
                .forward(&case.x, 2, image, &mut y, Epilogue::none(), &mut scratch)
                .unwrap();
            check(&y, &case.expected(), case.terms(), &(format, image));
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "large")]
fn many_threads_share_one_packed_convolution() {
    let geometry = ConvGeometry::conv2d([40, 24], [3, 3]).padding([1, 1]);
    let case = Case::new(geometry, [20, 20], 2, 0.2, 4);
    for format in FORMATS {
        let packed = case.pack(format);
        let expected = case.run(&packed, Epilogue::none(), Threads::One);
        std::thread::scope(|scope| {
            for nth in 0..8 {
                let (case, packed, expected) = (&case, &packed, &expected);
                let threads = [Threads::One, MANY][nth % 2];
                scope.spawn(move || {
                    for _ in 0..10 {
                        assert_eq!(&case.run(packed, Epilogue::none(), threads), expected);
                    }
                });
            }
        });
    }
}

#[test]
fn bad_input_is_refused_with_its_name() {
    let geometry = ConvGeometry::conv2d([4, 2], [3, 3]).padding([1, 1]);
    let hint = ConvHint::image([8, 8]);
    let weights = numbers(1, 4 * 2 * 9);
    let pack = |weights: &[f32], geometry: ConvGeometry| {
        SparseConv::pack(weights, &geometry, &hint)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert!(pack(&weights, geometry).is_ok());
    assert!(pack(&weights[1..], geometry).unwrap_err().contains("dense"));
    for (geometry, parameter) in [
        (geometry.stride([0, 1]), "stride height"),
        (geometry.groups(3), "groups"),
        (geometry.groups(0), "groups"),
        (
            ConvGeometry::conv2d([4, 2], [3, 3]).dilation([1, 9]),
            "padded image width",
        ),
        (ConvGeometry::conv2d([0, 2], [3, 3]), "out channels"),
        (ConvGeometry::conv2d([usize::MAX, 2], [3, 3]), "overflows"),
        (geometry.padding([usize::MAX / 2, 1]), "padded image height"),
        (geometry.padding([1 << 40, 1]), "padded image height"),
    ] {
        let message = pack(&weights, geometry).unwrap_err();
        assert!(message.contains(parameter), "{message}");
    }

    let case = Case::new(geometry, [8, 8], 1, 0.5, 1);
    let mut scratch = Scratch::new();
    for format in FORMATS {
        let packed = case.pack(format);
        let mut forward = |x: usize, batch: usize, image: [usize; 2], y: usize| {
            packed.forward(
                &vec![0.0; x],
                batch,
                image,
                &mut vec![0.0; y],
                Epilogue::none(),
                &mut scratch,
            )
        };
        assert!(forward(128, 1, [8, 8], 256).is_ok());
        assert!(forward(0, 0, [8, 8], 0).is_ok());
        for (x, batch, image, y) in [
            (127, 1, [8, 8], 256),
            (128, 1, [8, 8], 255),
            (128, 2, [8, 8], 256),
            (0, 1, [0, 0], 0),
            (128, usize::MAX, [8, 8], 256),
            (128, 1, [usize::MAX, 8], 256),
        ] {
            assert!(forward(x, batch, image, y).is_err());
        }
        let bias = [0.0; 3];
        let mut y = vec![0.0; 256];
        let refused = packed.forward(
            &case.x,
            1,
            [8, 8],
            &mut y,
            Epilogue::bias(&bias),
            &mut scratch,
        );
        assert!(matches!(refused, Err(KernelError::Length { .. })));
        let mut other = packed.clone();
        let fewer = Case::new(geometry, [8, 8], 1, 0.2, 1).weights;
        assert!(matches!(
            other.update_values(&fewer),
            Err(KernelError::MaskChanged { .. })
        ));
        assert_eq!(other, packed);
    }
}
