//! A call with a mask, as a call without.
//!
//! A masked step changes no state. So a row with a mask is a shorter sequence: that of its valid steps. Here
//! the steps of each row are moved together and the rows put in order of length, the longest first, and
//! what comes out is put back. The engine then has rows of different lengths to deal with, of which
//! those that go on are always the first ones. It computes valid steps only, whatever the mask looks like.
//!
//! As Keras has it on TensorFlow, the output of a masked step is the one before, zeros if there is none
//! yet; or always zeros, as [`Options::zero_output_for_mask`] says. Gradients go the same ways back.

use kernels::{Buffer, Float};

use super::call::{Call, Factors, Options};
use super::sequence::Gradient;
use super::workspace::Extent;

/// The order of rows and steps, and the arrays of a call in that order.
#[derive(Clone, Debug, Default)]
pub(super) struct Ragged<T> {
    /// Steps that a row of the batch has, masked ones included.
    steps: usize,
    /// The row of the batch that comes first, second, ….
    rows: Vec<usize>,
    /// How many valid steps it has; then those of rows of padding, which repeat the last one.
    lengths: Vec<usize>,
    /// Which ones, in the order in which they are read: `[batch, steps]`, each row as long as it is.
    times: Vec<usize>,
    /// Whether the input is read from its last step to its first.
    reversed: bool,
    zero_output: bool,
    pub(super) x: Buffer<T>,
    pub(super) dx: Buffer<T>,
    pub(super) y: Buffer<T>,
    pub(super) dy: Buffer<T>,
    /// `h` and `c`, before the first step or after the last.
    pub(super) states: [Buffer<T>; 2],
    /// What dropout multiplies `h` and `x` by.
    factors: [Buffer<T>; 2],
}

impl<T: Float> Ragged<T> {
    /// Takes in the order of a call; `padding` rows may follow its own.
    pub(super) fn sort(&mut self, options: Options, call: &Call<T>, mask: &[bool], padding: usize) {
        let Call { batch, steps, .. } = *call;
        let Ragged { rows, lengths, times, .. } = self;
        times.clear();
        times.resize(batch * steps, 0);
        lengths.clear();
        for (mask, times) in mask.chunks_exact(steps).zip(times.chunks_exact_mut(steps)) {
            let read = |t: usize| if options.go_backwards { steps - 1 - t } else { t };
            let valid = (0..steps).filter(|&t| mask[read(t)]);
            let len = valid.zip(times).map(|(t, to)| *to = t).count();
            lengths.push(len);
        }
        rows.clear();
        rows.extend(0..batch);
        rows.sort_unstable_by_key(|&row| (std::cmp::Reverse(lengths[row]), row));
        lengths.sort_unstable_by_key(|&len| std::cmp::Reverse(len));
        lengths.resize(batch + padding, lengths[batch - 1]);
        self.steps = steps;
        self.reversed = options.go_backwards;
        self.zero_output = options.zero_output_for_mask;
    }

