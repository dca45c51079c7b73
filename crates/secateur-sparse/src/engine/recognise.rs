//! Which of Burn's operations the engine runs itself, and with what settings.

use burn::tensor::{DType, TensorData};
use burn_ir::{
    ActivationOperationIr as Activation, BaseOperationIr as Base, FloatOperationIr as Float,
    ModuleOperationIr as Module, NumericOperationIr as Numeric, OperationIr, PadModeIr, ScalarIr,
};

use super::plan::{Binary, Pooling, Unary, Windows};

/// The number beside a tensor.
fn number(scalar: &ScalarIr) -> f32 {
    match *scalar {
        ScalarIr::Float(value) => value as f32,
        ScalarIr::Int(value) => value as f32,
        ScalarIr::UInt(value) => value as f32,
        ScalarIr::Bool(value) => f32::from(u8::from(value)),
    }
}

/// An operation on each element of one tensor.
pub(crate) fn unary(operation: &OperationIr) -> Option<Unary> {
    Some(match operation {
        OperationIr::Activation(Activation::Relu(_)) => Unary::Relu,
        OperationIr::Activation(Activation::Gelu(_)) => Unary::Gelu,
        OperationIr::Activation(Activation::Sigmoid(_)) => Unary::Sigmoid,
        OperationIr::Activation(Activation::LeakyRelu(op)) => Unary::LeakyRelu(number(&op.rhs)),
        OperationIr::Float(_, Float::Tanh(_)) => Unary::Tanh,
        OperationIr::Float(_, Float::Exp(_)) => Unary::Exp,
        OperationIr::Float(_, Float::Sqrt(_)) => Unary::Sqrt,
        OperationIr::NumericFloat(_, Numeric::AddScalar(op)) => Unary::Add(number(&op.rhs)),
        OperationIr::NumericFloat(_, Numeric::SubScalar(op)) => Unary::Add(-number(&op.rhs)),
        OperationIr::NumericFloat(_, Numeric::MulScalar(op)) => Unary::Mul(number(&op.rhs)),
        OperationIr::NumericFloat(_, Numeric::DivScalar(op)) => Unary::Div(number(&op.rhs)),
        OperationIr::NumericFloat(_, Numeric::ClampMin(op)) => Unary::AtLeast(number(&op.rhs)),
        OperationIr::NumericFloat(_, Numeric::ClampMax(op)) => Unary::AtMost(number(&op.rhs)),
        _ => return None,
    })
}

/// An operation on each element of two tensors.
pub(crate) fn binary(operation: &OperationIr) -> Option<Binary> {
    Some(match operation {
        OperationIr::NumericFloat(_, Numeric::Add(_)) => Binary::Add,
        OperationIr::NumericFloat(_, Numeric::Sub(_)) => Binary::Sub,
        OperationIr::NumericFloat(_, Numeric::Mul(_)) => Binary::Mul,
        OperationIr::NumericFloat(_, Numeric::Div(_)) => Binary::Div,
        _ => return None,
    })
}

/// A pooling of `[batch, channels, width]` or `[batch, channels, height, width]`.
pub(crate) fn pooling(operation: &OperationIr) -> Option<Pooling> {
    let OperationIr::Module(module) = operation else {
        return None;
    };
    let line = |kernel, stride, padding| Windows {
        kernel: [1, kernel],
        stride: [1, stride],
        padding: [0, padding],
    };
    Some(match module {
        Module::MaxPool1d(op) if op.dilation == 1 && !op.ceil_mode => {
            Pooling::Max(line(op.kernel_size, op.stride, op.padding))
        }
        Module::MaxPool2d(op) if op.dilation == [1, 1] && !op.ceil_mode => Pooling::Max(Windows {
            kernel: op.kernel_size,
            stride: op.stride,
            padding: op.padding,
        }),
        Module::AvgPool1d(op) if !op.ceil_mode => Pooling::Mean {
            windows: line(op.kernel_size, op.stride, op.padding),
            with_padding: op.count_include_pad,
        },
        Module::AvgPool2d(op) if !op.ceil_mode => Pooling::Mean {
            windows: Windows {
                kernel: op.kernel_size,
                stride: op.stride,
                padding: op.padding,
            },
            with_padding: op.count_include_pad,
        },
        Module::AdaptiveAvgPool1d(op) => Pooling::Adaptive([1, op.output_size]),
        Module::AdaptiveAvgPool2d(op) => Pooling::Adaptive(op.output_size),
        _ => return None,
    })
}

/// What a padding fills with, where it is one value.
pub(crate) fn pad_value(operation: &OperationIr) -> Option<f32> {
    match operation {
        OperationIr::NumericFloat(_, Numeric::Pad(op)) => match &op.mode {
            PadModeIr::Constant(value) => Some(number(value)),
            PadModeIr::Reflect | PadModeIr::Edge => None,
        },
        _ => None,
    }
}

/// The value of a tensor that is nothing else.
pub(crate) fn fill(operation: &OperationIr) -> Option<f32> {
    match operation {
        OperationIr::BaseFloat(Base::Zeros(_)) => Some(0.0),
        OperationIr::BaseFloat(Base::Ones(_)) => Some(1.0),
        OperationIr::NumericFloat(_, Numeric::Full(op)) => Some(number(&op.value)),
        _ => None,
    }
}

/// The values of an `f32` constant.
pub(crate) fn floats(data: &TensorData) -> Option<Vec<f32>> {
    (data.dtype() == DType::F32).then(|| data.iter::<f32>().collect())
}
