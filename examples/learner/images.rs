//! Images for Burn's `Learner`, in an order that a resumed run takes up where it was left.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{
    BatchDataloaderIterator, DataLoader, DataLoaderBuilder, DataLoaderIterator, FixBatchStrategy,
};
use burn::data::dataset::{Dataset, DatasetError, InMemDataset};
use burn::tensor::Device;
use secateur_examples::data::{Batch, Samples, Starter, batches};
use secateur_examples::random::Generator;

/// Images a validation step.
const JUDGED_AT_ONCE: usize = 500;

/// The images as a Burn dataset. An item is an image's index: the pixels stay where they are until
/// the batcher makes a tensor of them.
#[derive(Clone, Debug)]
struct Images(Arc<Samples<Starter>>);

impl Dataset<usize> for Images {
    fn get(&self, index: usize) -> Result<usize, DatasetError> {
        Ok(index)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Batcher<usize, Batch> for Images {
    fn batch(&self, indices: Vec<usize>, device: &Device) -> Batch {
        self.0.batch(&indices, device)
    }
}

/// The images to be judged on, in their own order.
pub(crate) fn valid_loader(samples: Samples<Starter>) -> Arc<dyn DataLoader<Batch>> {
    let images = Images(Arc::new(samples));
    DataLoaderBuilder::new(images.clone())
        .batch_size(JUDGED_AT_ONCE)
        .build(images)
}

/// The images to learn from, in an order drawn from the seed and the number of the epoch.
///
/// Burn's own shuffling loader draws one epoch's order after another from a single generator,
/// which no checkpoint saves: a resumed run would meet the order of the first epoch again.
#[derive(Clone, Debug)]
pub(crate) struct TrainLoader {
    images: Images,
    range: Range<usize>,
    batch: usize,
    seed: u64,
    /// The epoch that comes next; shared, as Burn makes copies of a loader for its devices.
    epoch: Arc<AtomicUsize>,
    device: Device,
}

impl TrainLoader {
    /// All of `samples`, `batch` at a time; those that do not fill a last batch sit the epoch out.
    pub(crate) fn new(
        samples: Samples<Starter>,
        batch: usize,
        seed: u64,
        first_epoch: usize,
    ) -> Self {
        Self {
            range: 0..samples.len(),
            images: Images(Arc::new(samples)),
            batch,
            seed,
            epoch: Arc::new(AtomicUsize::new(first_epoch)),
            device: Device::flex(),
        }
    }

    fn order(&self, epoch: usize) -> Vec<usize> {
        let mut generator = Generator::new(self.seed, &format!("order of epoch {epoch}"));
        let mut order = batches(self.range.len(), self.batch, &mut generator).concat();
        for index in &mut order {
            *index += self.range.start;
        }
        order
    }
}

impl DataLoader<Batch> for TrainLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        let epoch = self.epoch.fetch_add(1, Ordering::Relaxed);
        Box::new(BatchDataloaderIterator::new(
            Box::new(FixBatchStrategy::new(self.batch)),
            Arc::new(InMemDataset::new(self.order(epoch))),
            Arc::new(self.images.clone()),
            self.device.clone(),
        ))
    }

    fn num_items(&self) -> usize {
        self.range.len() / self.batch * self.batch
    }

    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<Batch>> {
        Arc::new(Self {
            device: device.clone(),
            ..self.clone()
        })
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<Batch>> {
        let end = (self.range.start + end).min(self.range.end);
        Arc::new(Self {
            range: (self.range.start + start).min(end)..end,
            // A slice counts its own epochs.
            epoch: Arc::new(AtomicUsize::new(self.epoch.load(Ordering::Relaxed))),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use secateur_examples::data::starter;

    use super::*;

    fn labels(loader: &dyn DataLoader<Batch>) -> Vec<i64> {
        let batches = loader.iter().map(Result::unwrap);
        batches
            .flat_map(|batch| batch.labels.to_data().iter::<i64>().collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn a_resumed_run_meets_the_images_in_the_order_of_its_epoch() {
        let samples = starter().unwrap().train.first(105);
        let loader = TrainLoader::new(samples.clone(), 10, 1, 1);
        let loader = loader.to_device(&Device::flex());
        let (first, second) = (labels(&*loader), labels(&*loader));
        assert_eq!((first.len(), loader.num_items()), (100, 100));
        assert_ne!(first, second);

        let resumed = TrainLoader::new(samples, 10, 1, 2);
        assert_eq!(labels(&resumed), second);
    }

    #[test]
    fn slices_share_nothing_and_leave_nothing_out() {
        let loader = TrainLoader::new(starter().unwrap().train.first(40), 10, 1, 1);
        let met = |start, end| {
            let part = loader.slice(start, end);
            assert_eq!(part.num_items(), end - start);
            labels(&*part)
        };
        let mut parts = [met(0, 20), met(20, 40)].concat();
        let mut all = labels(&loader);
        parts.sort_unstable();
        all.sort_unstable();
        assert_eq!(parts, all);
    }

    #[test]
    fn the_validation_loader_keeps_the_order_of_the_file() {
        let samples = starter().unwrap().test.first(600);
        let expected: Vec<i64> = samples.labels().iter().map(|&l| l.into()).collect();
        assert_eq!(labels(&*valid_loader(samples)), expected);
    }
}
