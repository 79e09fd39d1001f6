//! Gradients of random models, of all layers, options and losses, are those that differences find:
//! of whole steps of training, with the dropout, the masks and the penalties of each. And they are the same
//! on every instruction set whose multiply-adds round once.

use std::collections::BTreeSet;

use kernels::Isa;
use lstm::gradcheck::{Gradcheck, random_batch};
use lstm::{
    Activation, ActivationLayer, Add, Batch, Bidirectional, Compile, Concatenate, Dense, Dropout,
    Embedding, Flatten, Initializer, Input, LSTM, LSTMCell, LayerNormalization, Loss, Masking,
    MergeMode, Model, Permute, RNN, Regularizer, RepeatVector, Reshape, SGD, Softmax,
    SpatialDropout1D, StackedRNNCells, Symbol, TimeDistributed, Vectors,
};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};

/// What a random recurrent layer is made of.
#[derive(Clone, Debug)]
struct Cell {
    units: usize,
    activation: Activation,
    recurrent_activation: Activation,
    dropout: f64,
    recurrent_dropout: f64,
    use_bias: bool,
    go_backwards: bool,
    zero_output_for_mask: bool,
    penalties: [Option<Regularizer>; 4],
}

impl Cell {
    fn layer(&self) -> LSTM {
        let mut layer = LSTM::new(self.units)
            .activation(self.activation)
            .recurrent_activation(self.recurrent_activation)
            .dropout(self.dropout)
            .recurrent_dropout(self.recurrent_dropout)
            .use_bias(self.use_bias)
            .bias_initializer(Initializer::RandomNormal { mean: 0.1, stddev: 0.3 })
            .unit_forget_bias(false)
            .go_backwards(self.go_backwards)
            .zero_output_for_mask(self.zero_output_for_mask);
        let [kernel, recurrent, bias, activity] = self.penalties;
        if let Some(penalty) = kernel {
            layer = layer.kernel_regularizer(penalty);
        }
        if let Some(penalty) = recurrent {
            layer = layer.recurrent_regularizer(penalty);
        }
        if let Some(penalty) = bias.filter(|_| self.use_bias) {
            layer = layer.bias_regularizer(penalty);
        }
        if let Some(penalty) = activity {
            layer = layer.activity_regularizer(penalty);
        }
        layer
    }

    fn cell(&self) -> LSTMCell {
        LSTMCell::new(self.units)
            .activation(self.activation)
            .recurrent_activation(self.recurrent_activation)
            .dropout(self.dropout)
            .recurrent_dropout(self.recurrent_dropout)
            .use_bias(self.use_bias)
    }
}

fn penalty() -> impl Strategy<Value = Option<Regularizer>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Regularizer::L1(0.02))),
        1 => Just(Some(Regularizer::L2(0.03))),
        1 => Just(Some(Regularizer::L1L2 { l1: 0.01, l2: 0.02 })),
        1 => Just(Some(Regularizer::Orthogonal { factor: 0.05, mode: Vectors::Columns })),
    ]
}

/// Penalties on vectors, which the orthogonal one is none of.
fn penalty_of_vectors() -> impl Strategy<Value = Option<Regularizer>> {
    penalty().prop_map(|penalty| {
        penalty.filter(|penalty| !matches!(penalty, Regularizer::Orthogonal { .. }))
    })
}

fn cell() -> impl Strategy<Value = Cell> {
    // A state that grows as the exponential of itself is beyond all numbers within three steps.
    let bounded = |activation: &Activation| *activation != Activation::Exponential;
    let activations = || select(Activation::ALL.into_iter().filter(bounded).collect::<Vec<_>>());
    let rates = || prop_oneof![Just(0.0), Just(0.4)];
    let penalties = (penalty(), penalty(), penalty_of_vectors(), penalty_of_vectors());
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (1..=4usize, activations(), activations(), (rates(), rates()), flags, penalties).prop_map(
        |(units, activation, recurrent_activation, (dropout, mut recurrent_dropout), flags, p)| {
            // Refused together.
            if [activation, recurrent_activation].contains(&Activation::Softmax) {
                recurrent_dropout = 0.0;
            }
            let (use_bias, go_backwards, zero_output_for_mask) = flags;
            Cell {
                units,
                activation,
                recurrent_activation,
                dropout,
                recurrent_dropout,
                use_bias,
                go_backwards,
                zero_output_for_mask,
                penalties: [p.0, p.1, p.2, p.3],
            }
        },
    )
}

