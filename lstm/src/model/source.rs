//! Where the batches of a training or an evaluation come from.

use std::borrow::Borrow;
use std::ops::Range;

use super::fit::weigh_classes;
use super::rows::Rows;
use super::train::{Checks, Data};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::float::Float;
use crate::random::Rng;
use crate::tensor::Tensor;

/// What batches are taken from, and how many rows they have: one number, and another of the last.
pub(super) type Known<'a, X> = (&'a [X], [Option<usize>; 2]);

/// Batches, epoch after epoch.
pub(super) trait Source<T> {
    type Array: Borrow<Tensor<T>>;

    /// What has not been checked before.
    const CHECKS: Checks;

    /// How many batches an epoch has, if that is known.
    fn batches(&self) -> Option<usize>;

    /// What batches are taken from, and how many rows they have, where that is known: one number, and
    /// another of the last.
    fn sizes(&self) -> Option<Known<'_, Self::Array>> {
        None
    }

    /// Goes to the beginning of an epoch.
    fn start(&mut self, epoch: u64);

    /// Goes on to the next batch, if there is one.
    fn advance(&mut self) -> Result<bool>;

    /// Where the batch is.
    fn batch(&self) -> (Data<'_, Self::Array>, Rows<'_>);
}

/// Rows of arrays.
#[derive(Debug)]
pub(super) struct Arrays<'a, X> {
    data: Data<'a, X>,
    order: Order,
    batch_size: usize,
    /// The present batch, among those of the order.
    start: usize,
    next: usize,
}

/// Which rows come when.
#[derive(Debug)]
pub(super) enum Order {
    InTurn(Range<usize>),
    /// In another random order of a seed in each epoch.
    Shuffled(Vec<usize>, u64),
}

impl Order {
    fn len(&self) -> usize {
        match self {
            Order::InTurn(rows) => rows.len(),
            Order::Shuffled(rows, _) => rows.len(),
        }
    }
}

impl<'a, X> Arrays<'a, X> {
    pub(super) fn new(data: Data<'a, X>, order: Order, batch_size: usize) -> Self {
        Arrays { data, order, batch_size, start: 0, next: 0 }
    }
}

impl<T: Float, X: Borrow<Tensor<T>>> Source<T> for Arrays<'_, X> {
    type Array = X;

    const CHECKS: Checks = Checks::Shapes;

    fn batches(&self) -> Option<usize> {
        Some(self.order.len().div_ceil(self.batch_size))
    }

    fn sizes(&self) -> Option<Known<'_, X>> {
        let (all, size) = (self.order.len(), self.batch_size);
        let sizes = [(all >= size).then_some(size), (all % size > 0).then_some(all % size)];
        Some((self.data.x, sizes))
    }

    fn start(&mut self, epoch: u64) {
        self.next = 0;
        if let Order::Shuffled(rows, seed) = &mut self.order {
            rows.iter_mut().enumerate().for_each(|(i, at)| *at = i);
            Rng::new(*seed, epoch).shuffle(rows);
        }
    }

    fn advance(&mut self) -> Result<bool> {
        self.start = self.next;
        self.next = self.order.len().min(self.start + self.batch_size);
        Ok(self.start < self.next)
    }

    fn batch(&self) -> (Data<'_, X>, Rows<'_>) {
        let rows = match &self.order {
            Order::InTurn(all) => Rows::Range(all.start + self.start, all.start + self.next),
            Order::Shuffled(rows, _) => Rows::These(&rows[self.start..self.next]),
        };
        (self.data, rows)
    }
}

/// The batches of a dataset.
pub(super) struct Streamed<'a, T> {
    dataset: &'a mut dyn Dataset<T>,
    class_weight: &'a [(i64, f64)],
    /// What classes weigh in the present batch.
    weights: Vec<Tensor<T>>,
}

impl<'a, T: Float> Streamed<'a, T> {
    pub(super) fn new(dataset: &'a mut dyn Dataset<T>, class_weight: &'a [(i64, f64)]) -> Self {
        let weights = class_weight.iter().take(1).map(|_| Tensor::zeros([0])).collect();
        Streamed { dataset, class_weight, weights }
    }
}

impl<T: Float> Source<T> for Streamed<'_, T> {
    type Array = Tensor<T>;

    const CHECKS: Checks = Checks::All;

    fn batches(&self) -> Option<usize> {
        self.dataset.batches()
    }

    fn start(&mut self, epoch: u64) {
        self.dataset.start(epoch);
    }

    fn advance(&mut self) -> Result<bool> {
        let more = self.dataset.advance()?;
        if more && let [weights] = &mut self.weights[..] {
            let batch = self.dataset.batch();
            if !batch.sample_weight.is_empty() {
                let why = "it cannot be given beside the sample_weight of a batch";
                return Err(Error::invalid("class_weight", why));
            }
            weigh_classes(&batch.y, self.class_weight, weights)?;
        }
        Ok(more)
    }

    fn batch(&self) -> (Data<'_, Tensor<T>>, Rows<'_>) {
        let batch = self.dataset.batch();
        let weights =
            if self.class_weight.is_empty() { &batch.sample_weight } else { &self.weights };
        let samples = batch.x.first().map_or(0, Tensor::batch);
        (Data { x: &batch.x, y: &batch.y, weights }, Rows::Range(0, samples))
    }
}
