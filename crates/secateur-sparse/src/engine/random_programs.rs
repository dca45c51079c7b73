//! Random programs, run with shared memory and with a place for every value.

use burn::tensor::DType;
use proptest::prelude::*;
use secateur_kernels::{Isa, Scratch};

use super::memory::{Places, least};
use super::plan::{Binary, Buffer, BufferId, Home, Plan, Port, Size, Step, Unary};
use super::state::State;

/// A step, by the places of its operands in the list of all values so far.
#[derive(Clone, Copy, Debug)]
enum Line {
    Unary(usize),
    Binary(usize, usize),
    Concat(usize, usize),
    Fill(usize),
    Alias(usize),
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = prop_oneof![
        any::<usize>().prop_map(Line::Unary),
        any::<(usize, usize)>().prop_map(|(a, b)| Line::Binary(a, b)),
        any::<(usize, usize)>().prop_map(|(a, b)| Line::Concat(a, b)),
        (1..9_usize).prop_map(Line::Fill),
        any::<usize>().prop_map(Line::Alias),
    ];
    prop::collection::vec(line, 1..25)
}

/// The plan, and what each buffer holds when nothing shares its memory.
fn plan(lines: &[Line], outputs: &[usize], x: &[f32]) -> (Plan, Vec<Vec<f32>>) {
    let mut buffers = vec![buffer(x.len(), Home::Input(0))];
    let mut values = vec![x.to_vec()];
    let mut steps = Vec::new();
    for (at, &line) in lines.iter().enumerate() {
        let y = buffers.len();
        let pick = |place: usize| place % y;
        let (value, step) = match line {
            Line::Unary(x) => {
                let x = pick(x);
                let of = Unary::Add(at as f32);
                let mut value = values[x].clone();
                of.apply(&mut value);
                (value, Step::Unary { of, x, y })
            }
            Line::Binary(a, b) => {
                let (a, b) = (pick(a), pick(b));
                if values[a].len() != values[b].len() {
                    continue;
                }
                let sum = values[a].iter().zip(&values[b]).map(|(a, b)| a + b);
                let (of, x) = (Binary::Add, [a, b]);
                (sum.collect(), Step::Binary { of, x, y })
            }
            Line::Concat(a, b) => {
                let x = vec![pick(a), pick(b)];
                let value = [values[x[0]].clone(), values[x[1]].clone()].concat();
                if value.len() > 1000 {
                    continue;
                }
                (value, Step::Concat { dim: 0, x, y })
            }
            Line::Fill(len) => {
                let value = at as f32;
                (vec![value; len], Step::Fill { value, y })
            }
            Line::Alias(of) => {
                let of = pick(of);
                let root = match buffers[of].home {
                    Home::Alias(root) => root,
                    Home::Input(_) | Home::Memory => of,
                };
                values.push(values[of].clone());
                buffers.push(buffer(values[of].len(), Home::Alias(root)));
                continue;
            }
        };
        buffers.push(buffer(value.len(), Home::Memory));
        values.push(value);
        steps.push(step);
    }
    let port = |buffer: BufferId| Port {
        shape: buffers[buffer].shape.clone(),
        dtype: DType::F32,
        buffer: Some(buffer),
        tensor: None,
    };
    let outputs = outputs.iter().map(|&output| port(output % buffers.len()));
    let plan = Plan {
        batch: 1,
        dynamic: false,
        outputs: outputs.collect(),
        inputs: vec![port(0)],
        tensors: Vec::new(),
        buffers: buffers.clone(),
        steps,
    };
    (plan, values)
}

fn buffer(len: usize, home: Home) -> Buffer {
    Buffer {
        shape: vec![Size {
            captured: len,
            more: 0,
        }],
        home,
        feature_major: false,
    }
}

proptest! {
    #[test]
    fn sharing_memory_changes_no_value(
        lines in lines(), outputs in prop::collection::vec(any::<usize>(), 1..4), len in 0..20_usize,
    ) {
        let x: Vec<f32> = (0..len).map(|at| at as f32).collect();
        let (plan, values) = plan(&lines, &outputs, &x);
        prop_assert_eq!(plan.check(&[]), Ok(()));
        let mut state = State::new(Scratch::new(), Isa::Scalar);
        // A second run finds the first one's remains.
        for _ in 0..2 {
            state.lay_out(&plan, 0).unwrap();
            for step in 0..plan.steps.len() {
                state.step(&plan, &[], step, &[&x]).unwrap();
            }
            for port in &plan.outputs {
                let buffer = port.buffer.unwrap();
                prop_assert_eq!(state.read(&plan, buffer, &[&x]), values[buffer].as_slice());
            }
        }
    }

    #[test]
    fn places_are_hardly_more_than_what_lives_together(
        lines in lines(), outputs in prop::collection::vec(any::<usize>(), 1..4), len in 1..20_usize,
    ) {
        let x = vec![1.0; 16 * len];
        let (plan, _) = plan(&lines, &outputs, &x);
        let places = Places::of(&plan, 0).unwrap().len;
        let least = least(&plan, 0).unwrap();
        // Each of at most 25 buffers may waste less than a line.
        prop_assert!(places as f64 <= 1.5 * least as f64 + 25.0 * 16.0, "{places} {least}");
    }
}
