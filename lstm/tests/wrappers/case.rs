//! A model of one layer, with its data.

use lstm::{Input, Layer, Model, Shared, Symbol, Tensor};

/// Numbers between -1 and 1 that look random.
pub(crate) fn numbers(seed: u32, shape: &[usize]) -> Tensor<f64> {
    let mut state = seed.wrapping_mul(2_654_435_761) ^ 0x9e37_79b9;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 23) - 1.0
    };
    let data = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor::new(shape, data).unwrap()
}

/// Rows of different lengths: one whole, one that starts late, one with a gap, one with no step.
pub(crate) fn mask() -> Tensor<f64> {
    let rows = [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [1, 0, 1, 1, 0], [0, 0, 0, 0, 0]];
    Tensor::new([4, 5], rows.concat().into_iter().map(f64::from).collect()).unwrap()
}

pub(crate) const BATCH: usize = 4;
pub(crate) const STEPS: usize = 5;
pub(crate) const FEATURES: usize = 3;

/// A model of one layer, and its data: `x`, states, and a mask at the end.
pub(crate) struct Case {
    pub(crate) model: Model<f64>,
    pub(crate) data: Vec<Tensor<f64>>,
    pub(crate) masked: bool,
}

impl Case {
    pub(crate) fn new(layer: impl Into<Layer>, states: &[usize], masked: bool) -> Self {
        let mut inputs = vec![Symbol::clone(&Input::new([STEPS, FEATURES]))];
        let mut data = vec![numbers(1, &[BATCH, STEPS, FEATURES])];
        for (i, &units) in states.iter().enumerate() {
            inputs.push(Symbol::clone(&Input::new([units])));
            data.push(numbers(10 + i as u32, &[BATCH, units]));
        }
        let layer = Shared::new(layer);
        let y = match masked {
            false => layer.call(&inputs[..]).unwrap(),
            true => {
                let valid = Symbol::clone(&Input::new([STEPS]));
                let y = layer.call_masked(&inputs[..], &valid).unwrap();
                inputs.push(valid);
                data.push(mask());
                y
            }
        };
        let outputs: Vec<Symbol> = (0..y.outputs()).map(|i| y.output(i).unwrap()).collect();
        let mut model = Model::new_as(&inputs[..], &outputs[..]).unwrap();
        let weights: Vec<_> = model.get_weights();
        let other = weights.iter().enumerate();
        let other: Vec<_> = other.map(|(i, w)| numbers(100 + i as u32, w.shape())).collect();
        model.set_weights(&other).unwrap();
        Case { model, data, masked }
    }

    pub(crate) fn outputs(&mut self) -> Vec<Tensor<f64>> {
        let data: Vec<&Tensor<f64>> = self.data.iter().collect();
        let nothing = vec![None; self.model.output_shapes().count()];
        self.model.gradients(&data[..], &nothing).unwrap().outputs
    }

    /// Compares the gradients of `Σ dy·y` with central differences: of every input but the mask,
    /// and of some of the weights.
    pub(crate) fn check_gradients(&mut self, what: &str) {
        let outputs = self.outputs();
        let dy: Vec<_> = (200..).zip(&outputs).map(|(seed, y)| numbers(seed, y.shape())).collect();
        let some: Vec<_> = dy.iter().map(Some).collect();
        let data: Vec<&Tensor<f64>> = self.data.iter().collect();
        let found = self.model.gradients(&data[..], &some).unwrap();

        let loss = |case: &mut Case| -> f64 {
            let outputs = case.outputs();
            let pairs = outputs.iter().zip(&dy);
            pairs.flat_map(|(y, dy)| y.data().iter().zip(dy.data())).map(|(y, dy)| y * dy).sum()
        };
        let step = 1e-6;
        let given = self.data.len() - usize::from(self.masked);
        for (i, gradient) in found.inputs.iter().enumerate().take(given) {
            for at in 0..gradient.data().len() {
                let x = self.data[i].data()[at];
                let mut side = |x: f64| {
                    self.data[i].data_mut()[at] = x;
                    loss(self)
                };
                let difference = (side(x + step) - side(x - step)) / (2.0 * step);
                side(x);
                let error = (difference - gradient.data()[at]).abs();
                assert!(error < 1e-7 * (1.0 + difference.abs()), "{what}: input {i} at {at}");
            }
        }
        let weights = self.model.get_weights();
        for (i, gradient) in found.weights.iter().enumerate() {
            for at in (0..gradient.data().len()).step_by(3) {
                let mut side = |by: f64| {
                    let mut weights = weights.clone();
                    weights[i].data_mut()[at] += by;
                    self.model.set_weights(&weights).unwrap();
                    loss(self)
                };
                let difference = (side(step) - side(-step)) / (2.0 * step);
                let error = (difference - gradient.data()[at]).abs();
                assert!(error < 1e-7 * (1.0 + difference.abs()), "{what}: weight {i} at {at}");
            }
        }
        self.model.set_weights(&weights).unwrap();
    }
}

pub(crate) fn close(got: &[f64], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() < 1e-14, "{what}: {got}, not {want}, at {i}");
    }
}

pub(crate) fn refusal(layer: impl Into<Layer>, shape: &[usize], more: &[usize]) -> String {
    let inputs: Vec<Symbol> = [Symbol::clone(&Input::new(shape))]
        .into_iter()
        .chain(more.iter().map(|&units| Symbol::clone(&Input::new([units]))))
        .collect();
    Shared::new(layer).call(&inputs[..]).unwrap_err().to_string()
}