/// What a model does with a sequence, to make another of it.
#[derive(Clone, Debug)]
enum Part {
    Lstm(Cell),
    Both(Cell, Cell, MergeMode),
    Cells(Vec<Cell>),
    Normalized(bool, bool),
    Dense(usize, Activation, Option<Regularizer>),
    EachStep(usize, Activation),
    Dropped(f64),
    DroppedFeatures(f64),
    Activated(Activation),
    Shares(isize),
    Turned,
    /// Beside itself, by way of a layer.
    Added(Cell),
    Joined(usize),
    /// The last output again and again.
    Again(Cell, usize),
    Flat,
}

fn part() -> impl Strategy<Value = Part> {
    let merge = select(vec![MergeMode::Concat, MergeMode::Sum, MergeMode::Mul, MergeMode::Ave]);
    let activations = || select(Activation::ALL.to_vec());
    prop_oneof![
        6 => cell().prop_map(Part::Lstm),
        3 => (cell(), cell(), merge).prop_map(|(one, other, merge)| Part::Both(one, other, merge)),
        2 => prop::collection::vec(cell(), 1..=2).prop_map(Part::Cells),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(center, scale)| Part::Normalized(center, scale)),
        2 => (2..=4usize, activations(), penalty())
            .prop_map(|(units, activation, penalty)| Part::Dense(units, activation, penalty)),
        1 => (1..=4usize, activations()).prop_map(|(units, end)| Part::EachStep(units, end)),
        1 => Just(Part::Dropped(0.4)),
        1 => Just(Part::DroppedFeatures(0.4)),
        2 => activations().prop_map(Part::Activated),
        1 => select(vec![-1isize, -2]).prop_map(Part::Shares),
        1 => Just(Part::Turned),
        2 => cell().prop_map(Part::Added),
        1 => (1..=3usize).prop_map(Part::Joined),
        1 => (cell(), 1..=3usize).prop_map(|(cell, times)| Part::Again(cell, times)),
        1 => Just(Part::Flat),
    ]
}

