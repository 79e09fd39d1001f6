//! An optimizer at work on a model's weights.

use std::ops::Range;

use kernels::Buffer;
use kernels::simd::{Float, Isa, Simd, V, Vector};

use super::clip::{Clip, Rescale};
use super::rule::{Rule, Slot, Step, rounded};
use super::sweep::{Sweep, Update};
use super::{Averaging, Optimizer};
use crate::error::{Error, Result};

/// What an optimizer remembers of a model's training. Everything is in arrays like that of the
/// model's weights, where the places of weights that are not trained go unused.
#[derive(Clone, Debug)]
pub(crate) struct State<T> {
    optimizer: Optimizer,
    clip: Option<Clip>,
    /// The places of the weights that are trained, one by one.
    tensors: Vec<Range<usize>>,
    /// The same, with neighbours in one.
    spans: Vec<Range<usize>>,
    iterations: u64,
    /// lr, where no schedule takes its place.
    learning_rate: f64,
    /// What [`Nadam`](super::Nadam) multiplies up.
    product: f64,
    arrays: Vec<Array<T>>,
    /// How many of the arrays come before those of the rule.
    shared: usize,
}

/// The numbers of a [`State`] that belong to no weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Counters {
    /// Steps taken.
    pub(crate) iterations: u64,
    /// lr, where no schedule takes its place.
    pub(crate) learning_rate: f64,
    /// What [`Nadam`](super::Nadam) multiplies up.
    pub(crate) product: f64,
}

/// One of the arrays.
#[derive(Clone, Debug)]
struct Array<T> {
    slot: Slot,
    values: Buffer<T>,
}

/// The moving average of the weights, and the sum of gradients not yet used.
const AVERAGE: Slot = Slot::zeros("average");
const ACCUMULATOR: Slot = Slot::zeros("gradient_accumulator").apart();

/// The parts of a rule's arrays that belong to some weights.
pub(super) struct Slots<'a, T> {
    arrays: &'a mut [Array<T>],
    range: Range<usize>,
}

impl<'a, T: Float> Slots<'a, T> {
    /// All of them, as many as the rule has said.
    pub(super) fn all<const N: usize>(self) -> [&'a mut [T]; N] {
        let Ok(arrays) = <&mut [Array<T>; N]>::try_from(self.arrays) else {
            unreachable!("a rule has the slots it asked for");
        };
        arrays.each_mut().map(|array| &mut array.values[self.range.clone()])
    }
}

