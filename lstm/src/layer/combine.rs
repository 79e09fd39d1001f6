//! The operation of layers that combine inputs entry by entry.

use kernels::{Buffer, Float};

use super::merge::Rule;
use super::places::{Places, stride};
use super::{Flow, Inputs, Mask, Operation, Pass};

/// The operation of [`Add`](super::Add) and its kin.
#[derive(Debug)]
pub(super) struct Combine<T> {
    rule: Rule,
    /// The sizes of the axes of an output's sample.
    axes: Vec<usize>,
    /// Where the entries of an output's sample come from, for each input.
    places: Vec<Places>,
    /// Which input each entry of the last batch was taken from, if it is from one.
    chosen: Vec<usize>,
    /// Whether one of the inputs is valid there.
    valid: Vec<bool>,
    /// The product of all inputs but one.
    others: Buffer<T>,
}

impl<T: Float> Combine<T> {
    pub(super) fn new(rule: Rule, inputs: usize) -> Self {
        Combine {
            rule,
            axes: Vec::new(),
            places: (0..inputs).map(|_| Places::default()).collect(),
            chosen: Vec::new(),
            valid: Vec::new(),
            others: Buffer::new(),
        }
    }

    /// Finds where entries come from, for inputs of these shapes.
    fn walk(&mut self, inputs: Inputs<T>) {
        let rank = inputs.shapes.iter().map(|shape| shape.axes().len()).max().unwrap_or(0);
        self.axes.clear();
        self.axes.resize(rank, 1);
        for shape in inputs.shapes {
            let missing = rank - shape.axes().len();
            for (axis, size) in self.axes[missing..].iter_mut().zip(shape.axes()) {
                *axis = (*axis).max(size.unwrap_or(0));
            }
        }
        for (places, shape) in self.places.iter_mut().zip(inputs.shapes) {
            let (missing, own) = (rank - shape.axes().len(), shape.axes());
            places.walk(self.axes.iter().enumerate().map(
                |(k, &size)| match k.checked_sub(missing) {
                    Some(k) if own[k] != Some(1) => (size, stride(own, k)),
                    _ => (size, 0),
                },
            ));
        }
    }

    /// For each entry of the output, what input `i` has for it: `f(entry, place)`.
    fn each(&self, inputs: Inputs<T>, i: usize, mut f: impl FnMut(usize, usize)) {
        let (places, own) = (self.places[i].get(), inputs.shapes[i].len());
        for sample in 0..inputs.at(i).len() / own.max(1) {
            let (e, x) = (sample * places.len(), sample * own);
            if own == places.len() {
                (0..own).for_each(|place| f(e + place, x + place));
            } else {
                places.iter().enumerate().for_each(|(at, &place)| f(e + at, x + place));
            }
        }
    }

    /// `y = x₀ ± x₁ + …`
    fn sum(&self, inputs: Inputs<T>, y: &mut [T]) {
        for i in 0..inputs.len() {
            let x = inputs.at(i);
            match (i, self.rule) {
                (0, _) => self.each(inputs, i, |e, at| y[e] = x[at]),
                (_, Rule::Subtract) => self.each(inputs, i, |e, at| y[e] = y[e] - x[at]),
                _ if x.len() == y.len() => y.iter_mut().zip(x).for_each(|(y, &x)| *y += x),
                _ => self.each(inputs, i, |e, at| y[e] += x[at]),
            }
        }
    }

    /// `y = Π xᵢ` of all inputs but one, of valid steps.
    fn product(&self, inputs: Inputs<T>, but: Option<usize>, y: &mut [T]) {
        y.fill(T::ONE);
        for i in (0..inputs.len()).filter(|&i| Some(i) != but) {
            let (x, mask) = (inputs.at(i), Steps::new(inputs, i));
            self.each(inputs, i, |e, at| {
                if mask.valid(at) {
                    y[e] = y[e] * x[at];
                }
            });
        }
    }

