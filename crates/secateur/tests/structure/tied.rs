//! Layers that their author declares tied.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use secateur::Prune;
use secateur::structure::coupling::Coupling;
use secateur::structure::error::StructureError;

#[derive(Module, Prune, Debug)]
struct Net {
    #[prune(tied = "stream")]
    first: Linear,
    #[prune(tied = "stream")]
    second: Linear,
    last: Linear,
}

fn coupling(forward: impl Fn(&Net, Tensor<2>) -> Tensor<2>) -> Result<Coupling, StructureError> {
    let device = Device::flex();
    let net = Net {
        first: LinearConfig::new(4, 4).init(&device),
        second: LinearConfig::new(4, 4).init(&device),
        last: LinearConfig::new(4, 2).init(&device),
    };
    Coupling::of_model(&net, Tensor::zeros([3, 4], &device), forward)
}

#[test]
fn a_sum_ties_what_it_adds() {
    let tied = coupling(|net, x| {
        let y = net.first.forward(x);
        net.last.forward(relu(net.second.forward(y.clone()) + y))
    });
    assert!(tied.is_ok());
}

#[test]
fn a_declaration_that_forward_contradicts_shows_both() {
    let error = coupling(|net, x| {
        let y = relu(net.first.forward(x));
        net.last.forward(relu(net.second.forward(y)))
    });
    let error = error.unwrap_err();
    let StructureError::NotTied {
        first_goes_with,
        second_goes_with,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(first_goes_with, "first.weight, first.bias, second.weight");
    assert_eq!(second_goes_with, "second.weight, second.bias, last.weight");
}