impl<T: Float> State<T> {
    /// The state before training, for a model with an array of `weights` weights, of which those at
    /// `trainable` are trained, tensor by tensor and in order.
    pub(crate) fn new(
        optimizer: Optimizer,
        weights: usize,
        trainable: impl Iterator<Item = Range<usize>>,
    ) -> Self {
        let tensors: Vec<_> = trainable.collect();
        let mut spans: Vec<Range<usize>> = Vec::new();
        for range in &tensors {
            match spans.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => spans.push(range.clone()),
            }
        }
        let average = optimizer.averaging.use_ema.then_some(AVERAGE);
        let accumulator = optimizer.gradient_accumulation_steps.map(|_| ACCUMULATOR);
        let shared = average.into_iter().chain(accumulator);
        let slots = shared.clone().chain(optimizer.rule.slots());
        let arrays = slots.map(|slot| Array { slot, values: Buffer::zeros(weights) });
        let mut state = State {
            clip: optimizer.clip(),
            tensors,
            spans,
            iterations: 0,
            learning_rate: 0.0,
            product: 1.0,
            arrays: arrays.collect(),
            shared: shared.count(),
            optimizer,
        };
        state.restart();
        state
    }

    /// Forgets everything.
    pub(crate) fn restart(&mut self) {
        self.iterations = 0;
        self.learning_rate = self.optimizer.rule.learning_rate();
        self.product = 1.0;
        for array in &mut self.arrays {
            array.values.fill(T::from_f64(array.slot.initial));
        }
    }

    /// The optimizer, with the learning rate it has by now.
    pub(crate) fn optimizer(&self) -> Optimizer {
        let mut optimizer = self.optimizer.clone();
        optimizer.rule.set_learning_rate(self.learning_rate);
        optimizer
    }

    /// The optimizer as it was given.
    pub(crate) fn given(&self) -> &Optimizer {
        &self.optimizer
    }

    /// Whether a step has been taken.
    pub(crate) fn has_stepped(&self) -> bool {
        self.iterations > 0
    }

    /// How many numbers Keras counts in the optimizer's variables.
    pub(crate) fn variables(&self) -> usize {
        let trained: usize = self.tensors.iter().map(Range::len).sum();
        let rate = usize::from(self.optimizer.schedule.is_none());
        let product = usize::from(matches!(self.optimizer.rule, Rule::Nadam(_)));
        1 + rate + product + self.arrays.len() * trained
    }

    /// Every slot of every weight that is trained, in Keras's order: the number of the weight among
    /// those trained, and the name of the slot.
    pub(crate) fn places(&self) -> Vec<(usize, &'static str)> {
        let order = self.order().into_iter();
        order.map(|(array, tensor)| (tensor, self.arrays[array].slot.name)).collect()
    }

    /// The numbers at these [`places`](Self::places), in that order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &[T]> {
        let at = |(array, tensor): (usize, usize)| -> &[T] {
            &self.arrays[array].values[self.tensors[tensor].clone()]
        };
        self.order().into_iter().map(at)
    }

    /// Replaces the numbers at all [`places`](Self::places), and those beside them.
    pub(crate) fn resume<'a>(&mut self, resumed: Counters, slots: impl Iterator<Item = &'a [T]>) {
        self.iterations = resumed.iterations;
        self.learning_rate = resumed.learning_rate;
        self.product = resumed.product;
        for ((array, tensor), values) in self.order().into_iter().zip(slots) {
            self.arrays[array].values[self.tensors[tensor].clone()].copy_from_slice(values);
        }
    }

    /// The numbers that belong to no weight.
    pub(crate) fn counters(&self) -> Counters {
        let State { iterations, learning_rate, product, .. } = *self;
        Counters { iterations, learning_rate, product }
    }

    /// `(array, tensor)`, in Keras's order: one group of arrays after another, in each weight after
    /// weight.
    fn order(&self) -> Vec<(usize, usize)> {
        let arrays: Vec<usize> = (0..self.arrays.len()).collect();
        let together = |_: &usize, &next: &usize| next != self.shared && !self.apart(next);
        let groups = arrays.chunk_by(together);
        let tensors = 0..self.tensors.len();
        let order = |group: &[usize]| -> Vec<(usize, usize)> {
            let weights = tensors.clone();
            weights.flat_map(|tensor| group.iter().map(move |&array| (array, tensor))).collect()
        };
        groups.flat_map(order).collect()
    }

    fn apart(&self, array: usize) -> bool {
        self.arrays[array].slot.apart
    }

    /// The learning rate of the next step.
    pub(crate) fn learning_rate(&self) -> f64 {
        match &self.optimizer.schedule {
            Some(schedule) => schedule.at(self.iterations),
            None => self.learning_rate,
        }
    }

    /// Changes the learning rate from now on.
    ///
    /// # Errors
    ///
    /// If it follows a schedule, or the number is no rate.
    pub(crate) fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        if self.optimizer.schedule.is_some() {
            let why = "it follows a schedule, and cannot be set";
            return Err(Error::invalid("learning_rate", why));
        }
        super::rule::within("learning_rate", learning_rate, 0.0..f64::INFINITY)?;
        self.learning_rate = learning_rate;
        Ok(())
    }

    /// What the loss has to be multiplied by before it is differentiated.
    pub(crate) fn loss_scale_factor(&self) -> Option<f64> {
        self.optimizer.loss_scale_factor
    }

    /// Moves `weights` along their gradients `grads`, which are scratch afterwards.
    pub(crate) fn step(&mut self, isa: Isa, weights: &mut [T], grads: &mut [T]) {
        if self.tensors.is_empty() {
            return;
        }
        if let Some(scale) = self.optimizer.loss_scale_factor {
            let update = Rescale { times: T::ONE, over: T::from_f64(scale) };
            for span in &self.spans {
                isa.run(Sweep { update, written: [&mut grads[span.clone()]], read: [] });
            }
        }
        if self.is_update_step() {
            self.update(isa, weights, grads);
        } else {
            self.accumulate(isa, grads);
        }
        if self.optimizer.averaging.use_ema {
            self.average(isa, weights);
        }
        self.iterations += 1;
    }

    /// Puts the moving average in the place of the weights, if there is one: the end of training.
    pub(crate) fn finalize(&self, weights: &mut [T]) {
        if self.optimizer.averaging.use_ema {
            for span in &self.spans {
                weights[span.clone()].copy_from_slice(&self.arrays[0].values[span.clone()]);
            }
        }
    }

    /// Steps that have changed the weights: those that Keras's `iterations` counts.
    fn updates(&self) -> u64 {
        self.iterations / self.optimizer.gradient_accumulation_steps.unwrap_or(1)
    }

    fn is_update_step(&self) -> bool {
        let steps = self.optimizer.gradient_accumulation_steps.unwrap_or(1);
        (self.iterations + 1).is_multiple_of(steps)
    }

    /// Adds gradients to those of the steps before.
    fn accumulate(&mut self, isa: Isa, grads: &[T]) {
        let sums = &mut self.arrays[self.shared - 1].values;
        for span in &self.spans {
            let (sums, grads) = (&mut sums[span.clone()], &grads[span.clone()]);
            isa.run(Sweep { update: Add, written: [sums], read: [grads] });
        }
    }

    /// Clip, weight decay, rule.
    fn update(&mut self, isa: Isa, weights: &mut [T], grads: &mut [T]) {
        let learning_rate = self.learning_rate();
        if let Some(steps) = self.optimizer.gradient_accumulation_steps {
            let sums = &mut self.arrays[self.shared - 1].values;
            let update = Average { over: T::from_f64(steps as f64) };
            for span in &self.spans {
                let written = [&mut grads[span.clone()], &mut sums[span.clone()]];
                isa.run(Sweep { update, written, read: [] });
            }
        }
        if let Some(clip) = self.clip {
            clip.run(isa, &self.tensors, grads);
        }
        if let Some(decay) = self.optimizer.weight_decay {
            let (decay, rate) = (T::from_f64(rounded(decay)), T::from_f64(learning_rate));
            let update = Decay { decay, rate };
            for span in &self.spans {
                isa.run(Sweep { update, written: [&mut weights[span.clone()]], read: [] });
            }
        }
        let t = (self.updates() + 1) as f64;
        if let Rule::Nadam(nadam) = self.optimizer.rule {
            self.product *= nadam.factor(t);
        }
        let ranges = match self.optimizer.rule {
            Rule::Lamb(_) => &self.tensors,
            _ => &self.spans,
        };
        for range in ranges {
            self.optimizer.rule.step(Step {
                isa,
                learning_rate,
                t,
                product: self.product,
                weights: &mut weights[range.clone()],
                grads: &mut grads[range.clone()],
                slots: Slots { arrays: &mut self.arrays[self.shared..], range: range.clone() },
            });
        }
    }

    /// Moves the average towards the weights, and now and then the weights onto it.
    fn average(&mut self, isa: Isa, weights: &mut [T]) {
        let updates = self.updates();
        let Averaging { ema_momentum, ema_overwrite_frequency, .. } = self.optimizer.averaging;
        let momentum = if updates == 0 { 0.0 } else { ema_momentum };
        let update = Follow { old: T::from_f64(momentum), new: T::from_f64(1.0 - momentum) };
        let averages = &mut self.arrays[0].values;
        for span in &self.spans {
            let written = [&mut averages[span.clone()]];
            isa.run(Sweep { update, written, read: [&weights[span.clone()]] });
        }
        if ema_overwrite_frequency.is_some_and(|every| (updates + 1).is_multiple_of(every)) {
            self.finalize(weights);
        }
    }
}

