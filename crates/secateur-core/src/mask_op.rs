//! The one operation that a mask adds to a forward pass, and how its gradient flows.

use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

/// How the gradient of the effective weight reaches the stored one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum GradientFlow {
    /// Removed elements get no gradient.
    #[default]
    Masked,
    /// Every element gets the gradient of the effective weight (straight-through), so removed
    /// elements go on learning while the forward pass sees exact zeros. Wanted by dynamic network
    /// surgery, and by RigL to see where to grow.
    Dense,
    /// A second mask says which elements get a gradient (Top-KAST's larger backward set).
    Backward,
}

impl std::fmt::Display for GradientFlow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Masked => "masked",
            Self::Dense => "dense",
            Self::Backward => "backward mask",
        })
    }
}

/// `weight` with exactly +0.0 wherever `removed` is true, whatever the weight holds there.
///
/// `weight` and `removed` have one shape. The gradient is stopped where `blocked` is true: pass
/// `removed` again for a plain mask, `None` for the dense (straight-through) gradient.
pub(crate) fn masked<const D: usize>(
    weight: Tensor<D>,
    removed: Tensor<D, Bool>,
    blocked: Option<Tensor<D, Bool>>,
) -> Tensor<D> {
    if !weight.is_autodiff() {
        return weight.mask_fill(removed, 0.0);
    }
    #[cfg(any(feature = "flex", feature = "ndarray", feature = "wgpu"))]
    if extension::covers(&weight.device()) {
        return extension::masked(weight, removed, blocked);
    }
    let Some(blocked) = blocked else {
        // Adds what is exactly zero for finite weights and carries the gradient.
        let fixed = weight.clone().detach();
        return fixed.clone().mask_fill(removed, 0.0) + (weight - fixed);
    };
    let open = weight.clone().mask_fill(blocked, 0.0);
    let fixed = open.clone().detach();
    weight.detach().mask_fill(removed, 0.0) + (open - fixed)
}

/// The mask as one differentiable operation.
///
/// Burn's own `mask_fill` is as fast forward, but its backward pass fills the gradient in place,
/// one branch per element, which costs a training step of a small net 20 to 40 %. This one masks
/// the gradient out of place, which Burn's backends vectorise.
#[cfg(any(feature = "flex", feature = "ndarray", feature = "wgpu"))]
mod extension {
    #![allow(deprecated)] // NdArray is deprecated in Burn 0.22 and supported here

    use burn::backend::{
        Autodiff, Backend, Dispatch, DispatchDevice,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind, unary},
        },
        backend_extension,
        tensor::{BoolTensor, FloatTensor},
    };
    use burn::tensor::{Bool, Device, Tensor};

    #[cfg(feature = "wgpu")]
    use burn::backend::Cube;
    #[cfg(feature = "flex")]
    use burn::backend::Flex;
    #[cfg(feature = "ndarray")]
    use burn::backend::NdArray;

    /// Whether the backend of `device` has the operation.
    pub(super) fn covers(device: &Device) -> bool {
        match device.clone().without_autodiff().as_dispatch() {
            #[cfg(feature = "flex")]
            DispatchDevice::Flex(_) => true,
            #[cfg(feature = "ndarray")]
            DispatchDevice::NdArray(_) => true,
            #[cfg(feature = "wgpu")]
            DispatchDevice::Cube(_) => true,
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    pub(super) fn masked<const D: usize>(
        weight: Tensor<D>,
        removed: Tensor<D, Bool>,
        blocked: Option<Tensor<D, Bool>>,
    ) -> Tensor<D> {
        let weight = weight.into_dispatch();
        let removed = removed.into_dispatch();
        Tensor::from_dispatch(match blocked {
            Some(blocked) => {
                <Dispatch as MaskBackend>::mask_weight(weight, removed, blocked.into_dispatch())
            }
            None => <Dispatch as MaskBackend>::mask_weight_dense(weight, removed),
        })
    }

    #[backend_extension(
        Flex: cfg(feature = "flex"),
        NdArray: cfg(feature = "ndarray"),
        Cube: cfg(feature = "wgpu"),
        Autodiff
    )]
    pub(crate) trait MaskBackend: Backend {
        fn mask_weight(
            weight: FloatTensor<Self>,
            removed: BoolTensor<Self>,
            _blocked: BoolTensor<Self>,
        ) -> FloatTensor<Self> {
            Self::float_mask_fill(weight, removed, 0f32.into())
        }

        fn mask_weight_dense(
            weight: FloatTensor<Self>,
            removed: BoolTensor<Self>,
        ) -> FloatTensor<Self> {
            Self::float_mask_fill(weight, removed, 0f32.into())
        }
    }

    #[cfg(feature = "flex")]
    impl MaskBackend for Flex {}
    #[cfg(feature = "ndarray")]
    impl MaskBackend for NdArray {}
    #[cfg(feature = "wgpu")]
    impl MaskBackend for Cube {}

    /// Stops the gradient where the state is true.
    #[derive(Debug)]
    struct Blocked;

    impl<B: Backend> Backward<B, 1> for Blocked {
        type State = BoolTensor<B>;

        fn backward(
            self,
            ops: Ops<Self::State, 1>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            unary::<B, _>(ops.parents, ops.node, grads, |grad| {
                // A second handle makes the backend write to fresh memory with its vectorised
                // loop instead of branching on every element in place.
                let _shared = grad.clone();
                B::float_mask_fill(grad, ops.state, 0f32.into())
            });
        }
    }

    /// Passes the gradient as it is.
    #[derive(Debug)]
    struct Open;

    impl<B: Backend> Backward<B, 1> for Open {
        type State = ();

        fn backward(
            self,
            ops: Ops<Self::State, 1>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            unary::<B, _>(ops.parents, ops.node, grads, |grad| grad);
        }
    }

    impl<B: MaskBackend, C: CheckpointStrategy> MaskBackend for Autodiff<B, C> {
        fn mask_weight(
            weight: FloatTensor<Self>,
            removed: BoolTensor<Self>,
            blocked: BoolTensor<Self>,
        ) -> FloatTensor<Self> {
            let (weight, node) = weight.into_parts();
            let output = B::float_mask_fill(weight, removed, 0f32.into());
            match Blocked.prepare::<C>([node]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(blocked, output),
                OpsKind::UnTracked(prep) => prep.finish(output),
            }
        }

        fn mask_weight_dense(
            weight: FloatTensor<Self>,
            removed: BoolTensor<Self>,
        ) -> FloatTensor<Self> {
            let (weight, node) = weight.into_parts();
            let output = B::float_mask_fill(weight, removed, 0f32.into());
            Open.prepare::<C>([node]).compute_bound().stateless(output)
        }
    }
}
