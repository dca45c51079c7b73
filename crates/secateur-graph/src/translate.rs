//! From Burn's operations to the graph's.

use burn::tensor::Slice;
use burn_ir::{
    ActivationOperationIr as Activation, BaseOperationIr as Base, BoolOperationIr as BoolOp,
    FloatOperationIr as Float, IntOperationIr as IntOp, ModuleOperationIr as Module,
    NumericOperationIr as Numeric, OperationIr, ScalarIr, TensorIr,
};

use crate::kind::{ConvOptions, OpKind, Span};

/// An operation with its tensors in the order that [`OpKind`] gives.
pub(crate) struct Translated<'a> {
    pub(crate) kind: OpKind,
    pub(crate) inputs: Vec<&'a TensorIr>,
    pub(crate) outputs: Vec<&'a TensorIr>,
}

/// Why an operation has no form in the graph.
pub(crate) struct Refused {
    pub(crate) name: String,
    pub(crate) remedy: &'static str,
}

/// The operation as the graph has it.
pub(crate) fn translate(operation: &OperationIr) -> Result<Translated<'_>, Refused> {
    let kind = match operation {
        OperationIr::BaseFloat(base) | OperationIr::BaseInt(base) | OperationIr::BaseBool(base) => {
            of_base(base)
        }
        OperationIr::NumericFloat(_, numeric) | OperationIr::NumericInt(_, numeric) => {
            of_numeric(numeric)
        }
        OperationIr::Float(_, float) => of_float(float),
        OperationIr::Int(int) => match int {
            IntOp::Matmul(_) => OpKind::Matmul,
            IntOp::IntoFloat(_) => OpKind::Cast,
            other => elementwise(other, None),
        },
        OperationIr::Bool(bool) => match bool {
            BoolOp::IntoFloat(_) | BoolOp::IntoInt(_) => OpKind::Cast,
            other => elementwise(other, None),
        },
        OperationIr::Activation(activation) => of_activation(activation),
        OperationIr::Module(module) => return of_module(module, operation),
        OperationIr::Custom(custom) => OpKind::Other {
            name: custom.id.clone(),
        },
        OperationIr::Init(_) | OperationIr::Drop(_) | OperationIr::Distributed(_) => {
            return Err(Refused {
                name: variant(operation),
                remedy: "it belongs to training on several devices; capture the model alone",
            });
        }
    };
    Ok(Translated {
        kind,
        inputs: operation.inputs().collect(),
        outputs: operation.outputs().collect(),
    })
}