    /// What differs from row to row, in a call with dropout or without.
    pub(super) fn extent(&self, dropout: Option<Factors<T>>) -> Extent<'_, T> {
        let [recurrent, input] = &self.factors;
        let dropout = dropout.map(|given| Factors {
            recurrent: &recurrent[..],
            input: given.input.is_some().then_some(&input[..]),
        });
        Extent { lengths: Some(&self.lengths), dropout }
    }

    /// Steps of the longest row, one at least.
    pub(super) fn longest(&self) -> usize {
        self.lengths[0].max(1)
    }

    /// Row number `n`: its place in the batch, and its valid steps.
    fn row(&self, n: usize) -> (usize, &[usize]) {
        let row = self.rows[n];
        (row, &self.times[row * self.steps..][..self.lengths[n]])
    }

    /// Where the input of a step lies.
    fn place(&self, row: usize, t: usize) -> usize {
        row * self.steps + if self.reversed { self.steps - 1 - t } else { t }
    }

    /// The outputs of a row that has `times`, step by step: which of its valid steps each repeats, if
    /// any.
    fn outputs<'a>(&self, times: &'a [usize]) -> impl Iterator<Item = Option<usize>> + use<'a, T> {
        let zero_output = self.zero_output;
        let mut done = 0;
        (0..self.steps).map(move |t| {
            let valid = times.get(done) == Some(&t);
            done += usize::from(valid);
            if valid || !zero_output { done.checked_sub(1) } else { None }
        })
    }

    /// Whether the output of the last step of a row that has `times` is its last state.
    fn ends_with_a_state(&self, times: &[usize]) -> bool {
        match times.last() {
            None => false,
            Some(&last) => !self.zero_output || last + 1 == self.steps,
        }
    }

    /// `x [batch, steps, inputs]`, to `[batch, longest, inputs]`. Here and below there is room for rows
    /// without a mask, so that no later batch needs more.
    pub(super) fn read_input(&mut self, x: &[T], inputs: usize) {
        let longest = self.longest();
        let mut to = std::mem::take(&mut self.x);
        for steps in [self.steps, longest] {
            to.resize(self.rows.len() * steps * inputs);
        }
        for (n, to) in to.chunks_exact_mut(longest * inputs).enumerate() {
            let (row, times) = self.row(n);
            let (valid, rest) = to.split_at_mut(times.len() * inputs);
            for (&t, to) in times.iter().zip(valid.chunks_exact_mut(inputs)) {
                to.copy_from_slice(&x[self.place(row, t) * inputs..][..inputs]);
            }
            rest.fill(T::ZERO); // sums over all steps run over it, with the weight zero
        }
        self.x = to;
    }

    /// `dx`, back to `[batch, steps, inputs]`.
    pub(super) fn write_input_gradient(&self, dx: &mut [T], inputs: usize) {
        dx.fill(T::ZERO);
        for (n, from) in self.dx.chunks_exact(self.longest() * inputs).enumerate() {
            let (row, times) = self.row(n);
            for (&t, from) in times.iter().zip(from.chunks_exact(inputs)) {
                dx[self.place(row, t) * inputs..][..inputs].copy_from_slice(from);
            }
        }
    }

    /// `y`, to `[batch, steps, units]`.
    pub(super) fn write_output(&self, y: &mut [T], units: usize) {
        for (n, from) in self.y.chunks_exact(self.longest() * units).enumerate() {
            let (row, times) = self.row(n);
            let y = &mut y[row * self.steps * units..][..self.steps * units];
            for (to, source) in y.chunks_exact_mut(units).zip(self.outputs(times)) {
                match source {
                    None => to.fill(T::ZERO),
                    Some(at) => to.copy_from_slice(&from[at * units..][..units]),
                }
            }
        }
    }

    /// The gradient of `y`: to `[batch, longest, units]`, or onto the one of the state after the last
    /// step, which [`read_states`](Self::read_states) has read.
    pub(super) fn read_gradient(&mut self, dy: Gradient<T>, units: usize) {
        let longest = self.longest();
        match dy {
            Gradient::None => {}
            Gradient::Last(dy) => {
                let mut dh = std::mem::take(&mut self.states[0]);
                for (n, dh) in dh.chunks_exact_mut(units).enumerate() {
                    let (row, times) = self.row(n);
                    if self.ends_with_a_state(times) {
                        let dy = &dy[row * units..][..units];
                        dh.iter_mut().zip(dy).for_each(|(dh, &dy)| *dh += dy);
                    }
                }
                self.states[0] = dh;
            }
            Gradient::Sequence(dy) => {
                let mut to = std::mem::take(&mut self.dy);
                for steps in [self.steps, longest] {
                    to.resize(self.rows.len() * steps * units);
                }
                for (n, to) in to.chunks_exact_mut(longest * units).enumerate() {
                    let (row, times) = self.row(n);
                    let dy = &dy[row * self.steps * units..][..self.steps * units];
                    let mut next = 0;
                    for (dy, source) in dy.chunks_exact(units).zip(self.outputs(times)) {
                        let Some(at) = source else { continue };
                        let to = &mut to[at * units..][..units];
                        if at < next {
                            to.iter_mut().zip(dy).for_each(|(to, &dy)| *to += dy);
                        } else {
                            to.copy_from_slice(dy);
                            next = at + 1;
                        }
                    }
                    to[next * units..].fill(T::ZERO);
                }
                self.dy = to;
            }
        }
    }

    /// States `[batch, units]`, zeros if not given, to the order of the rows here.
    pub(super) fn read_states(&mut self, given: [Option<&[T]>; 2], units: usize) {
        for (to, given) in self.states.iter_mut().zip(given) {
            to.resize(self.rows.len() * units);
            match given {
                None => to.fill(T::ZERO),
                Some(given) => {
                    for (&row, to) in self.rows.iter().zip(to.chunks_exact_mut(units)) {
                        to.copy_from_slice(&given[row * units..][..units]);
                    }
                }
            }
        }
    }

    /// Factors `[batch, 4, units]` and `[batch, 4, inputs]`, to the order of the rows here.
    pub(super) fn read_factors(&mut self, given: Option<Factors<T>>, widths: [usize; 2]) {
        let given = [given.map(|it| it.recurrent), given.and_then(|it| it.input)];
        for (to, (given, width)) in self.factors.iter_mut().zip(given.into_iter().zip(widths)) {
            let Some(given) = given else { continue };
            to.resize(given.len());
            for (&row, to) in self.rows.iter().zip(to.chunks_exact_mut(4 * width)) {
                to.copy_from_slice(&given[row * 4 * width..][..4 * width]);
            }
        }
    }

    /// States in the order of the rows here, back to `[batch, units]`.
    pub(super) fn write_states(&self, which: usize, out: &mut [T], units: usize) {
        for (&row, from) in self.rows.iter().zip(self.states[which].chunks_exact(units)) {
            out[row * units..][..units].copy_from_slice(from);
        }
    }

    /// Zeros where the output of the last step is not the last state `h [batch, units]`.
    pub(super) fn clear_outputs(&self, h: &mut [T], units: usize) {
        for n in 0..self.rows.len() {
            let (row, times) = self.row(n);
            if !self.ends_with_a_state(times) {
                h[row * units..][..units].fill(T::ZERO);
            }
        }
    }
}
