//! What every model is put through.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use secateur::core::layers::Prunable;
use secateur::graph::{Counts, GraphTensors, ModelGraph};
use secateur::random::Stream;
use secateur::structure::coupling::{Coupling, Group, Unit};
use secateur::structure::plan::Plan;

use super::layers::seeded;

/// A small model.
pub trait Topology: Module + Prunable {
    type Input: GraphTensors + Clone;
    type Output: GraphTensors + Regression;

    /// The groups that may lose channels, by name and size, in the order of their first use.
    const FREE: &'static [&'static str];
    /// Those of them that `forward` holds to their size by a number of its own.
    const HELD: &'static [&'static str] = &[];
    /// Whether the smaller model computes the same whatever goes.
    const EXACT: bool = true;

    fn new(device: &Device) -> Self;
    fn example(device: &Device) -> Self::Input;
    fn run(&self, input: Self::Input) -> Self::Output;

    fn coupling(&self) -> Coupling {
        let example = Self::example(&Device::flex());
        let captured = ModelGraph::capture(self, example, Self::run).unwrap();
        Coupling::of_layers(self, &captured, &[]).unwrap()
    }
}

/// Outputs that can be fitted to fixed numbers.
pub trait Regression {
    fn loss(self) -> Tensor<1>;
}

impl<const D: usize> Regression for Tensor<D> {
    fn loss(self) -> Tensor<1> {
        let shape = self.dims();
        let mut random = Stream::new(3, "target", 0);
        let count = shape.iter().product();
        let wanted: Vec<f32> = (0..count).map(|_| 2.0 * random.uniform() - 1.0).collect();
        let wanted = Tensor::from_data(TensorData::new(wanted, shape), &self.device());
        (self - wanted).square().mean()
    }
}

impl<A: Regression, B: Regression> Regression for (A, B) {
    fn loss(self) -> Tensor<1> {
        self.0.loss() + self.1.loss()
    }
}

/// Gives each model a test.
macro_rules! topologies {
    ($($name:ident: $model:ty),+ $(,)?) => {$(
        #[test]
        fn $name() {
            $crate::topologies::check::check::<$model>();
        }
    )+};
}
pub(super) use topologies;

pub fn name_of(group: &Group) -> String {
    format!("{} {}", group.name(), group.size)
}

/// A model whose weights are the same in every run.
pub fn model<M: Topology>(device: &Device) -> M {
    seeded(M::new(device))
}

/// `share` of the places of every group that `forward` follows, at random; without one, of each
/// group another share.
pub fn random_plan<M: Topology>(
    coupling: &Coupling,
    share: impl Into<Option<f64>>,
    seed: u64,
) -> Plan<'_> {
    let share = share.into();
    let mut plan = Plan::new(coupling);
    for (nth, group) in coupling.groups().iter().enumerate() {
        if !group.is_free() || M::HELD.contains(&name_of(group).as_str()) {
            continue;
        }
        let mut places: Vec<usize> = (0..group.size).collect();
        let mut random = Stream::new(seed, group.name(), nth);
        random.shuffle(&mut places);
        let share = share.unwrap_or_else(|| 0.9 * f64::from(random.uniform()));
        let count = ((share * group.size as f64).round() as usize).min(group.size - 1);
        for &place in &places[..count] {
            let axis = group.axis;
            plan.remove(Unit { axis, place }).unwrap();
        }
    }
    plan
}

pub fn check<M: Topology>() {
    let device = Device::flex();
    let net: M = model(&device);
    let coupling = net.coupling();
    let free = coupling.groups().iter().filter(|group| group.is_free());
    let free: Vec<String> = free.map(name_of).collect();
    assert_eq!(free, M::FREE, "{}", coupling.graph());
    for share in [0.1, 0.3, 0.5, 0.7] {
        for seed in 0..5 {
            let plan = random_plan::<M>(&coupling, share, seed);
            removal(&net, &plan, &format!("{share} with seed {seed}"));
        }
    }
    for seed in 0..3 {
        let plan = random_plan::<M>(&coupling, None, seed);
        removal(&net, &plan, &format!("shares of seed {seed}"));
    }
    training::<M>();
}

fn removal<M: Topology>(net: &M, plan: &Plan<'_>, what: &str) {
    let device = Device::flex();
    let applied = plan.apply(net, M::example(&device), M::run);
    let (smaller, certificate) = match applied {
        Ok(applied) => applied,
        Err(error) => panic!("{what}: {error}\n{plan}\n{}", plan.coupling().graph()),
    };
    assert!(certificate.difference.is_finite(), "{what}: {certificate}");
    if M::EXACT {
        assert!(certificate.is_exact(), "{what}: {certificate}");
        assert!(certificate.changes.is_empty(), "{what}: {certificate}");
    }
    let (before, after) = plan.counts();
    let captured = ModelGraph::capture(&smaller, M::example(&device), M::run).unwrap();
    let found = Counts::of(captured.graph());
    let [whole, left] = [net, &smaller].map(elements);
    let all = |counts: &Counts| counts.parameters().dense + counts.unused_parameters;
    assert_eq!(all(&before), whole, "{what}");
    assert_eq!(all(&after), left, "{what}");
    let [foreseen, found] = [&after, &found].map(|counts| counts.multiply_adds().dense);
    assert_eq!(foreseen, found, "{what}");
    if !plan.removed().is_empty() {
        assert!(left < whole, "{what}");
    }
}

/// Elements of all parameters but running statistics.
pub fn elements<M: Module>(model: &M) -> u64 {
    struct Elements {
        path: Vec<String>,
        count: u64,
    }

    impl ModuleVisitor for Elements {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.into());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let name = self.path.last().map_or("", String::as_str);
            if !name.starts_with("running_") {
                self.count += param.val().shape().num_elements() as u64;
            }
        }
    }

    let mut elements = Elements {
        path: Vec::new(),
        count: 0,
    };
    model.visit(&mut elements);
    elements.count
}

/// Ten steps on the smaller model lower its loss.
fn training<M: Topology>() {
    let device = Device::flex().autodiff();
    let whole: M = model(&device);
    let coupling = whole.coupling();
    let plan = random_plan::<M>(&coupling, 0.5, 1);
    let applied = plan.apply(&whole, M::example(&Device::flex()), M::run);
    let (mut net, _) = applied.unwrap();
    let mut optimizer = SgdConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..=10 {
        let loss = net.run(M::example(&device)).loss();
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        net = optimizer.step(0.02, net, gradients);
    }
    assert!(losses[10] < losses[0], "{losses:?}");
}