impl Part {
    fn name(&self) -> &'static str {
        match self {
            Part::Lstm(_) => "LSTM",
            Part::Both(..) => "Bidirectional",
            Part::Cells(_) => "RNN",
            Part::Normalized(..) => "LayerNormalization",
            Part::Dense(..) => "Dense",
            Part::EachStep(..) => "TimeDistributed",
            Part::Dropped(_) => "Dropout",
            Part::DroppedFeatures(_) => "SpatialDropout1D",
            Part::Activated(_) => "Activation",
            Part::Shares(_) => "Softmax",
            Part::Turned => "Permute",
            Part::Added(_) => "Add",
            Part::Joined(_) => "Concatenate",
            Part::Again(..) => "RepeatVector",
            Part::Flat => "Flatten",
        }
    }

    /// `[steps, features]` to the like.
    fn call(&self, x: &Symbol) -> lstm::Result<Symbol> {
        let features = x.shape().axes().last().copied().flatten().unwrap();
        match self {
            Part::Lstm(cell) => cell.layer().return_sequences(true).call(x),
            Part::Both(one, other, merge) => {
                let forward = one.layer().go_backwards(false).return_sequences(true);
                let other = Cell { units: one.units, ..other.clone() };
                let backward = other.layer().go_backwards(true).return_sequences(true);
                Bidirectional::new(forward).backward_layer(backward).merge_mode(*merge).call(x)
            }
            Part::Cells(cells) => {
                let cells = cells.iter().map(Cell::cell);
                RNN::new(StackedRNNCells::new(cells)).return_sequences(true).call(x)
            }
            Part::Normalized(center, scale) => {
                LayerNormalization::new().center(*center).scale(*scale).call(x)
            }
            Part::Dense(units, activation, penalty) => {
                let dense = Dense::new(*units).activation(*activation);
                match penalty {
                    None => dense.call(x),
                    Some(penalty) => dense.kernel_regularizer(*penalty).call(x),
                }
            }
            Part::EachStep(units, activation) => {
                TimeDistributed::new(Dense::new(*units).activation(*activation)).call(x)
            }
            Part::Dropped(rate) => Dropout::new(*rate).call(x),
            Part::DroppedFeatures(rate) => SpatialDropout1D::new(*rate).call(x),
            Part::Activated(activation) => ActivationLayer::new(*activation).call(x),
            Part::Shares(axis) => Softmax::new().axis(*axis).call(x),
            Part::Turned => Permute::new([2, 1]).call(x),
            Part::Added(cell) => {
                let cell = Cell { units: features, ..cell.clone() };
                let beside = cell.layer().return_sequences(true).call(x)?;
                Add::new().call([x, &beside])
            }
            Part::Joined(units) => {
                let beside = Dense::new(*units).call(x)?;
                Concatenate::new().call([x, &beside])
            }
            Part::Again(cell, times) => RepeatVector::new(*times).call(&cell.layer().call(x)?),
            Part::Flat => {
                let flat = Flatten::new().call(x)?;
                Reshape::new([None, Some(1)]).call(&flat)
            }
        }
    }
}

/// What comes first.
#[derive(Clone, Debug)]
enum Start {
    Plain(usize),
    Masked(usize),
    Indices(bool, usize),
}

/// What comes last, with a loss that fits.
#[derive(Clone, Debug)]
struct End {
    sequences: bool,
    units: usize,
    loss: Loss,
}

#[derive(Clone, Debug)]
struct Random {
    start: Start,
    parts: Vec<Part>,
    end: End,
    batch: usize,
    steps: usize,
    seed: u64,
}

fn random() -> impl Strategy<Value = Random> {
    let start = prop_oneof![
        2 => (1..=3usize).prop_map(Start::Plain),
        2 => (1..=3usize).prop_map(Start::Masked),
        1 => (any::<bool>(), 1..=3usize).prop_map(|(masked, width)| Start::Indices(masked, width)),
    ];
    let end = (any::<bool>(), 1..=3usize, select(Loss::ALL.to_vec()))
        .prop_map(|(sequences, units, loss)| End { sequences, units, loss });
    let sizes = (1..=3usize, 1..=4usize, any::<u64>());
    (start, prop::collection::vec(part(), 0..=3), end, sizes).prop_map(
        |(start, parts, end, (batch, steps, seed))| Random {
            start,
            parts,
            end,
            batch,
            steps,
            seed,
        },
    )
}

impl Random {
    fn model(&self) -> lstm::Result<Model> {
        let (input, mut x) = match self.start {
            Start::Plain(features) => {
                let input = Input::new([self.steps, features]);
                let x = Symbol::clone(&input);
                (input, x)
            }
            Start::Masked(features) => {
                let input = Input::new([self.steps, features]);
                let x = Masking::new().call(&input)?;
                (input, x)
            }
            Start::Indices(masked, width) => {
                let input = Input::new([self.steps]);
                let x = Embedding::new(4, width).mask_zero(masked).call(&input)?;
                (input, x)
            }
        };
        for part in &self.parts {
            x = part.call(&x)?;
        }
        let end = match self.end.loss {
            Loss::BinaryCrossentropy { .. } | Loss::Poisson => Activation::Sigmoid,
            Loss::CategoricalCrossentropy { .. }
            | Loss::SparseCategoricalCrossentropy { .. }
            | Loss::KLDivergence => Activation::Softmax,
            Loss::MeanSquaredLogarithmicError => Activation::Softplus,
            _ => Activation::Linear,
        };
        if !self.end.sequences {
            x = LSTM::new(2).call(&x)?;
        }
        // At a prediction of zero, cosines have no derivative.
        let bias = Initializer::RandomNormal { mean: 0.2, stddev: 0.3 };
        let last = Dense::new(self.end.units + 1).activation(end).bias_initializer(bias);
        let y = last.call(&x)?;
        let mut model = Model::new(&input, &y)?;
        model.reseed(self.seed);
        model.compile_with(SGD::default(), self.end.loss, Compile::default())?;
        Ok(model)
    }

