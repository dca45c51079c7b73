//! The pretrained ResNet-20 on CIFAR-10 as JPEG.

use std::path::Path;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::GradientsParams;
use burn::prelude::*;
use burn::tensor::TensorData;
use secateur::methods::Distillation;
use secateur::sparse::SparseEngine;
use secateur_examples::Result;
use secateur_examples::data::{CIFAR_LABEL, CifarPart, ColourSamples, batches, cifar_jpeg};
use secateur_examples::nets::ResNet;
use secateur_examples::random::Generator;
use secateur_examples::speed::Speed;
use secateur_examples::training::Recipe;

use crate::subject::{Subject, TIMED};

/// Batches whose gradients a Taylor score sees.
const OBSERVED: usize = 10;

/// The pretrained net with the images that it is trained on and judged by.
#[derive(Debug)]
pub(crate) struct Pretrained {
    net: ResNet,
    train: ColourSamples,
    test: ColourSamples,
    tuning: Recipe,
}

impl Pretrained {
    /// One pass over a fifth of the images is what fits into minutes on two cores.
    pub(crate) fn resnet20(dir: Option<&Path>, smoke: bool) -> Result<Self> {
        let (train, test) = if smoke { (100, 50) } else { (10_000, 2_000) };
        Ok(Self {
            net: ResNet::pretrained(20, dir, &Device::flex().autodiff())?,
            train: cifar_jpeg(CifarPart::Train, train, dir)?,
            test: cifar_jpeg(CifarPart::Test, test, dir)?,
            tuning: Recipe::retrain(1).with_batch(50),
        })
    }

    /// The net with running statistics and a graph of its own.
    fn own(net: &ResNet) -> ResNet {
        net.valid().train().fork(&Device::flex().autodiff())
    }

    fn batch_gradients(
        &self,
        net: &ResNet,
        teacher: Option<&ResNet>,
        indices: &[usize],
    ) -> Result<GradientsParams> {
        let device = Device::flex().autodiff();
        let batch = self.train.batch(indices, &device);
        let logits = net.forward(batch.images.clone());
        let value = match teacher {
            None => {
                let loss = CrossEntropyLossConfig::new().init(&device);
                loss.forward(logits, batch.labels)
            }
            Some(teacher) => {
                let soft = teacher.forward(batch.images.to_device(&Device::flex()));
                Distillation::new().loss(logits, soft, batch.labels)?
            }
        };
        Ok(GradientsParams::from_grads(value.backward(), net))
    }
}

impl Subject for Pretrained {
    type Net = ResNet;
    type Images = Tensor<4>;

    fn has_norms(&self) -> bool {
        true
    }

    /// The shortcuts widen by a number of zeros that is their own channels', so that their channels
    /// have to stay; as Li et al. 2017 do, each block loses filters of its first convolution.
    fn skip(&self) -> &'static [&'static str] {
        &["conv1.weight", "**.conv2.weight"]
    }

    fn title(&self) -> String {
        let (train, test) = (self.train.len(), self.test.len());
        format!("ResNet-20, pretrained, on {CIFAR_LABEL} ({train} images, judged on {test})")
    }

    fn forward(net: &ResNet, images: Tensor<4>) -> Tensor<2> {
        net.forward(images)
    }

    fn example(&self, count: usize) -> Tensor<4> {
        let pixels: Vec<f32> = (0..count * 3 * 1024)
            .map(|at| (at * 7 % 255) as f32 / 127.5 - 1.0)
            .collect();
        Tensor::from_data(TensorData::new(pixels, [count, 3, 32, 32]), &Device::flex())
    }

    fn dense(&self, _seed: u64, _lambda: Option<f64>) -> Result<ResNet> {
        Ok(Self::own(&self.net))
    }

    fn lambda(&self) -> Option<f64> {
        None
    }

    fn tuned(&self, net: ResNet, teacher: Option<&ResNet>, seed: u64) -> Result<ResNet> {
        let teacher = teacher.map(Module::valid);
        let mut net = Self::own(&net);
        let mut optimizer = self.tuning.optimizer();
        let mut order = Generator::new(seed, "order");
        let total = self.tuning.steps(self.train.len())?;
        for (step, indices) in batches(self.train.len(), self.tuning.batch, &mut order)
            .into_iter()
            .enumerate()
        {
            let gradients = self.batch_gradients(&net, teacher.as_ref(), &indices)?;
            net = optimizer.step(self.tuning.rate_at(step, total), net, gradients);
        }
        Ok(net)
    }

    fn fresh(&self, _seed: u64) -> ResNet {
        ResNet::cifar(20, &Device::flex().autodiff())
    }

    fn retrained(&self, _net: ResNet, _seed: u64, _times: f64) -> Result<Option<ResNet>> {
        // The pretrained net had 200 epochs.
        Ok(None)
    }

    fn gradients(&self, net: &ResNet, seed: u64) -> Result<Vec<GradientsParams>> {
        // Norms in training move their running statistics.
        let probe = Self::own(net);
        let mut order = Generator::new(seed, "taylor batches");
        let all = batches(self.train.len(), self.tuning.batch, &mut order);
        let all = all.into_iter().take(OBSERVED);
        all.map(|indices| self.batch_gradients(&probe, None, &indices))
            .collect()
    }

    fn right(&self, net: &ResNet) -> f64 {
        let (net, device) = (net.valid(), Device::flex());
        let right = self.test.batches(100, &device).map(|batch| {
            let guess = net.forward(batch.images).argmax(1).squeeze_dim::<1>(1);
            let right = guess.equal(batch.labels).int().sum();
            f64::from(right.into_scalar::<i32>())
        });
        100.0 * right.sum::<f64>() / self.test.len().max(1) as f64
    }

    fn speed(&self, net: &ResNet) -> Result<Speed> {
        let (net, images) = (net.valid(), self.example(TIMED));
        let engine = SparseEngine::compile(&net, images.clone(), ResNet::forward)?;
        Ok(Speed::of(&net, ResNet::forward, &engine, &images)?)
    }
}