    /// Takes each entry from one of the inputs, as Keras does it: one by one, an input that is
    /// masked loses to those before, and wins over them where they are.
    fn choose(&mut self, inputs: Inputs<T>, y: &mut [T]) {
        let mut chosen = std::mem::take(&mut self.chosen);
        let mut valid = std::mem::take(&mut self.valid);
        chosen.clear();
        chosen.resize(y.len(), 0);
        valid.clear();
        valid.resize(y.len(), true);
        let mut masked = true;
        for i in 0..inputs.len() {
            let (x, mask) = (inputs.at(i), Steps::new(inputs, i));
            self.each(inputs, i, |e, at| {
                let here = mask.valid(at);
                let better = match self.rule {
                    Rule::Maximum => x[at] > y[e],
                    _ => x[at] < y[e],
                };
                if i == 0 || (here && (better || (masked && !valid[e]))) {
                    (y[e], chosen[e]) = (x[at], i);
                }
                valid[e] = if i == 0 { here } else { valid[e] || here };
            });
            // From the first input on that says nothing, the ones before are all valid.
            masked &= mask.0.is_some();
        }
        (self.chosen, self.valid) = (chosen, valid);
    }
}

/// The mask of an input, and how many of its entries go together there.
struct Steps<'a>(Option<(&'a [bool], usize)>);

impl<'a> Steps<'a> {
    fn new<T: Float>(inputs: Inputs<'a, T>, i: usize) -> Self {
        let size = |mask: &[bool]| inputs.at(i).len() / mask.len().max(1);
        Steps(inputs.mask(i).map(|mask| (mask, size(mask).max(1))))
    }

    fn valid(&self, at: usize) -> bool {
        self.0.is_none_or(|(mask, size)| mask[at / size])
    }
}

/// Whether all inputs say which steps are valid.
fn all_masked<T: Float>(inputs: Inputs<T>) -> bool {
    (0..inputs.len()).all(|i| inputs.mask(i).is_some())
}

impl<T: Float> Operation<T> for Combine<T> {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let y = &mut outputs[0];
        self.walk(pass.inputs);
        match self.rule {
            Rule::Add | Rule::Subtract => self.sum(pass.inputs, y),
            Rule::Average => {
                self.sum(pass.inputs, y);
                let count = T::from_f64(pass.inputs.len() as f64);
                y.iter_mut().for_each(|y| *y = *y / count);
            }
            Rule::Multiply => {
                self.product(pass.inputs, None, y);
                if all_masked(pass.inputs) {
                    // `mask` has noted where there are valid ones.
                    let dead = y.iter_mut().zip(&self.valid).filter(|(_, valid)| !**valid);
                    dead.for_each(|(y, _)| *y = T::ZERO);
                }
            }
            Rule::Maximum | Rule::Minimum => self.choose(pass.inputs, y),
        }
    }

    fn backward(
        &mut self,
        pass: Pass<T>,
        outputs: &[Buffer<T>],
        douts: &mut [Flow<T>],
        _: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        let Some(dy) = douts[0].get() else { return };
        let inputs = pass.inputs;
        for (i, din) in dins.iter_mut().enumerate() {
            let Some(dx) = din.room() else { continue };
            dx.fill(T::ZERO);
            match self.rule {
                Rule::Subtract if i == 1 => self.each(inputs, i, |e, at| dx[at] = dx[at] - dy[e]),
                Rule::Average => {
                    let count = T::from_f64(inputs.len() as f64);
                    self.each(inputs, i, |e, at| dx[at] += dy[e] / count);
                }
                Rule::Add | Rule::Subtract => self.each(inputs, i, |e, at| dx[at] += dy[e]),
                Rule::Multiply => {
                    let mut others = std::mem::take(&mut self.others);
                    others.resize(outputs[0].len());
                    self.product(inputs, Some(i), &mut others);
                    let mask = Steps::new(inputs, i);
                    self.each(inputs, i, |e, at| {
                        if mask.valid(at) {
                            dx[at] += dy[e] * others[e];
                        }
                    });
                    self.others = others;
                }
                Rule::Maximum | Rule::Minimum => self.each(inputs, i, |e, at| {
                    if self.chosen[e] == i {
                        dx[at] += dy[e];
                    }
                }),
            }
        }
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        if !all_masked(inputs) {
            return;
        }
        self.walk(inputs);
        let entries = self.axes.iter().product::<usize>().max(1);
        let samples = inputs.at(0).len() / inputs.shapes[0].len().max(1);
        let mut valid = std::mem::take(&mut self.valid);
        valid.clear();
        valid.resize(samples * entries, false);
        for i in 0..inputs.len() {
            let mask = Steps::new(inputs, i);
            self.each(inputs, i, |e, at| valid[e] |= mask.valid(at));
        }
        self.valid = valid;
        let features = self.axes.last().copied().unwrap_or(1).max(1);
        // A mask is the same for all features of a step.
        outputs[0].set(self.valid.iter().step_by(features).copied());
    }
}
