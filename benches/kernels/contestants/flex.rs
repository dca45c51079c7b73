//! Burn's Flex as it ships: in this program Burn is built with its default features.

use super::{Contestant, Inputs};
use crate::burn_flex::BurnFlex;
use crate::error::Result;

pub(crate) fn new(inputs: &Inputs) -> BurnFlex {
    BurnFlex::new(inputs.work, &inputs.dense, &inputs.x, &inputs.dy)
}

impl Contestant for BurnFlex {
    fn run(&mut self) -> Result<()> {
        Self::run(self);
        Ok(())
    }

    fn outputs(&self) -> Vec<f32> {
        let data = match self {
            Self::Product { y, .. } => y.iter().map(|y| y.to_data()).collect(),
            Self::Convolution { y, .. } => y.iter().map(|y| y.to_data()).collect(),
            Self::Training { results, .. } => {
                let results = results.iter().flat_map(|results| results.iter());
                results.map(|tensor| tensor.to_data()).collect::<Vec<_>>()
            }
        };
        data.iter().flat_map(|data| data.iter::<f32>()).collect()
    }
}