/// The name of an enum's variant, as Burn writes it.
fn variant(operation: &impl std::fmt::Debug) -> String {
    let text = format!("{operation:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}

fn elementwise(operation: &impl std::fmt::Debug, scalar: Option<&ScalarIr>) -> OpKind {
    OpKind::Elementwise {
        name: variant(operation),
        scalar: scalar.map(number),
    }
}

fn number(scalar: &ScalarIr) -> f64 {
    match *scalar {
        ScalarIr::Float(value) => value,
        ScalarIr::Int(value) => value as f64,
        ScalarIr::UInt(value) => value as f64,
        ScalarIr::Bool(value) => f64::from(u8::from(value)),
    }
}

fn reduce(operation: &impl std::fmt::Debug, dims: Vec<usize>) -> OpKind {
    OpKind::Reduce {
        name: variant(operation),
        dims,
    }
}

fn along(operation: &impl std::fmt::Debug, dim: usize) -> OpKind {
    OpKind::Along {
        name: variant(operation),
        dim,
    }
}

fn spans(ranges: &[Slice], shape: &[usize]) -> Vec<Span> {
    let parts = ranges.iter().zip(shape);
    parts
        .map(|(slice, &len)| {
            let place = |at: isize| {
                let from_end = if at < 0 { len as isize + at } else { at };
                from_end.clamp(0, len as isize) as usize
            };
            Span {
                start: place(slice.start),
                end: slice.end.map_or(len, place),
                step: slice.step,
            }
        })
        .collect()
}

fn of_base(base: &Base) -> OpKind {
    match base {
        Base::Reshape(_) => OpKind::Reshape,
        Base::SwapDims(swap) => {
            let mut axes: Vec<usize> = (0..swap.input.shape.num_dims()).collect();
            axes.swap(swap.dim1, swap.dim2);
            OpKind::Permute { axes }
        }
        Base::Permute(permute) => OpKind::Permute {
            axes: permute.axes.clone(),
        },
        Base::Flip(flip) => OpKind::Flip {
            axes: flip.axes.clone(),
        },
        Base::Expand(_) => OpKind::Expand,
        Base::Unfold(unfold) => OpKind::Unfold {
            dim: unfold.dim,
            size: unfold.size,
            step: unfold.step,
        },
        Base::Slice(slice) => OpKind::Slice {
            spans: spans(&slice.ranges, &dims(&slice.tensor)),
        },
        Base::SliceAssign(slice) => OpKind::SliceAssign {
            spans: spans(&slice.ranges, &dims(&slice.tensor)),
        },
        Base::Select(select) => OpKind::Select { dim: select.dim },
        Base::Gather(gather) => OpKind::Gather { dim: gather.dim },
        Base::RepeatDim(repeat) => OpKind::Repeat {
            dim: repeat.dim,
            times: repeat.times,
        },
        Base::Cat(cat) => OpKind::Concat { dim: cat.dim },
        Base::Cast(_) => OpKind::Cast,
        Base::Empty(_) | Base::Ones(_) | Base::Zeros(_) => OpKind::Create {
            name: variant(base),
        },
        Base::MaskWhere(_) | Base::Equal(_) | Base::NotEqual(_) => elementwise(base, None),
        Base::MaskFill(fill) => elementwise(base, Some(&fill.value)),
        Base::EqualElem(op) | Base::NotEqualElem(op) => elementwise(base, Some(&op.rhs)),
        Base::All(_) | Base::Any(_) => reduce(base, Vec::new()),
        Base::AllDim(op) | Base::AnyDim(op) => reduce(base, vec![op.axis]),
        Base::SelectAssign(_) | Base::Scatter(_) | Base::ScatterNd(_) | Base::GatherNd(_) => {
            OpKind::Other {
                name: variant(base),
            }
        }
    }
}

fn of_numeric(numeric: &Numeric) -> OpKind {
    match numeric {
        Numeric::Mean(_)
        | Numeric::Sum(_)
        | Numeric::Prod(_)
        | Numeric::Max(_)
        | Numeric::Min(_)
        | Numeric::MaxAbs(_) => reduce(numeric, Vec::new()),
        Numeric::MeanDim(op)
        | Numeric::SumDim(op)
        | Numeric::ProdDim(op)
        | Numeric::ArgMax(op)
        | Numeric::ArgMin(op)
        | Numeric::MaxDim(op)
        | Numeric::MinDim(op)
        | Numeric::MaxAbsDim(op) => reduce(numeric, vec![op.axis]),
        Numeric::SumDims(op) => reduce(numeric, op.axes.clone()),
        Numeric::MaxDimWithIndices(op) | Numeric::MinDimWithIndices(op) => {
            reduce(numeric, vec![op.dim])
        }
        Numeric::CumSum(op) | Numeric::CumProd(op) | Numeric::CumMin(op) | Numeric::CumMax(op) => {
            along(numeric, op.axis)
        }
        Numeric::Sort(op) | Numeric::ArgSort(op) => along(numeric, op.dim),
        Numeric::SortWithIndices(op) => along(numeric, op.dim),
        Numeric::Pad(pad) => OpKind::Pad {
            padding: pad.padding.clone(),
        },
        Numeric::Full(_) | Numeric::IntRandom(_) => OpKind::Create {
            name: variant(numeric),
        },
        Numeric::TopK(_) | Numeric::ArgTopK(_) | Numeric::TopKWithIndices(_) => OpKind::Other {
            name: variant(numeric),
        },
        Numeric::AddScalar(op)
        | Numeric::SubScalar(op)
        | Numeric::DivScalar(op)
        | Numeric::RemScalar(op)
        | Numeric::MulScalar(op)
        | Numeric::GreaterElem(op)
        | Numeric::GreaterEqualElem(op)
        | Numeric::LowerElem(op)
        | Numeric::LowerEqualElem(op)
        | Numeric::PowiScalar(op)
        | Numeric::ClampMin(op)
        | Numeric::ClampMax(op) => elementwise(numeric, Some(&op.rhs)),
        other => elementwise(other, None),
    }
}

fn of_float(float: &Float) -> OpKind {
    match float {
        Float::Matmul(_) => OpKind::Matmul,
        Float::IntoInt(_) => OpKind::Cast,
        Float::Random(_) => OpKind::Create {
            name: variant(float),
        },
        Float::PowfScalar(op) => elementwise(float, Some(&op.rhs)),
        Float::Cross(_) | Float::Quantize(_) | Float::Dequantize(_) | Float::GridSample2d(_) => {
            OpKind::Other {
                name: variant(float),
            }
        }
        other => elementwise(other, None),
    }
}

fn of_activation(activation: &Activation) -> OpKind {
    match activation {
        Activation::Softmax(op) | Activation::LogSoftmax(op) | Activation::Softmin(op) => {
            along(activation, op.axis)
        }
        Activation::LeakyRelu(op) => elementwise(activation, Some(&op.rhs)),
        other => elementwise(other, None),
    }
}

fn of_module<'a>(module: &'a Module, operation: &'a OperationIr) -> Result<Translated<'a>, Refused> {
    let done = |kind, inputs: Vec<&'a TensorIr>, out: &'a TensorIr| {
        Ok(Translated {
            kind,
            inputs,
            outputs: vec![out],
        })
    };
    macro_rules! conv {
        ($op:expr, $padding:expr) => {{
            let options = ConvOptions {
                stride: $op.options.stride.to_vec(),
                padding: $padding,
                dilation: $op.options.dilation.to_vec(),
                groups: $op.options.groups,
            };
            let inputs = [&$op.x, &$op.weight].into_iter().chain(&$op.bias).collect();
            (options, inputs)
        }};
    }
    macro_rules! conv_transpose {
        ($op:expr) => {{
            let both = $op.options.padding.map(|pixels| (pixels, pixels)).to_vec();
            let (options, inputs) = conv!($op, both);
            let padding_out = $op.options.padding_out.to_vec();
            done(
                OpKind::ConvTranspose {
                    options,
                    padding_out,
                },
                inputs,
                &$op.out,
            )
        }};
    }
    macro_rules! pool {
        ($op:expr) => {{
            let kind = OpKind::Pool {
                name: variant(module),
                kernel: sizes($op.kernel_size),
                stride: sizes($op.stride),
                padding: sizes($op.padding),
            };
            Ok(Translated {
                kind,
                inputs: vec![&$op.x],
                outputs: operation.outputs().collect(),
            })
        }};
    }
    match module {
        Module::Linear(op) => done(
            OpKind::Linear,
            [&op.x, &op.weight].into_iter().chain(&op.bias).collect(),
            &op.out,
        ),
        Module::Conv1d(op) => {
            let (options, inputs) = conv!(op, op.options.padding.to_vec());
            done(OpKind::Conv(options), inputs, &op.out)
        }
        Module::Conv2d(op) => {
            let (options, inputs) = conv!(op, op.options.padding.to_vec());
            done(OpKind::Conv(options), inputs, &op.out)
        }
        Module::Conv3d(op) => {
            let both = op.options.padding.map(|pixels| (pixels, pixels)).to_vec();
            let (options, inputs) = conv!(op, both);
            done(OpKind::Conv(options), inputs, &op.out)
        }
        Module::ConvTranspose1d(op) => conv_transpose!(op),
        Module::ConvTranspose2d(op) => conv_transpose!(op),
        Module::ConvTranspose3d(op) => conv_transpose!(op),
        Module::BatchNorm(op) => done(
            OpKind::BatchNorm {
                epsilon: number(&op.epsilon),
            },
            vec![&op.x, &op.gamma, &op.beta, &op.mean, &op.variance],
            &op.out,
        ),
        Module::LayerNorm(op) => done(
            OpKind::LayerNorm {
                epsilon: number(&op.epsilon),
            },
            [&op.input, &op.gamma].into_iter().chain(&op.beta).collect(),
            &op.out,
        ),
        Module::Embedding(op) => done(OpKind::Embedding, vec![&op.weights, &op.indices], &op.out),
        Module::Attention(op) => done(
            OpKind::Attention,
            [&op.query, &op.key, &op.value]
                .into_iter()
                .chain(&op.mask)
                .chain(&op.attn_bias)
                .collect(),
            &op.out,
        ),
        Module::AvgPool1d(op) => pool!(op),
        Module::AvgPool2d(op) => pool!(op),
        Module::MaxPool1d(op) => pool!(op),
        Module::MaxPool2d(op) => pool!(op),
        Module::MaxPool1dWithIndices(op) => pool!(op),
        Module::MaxPool2dWithIndices(op) => pool!(op),
        Module::AdaptiveAvgPool1d(op) => done(OpKind::AdaptivePool, vec![&op.x], &op.out),
        Module::AdaptiveAvgPool2d(op) => done(OpKind::AdaptivePool, vec![&op.x], &op.out),
        Module::AdaptiveAvgPool3d(op) => done(OpKind::AdaptivePool, vec![&op.x], &op.out),
        Module::Interpolate(op) => done(OpKind::Interpolate, vec![&op.x], &op.out),
        Module::DeformableConv2d(_) | Module::CtcLoss(_) | Module::Unfold4d(_) => Ok(Translated {
            kind: OpKind::Other {
                name: variant(module),
            },
            inputs: operation.inputs().collect(),
            outputs: operation.outputs().collect(),
        }),
        other => Err(Refused {
            name: variant(other),
            remedy: "a forward pass has no gradients; capture `forward` without a loss's backward",
        }),
    }
}

/// One size or several, as a list.
fn sizes(sizes: impl IntoSizes) -> Vec<usize> {
    sizes.into_sizes()
}

trait IntoSizes {
    fn into_sizes(self) -> Vec<usize>;
}

impl IntoSizes for usize {
    fn into_sizes(self) -> Vec<usize> {
        vec![self]
    }
}

impl<const N: usize> IntoSizes for [usize; N] {
    fn into_sizes(self) -> Vec<usize> {
        self.to_vec()
    }
}

/// The dimensions of a tensor.
pub(crate) fn dims(tensor: &TensorIr) -> Vec<usize> {
    tensor.shape.iter().copied().collect()
}