/// `sum += g`
struct Add;

impl<T: Float> Update<T, 1, 1> for Add {
    #[inline(always)]
    fn update<S: Simd>(&self, _: S, [sum]: [V<S, T>; 1], [g]: [V<S, T>; 1]) -> [V<S, T>; 1] {
        [(g + sum).flush()]
    }
}

/// `g = (g + sum) / over`, `sum = 0`
#[derive(Clone, Copy)]
struct Average<T> {
    over: T,
}

impl<T: Float> Update<T, 2, 0> for Average<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [g, sum]: [V<S, T>; 2], []: [V<S, T>; 0]) -> [V<S, T>; 2] {
        let over = V::<S, T>::splat(simd, self.over);
        [(g + sum) / over, V::<S, T>::splat(simd, T::ZERO)]
    }
}

/// `w -= w wd lr`
#[derive(Clone, Copy)]
struct Decay<T> {
    decay: T,
    rate: T,
}

impl<T: Float> Update<T, 1, 0> for Decay<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [w]: [V<S, T>; 1], []: [V<S, T>; 0]) -> [V<S, T>; 1] {
        let less = w * V::<S, T>::splat(simd, self.decay) * V::<S, T>::splat(simd, self.rate);
        [(w - less).flush()]
    }
}

/// `average = old average + new w`
#[derive(Clone, Copy)]
struct Follow<T> {
    old: T,
    new: T,
}

impl<T: Float> Update<T, 1, 1> for Follow<T> {
    #[inline(always)]
    fn update<S: Simd>(&self, simd: S, [average]: [V<S, T>; 1], [w]: [V<S, T>; 1]) -> [V<S, T>; 1] {
        let (old, new) = (V::<S, T>::splat(simd, self.old), V::<S, T>::splat(simd, self.new));
        [(old * average + new * w).flush()]
    }
}