    /// The model, with a batch for it.
    fn made(&self) -> Result<(Model, Batch), String> {
        let failed = |error: lstm::Error| format!("{self:?}: {error}");
        let model = self.model().map_err(failed)?;
        let data = random_batch(&model, self.batch, self.steps, self.seed);
        let mut data: Batch = data.map_err(failed)?;
        if let Start::Masked(features) = self.start {
            let steps = data.x[0].data_mut().chunks_exact_mut(features);
            steps.filter(|step| step[0] < -0.3).for_each(|step| step.fill(0.0));
        }
        Ok((model, data))
    }

    fn check_gradients(&self, sample: usize) -> Result<(), String> {
        let (model, Batch { x, y, .. }) = self.made()?;
        let check = Gradcheck { sample: Some(sample), seed: self.seed, ..Gradcheck::default() };
        match check.training(&model, &x[0], &y[0]) {
            Ok(report) if report.passed() => Ok(()),
            Ok(report) => Err(format!("{self:?}: {report}")),
            Err(error) => Err(format!("{self:?}: {error}")),
        }
    }

    /// The bits of the weights after two steps of training on an instruction set, with those of the
    /// losses.
    fn trained(&self, isa: Isa) -> Result<Vec<u32>, String> {
        let (mut model, Batch { x, y, .. }) = self.made()?;
        model.set_isa(isa);
        let mut bits = Vec::new();
        for _ in 0..2 {
            let loss = model.train_on_batch(&x[0], &y[0]).map_err(|error| error.to_string())?;
            bits.push(loss.to_bits());
        }
        let weights = model.get_weights();
        bits.extend(weights.iter().flat_map(|weight| weight.data()).map(|w| w.to_bits()));
        Ok(bits)
    }

    fn check_instructions(&self) -> Result<(), String> {
        let with_fma = Isa::available().into_iter().filter(|isa| isa.name() != "portable");
        let trained = with_fma.map(|isa| self.trained(isa)).collect::<Result<Vec<_>, _>>()?;
        match trained.windows(2).all(|pair| pair[0] == pair[1]) {
            true => Ok(()),
            false => Err(format!("{self:?}: other bits on another instruction set")),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        // The same cases each time, so that CI tells of changes and not of luck.
        rng_seed: RngSeed::Fixed(1),
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn gradients_of_random_models_are_right(random in random()) {
        random.check_gradients(4).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn random_models_train_to_the_same_bits_on_instruction_sets_with_fma(random in random()) {
        random.check_instructions().map_err(TestCaseError::fail)?;
    }
}

#[test]
fn a_layer_has_no_kind_that_these_models_lack() {
    let mut runner = TestRunner::new(ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    });
    let mut seen = BTreeSet::from(["InputLayer", "LSTM", "Dense"]);
    for _ in 0..150 {
        let random = random().new_tree(&mut runner).unwrap().current();
        seen.extend(random.parts.iter().map(Part::name));
        seen.extend(match random.start {
            Start::Plain(_) => None,
            Start::Masked(_) => Some("Masking"),
            Start::Indices(..) => Some("Embedding"),
        });
    }
    for part in
        ["RNN", "TimeDistributed", "Permute", "RepeatVector", "Flatten", "Masking", "Embedding"]
    {
        assert!(seen.contains(part), "{part} is in none of them");
    }
}
