//! The device that the tests run on.

use burn::tensor::Device;

/// The device that `SECATEUR_DEVICE` names, Flex by default.
pub fn device() -> Device {
    match std::env::var("SECATEUR_DEVICE").as_deref() {
        Err(_) | Ok("" | "flex") => Device::flex(),
        #[cfg(feature = "ndarray")]
        #[allow(deprecated)]
        Ok("ndarray") => Device::ndarray(),
        #[cfg(feature = "wgpu")]
        Ok("wgpu") => Device::wgpu(burn::tensor::DeviceKind::DefaultDevice),
        Ok(other) => panic!("SECATEUR_DEVICE={other} is not a device of this build"),
    }
}

/// The same, with gradients.
pub fn training_device() -> Device {
    device().autodiff()
}
