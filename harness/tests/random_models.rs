//! Gradients of random models, of all layers, options and losses, are those that differences find:
//! of whole steps of training, with the dropout, the masks and the penalties of each. And they are the same
//! on every instruction set whose multiply-adds round once.

use std::collections::BTreeSet;
use std::path::Path;

use kernels::Isa;
use lstm::gradcheck::{Gradcheck, random_batch};
use lstm::{
    Activation, ActivationLayer, Add, Average, Batch, Bidirectional, Compile, Concatenate,
    Constraint, Dense, Distribution, Dropout, Embedding, Fan, Flatten, Initializer, Input, LSTM,
    LSTMCell, LayerNormalization, Loss, Masking, Maximum, MergeMode, Minimum, Model, Multiply,
    Objective, Permute, RNN, Reduction, Regularizer, RepeatVector, Reshape, SGD, Shared, Softmax,
    SpatialDropout1D, StackedRNNCells, Subtract, Symbol, Tensor, TimeDistributed, Vectors,
};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use safetensors::SafeTensors;
use serde_json::Value;

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
    stateful: bool,
    trainable: bool,
    /// Of the kernel, the recurrent kernel, the bias and what is returned.
    penalties: [Option<Regularizer>; 4],
    /// Of the kernel, the recurrent kernel and the bias.
    constraints: [Option<Constraint>; 3],
}

/// Sets options of a layer that has them where they are drawn.
macro_rules! set {
    ($layer:ident: $($option:ident = $value:expr),* $(,)?) => {
        $(let $layer = match $value {
            Some(value) => $layer.$option(value),
            None => $layer,
        };)*
    };
}

impl Cell {
    /// The activations, dropouts, penalties and constraints that a layer and a cell have alike.
    fn layer(&self) -> LSTM {
        let [kernel, recurrent, bias, activity] = self.penalties;
        let [of_kernel, of_recurrent, of_bias] = self.constraints.clone();
        let layer = LSTM::new(self.units)
            .activation(self.activation)
            .recurrent_activation(self.recurrent_activation)
            .dropout(self.dropout)
            .recurrent_dropout(self.recurrent_dropout)
            .use_bias(self.use_bias)
            .bias_initializer(self.bias())
            .unit_forget_bias(false)
            .go_backwards(self.go_backwards)
            .zero_output_for_mask(self.zero_output_for_mask)
            .stateful(self.stateful)
            .trainable(self.trainable);
        set!(layer:
            kernel_initializer = self.kernel(),
            recurrent_initializer = self.kernel(),
            kernel_regularizer = kernel,
            recurrent_regularizer = recurrent,
            bias_regularizer = bias,
            activity_regularizer = activity,
            kernel_constraint = of_kernel,
            recurrent_constraint = of_recurrent,
            bias_constraint = of_bias,
        );
        layer
    }

    fn cell(&self) -> LSTMCell {
        let [kernel, recurrent, bias, _] = self.penalties;
        let [of_kernel, of_recurrent, of_bias] = self.constraints.clone();
        let cell = LSTMCell::new(self.units)
            .activation(self.activation)
            .recurrent_activation(self.recurrent_activation)
            .dropout(self.dropout)
            .recurrent_dropout(self.recurrent_dropout)
            .use_bias(self.use_bias)
            .bias_initializer(self.bias())
            .unit_forget_bias(false)
            .trainable(self.trainable);
        set!(cell:
            kernel_initializer = self.kernel(),
            recurrent_initializer = self.kernel(),
            kernel_regularizer = kernel,
            recurrent_regularizer = recurrent,
            bias_regularizer = bias,
            kernel_constraint = of_kernel,
            recurrent_constraint = of_recurrent,
            bias_constraint = of_bias,
        );
        cell
    }

    /// A layer of cells, that goes through a sequence as the first of them says.
    fn stack(cells: &[Cell]) -> RNN {
        let first = &cells[0];
        let layer = RNN::new(StackedRNNCells::new(cells.iter().map(Cell::cell)))
            .go_backwards(first.go_backwards)
            .zero_output_for_mask(first.zero_output_for_mask)
            .stateful(first.stateful);
        set!(layer: activity_regularizer = first.penalties[3]);
        layer
    }

    /// A state that grows as the exponential of itself is soon beyond all numbers, but where weights
    /// are small.
    fn grows(&self) -> bool {
        [self.activation, self.recurrent_activation].contains(&Activation::Exponential)
    }

    fn kernel(&self) -> Option<Initializer> {
        let (scale, mode) = (0.01, Fan::In);
        let distribution = Distribution::Uniform;
        self.grows().then_some(Initializer::VarianceScaling { scale, mode, distribution })
    }

    fn bias(&self) -> Initializer {
        let mean = if self.grows() { -1.0 } else { 0.1 };
        Initializer::RandomNormal { mean, stddev: 0.3 }
    }
}

fn constraint() -> impl Strategy<Value = Option<Constraint>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Constraint::max_norm(0.6))),
        1 => Just(Some(Constraint::NonNeg)),
        1 => Just(Some(Constraint::unit_norm())),
        1 => Just(Some(Constraint::min_max_norm(0.2, 0.7))),
    ]
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
    let activations = || select(Activation::ALL.to_vec());
    let rates = || prop_oneof![Just(0.0), Just(0.4)];
    let penalties = (penalty(), penalty(), penalty_of_vectors(), penalty_of_vectors());
    let constraints = (constraint(), constraint(), constraint());
    let rarely = || prop_oneof![5 => Just(false), 1 => Just(true)];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), rarely(), rarely());
    let options = (flags, penalties, constraints);
    (1..=4usize, activations(), activations(), (rates(), rates()), options).prop_map(
        |(units, activation, recurrent_activation, (dropout, recurrent_dropout), options)| {
            let (flags, penalties, constraints) = options;
            let (use_bias, go_backwards, zero_output_for_mask, stateful, frozen) = flags;
            Cell {
                units,
                activation,
                recurrent_activation,
                dropout,
                recurrent_dropout,
                use_bias,
                go_backwards,
                zero_output_for_mask,
                stateful,
                trainable: !frozen,
                penalties: penalties.into(),
                constraints: constraints.into(),
            }
        },
    )
}

/// A layer that combines two of the same shape.
#[derive(Clone, Copy, Debug)]
enum Merge {
    Add,
    Subtract,
    Multiply,
    Average,
    Maximum,
    Minimum,
}

impl Merge {
    const ALL: [Merge; 6] = [
        Merge::Add,
        Merge::Subtract,
        Merge::Multiply,
        Merge::Average,
        Merge::Maximum,
        Merge::Minimum,
    ];

    fn call(self, pair: [&Symbol; 2]) -> lstm::Result<Symbol> {
        match self {
            Merge::Add => Add::new().call(pair),
            Merge::Subtract => Subtract::new().call(pair),
            Merge::Multiply => Multiply::new().call(pair),
            Merge::Average => Average::new().call(pair),
            Merge::Maximum => Maximum::new().call(pair),
            Merge::Minimum => Minimum::new().call(pair),
        }
    }
}

/// The penalties and constraints of a layer with two weights, and of what it returns.
#[derive(Clone, Debug)]
struct Bounds {
    penalties: [Option<Regularizer>; 3],
    constraints: [Option<Constraint>; 2],
}

/// Of a matrix and a vector.
fn bounds() -> impl Strategy<Value = Bounds> {
    let penalties = (penalty(), penalty_of_vectors(), penalty_of_vectors());
    (penalties, (constraint(), constraint())).prop_map(|(penalties, constraints)| Bounds {
        penalties: penalties.into(),
        constraints: constraints.into(),
    })
}

/// What a model does with a sequence, to make another of it.
#[derive(Clone, Debug)]
enum Part {
    Lstm(Cell),
    Both(Cell, Cell, MergeMode),
    /// Both ways by themselves, and then combined.
    Ways(Cell, Cell, Merge),
    /// Both ways through stacks of cells.
    BothStacks(Vec<Cell>, MergeMode),
    Cells(Vec<Cell>),
    /// The final states of a layer are the initial ones of another.
    HandedOn(Cell, Cell),
    /// A layer upon itself.
    Twice(Cell),
    Normalized(bool, bool, Bounds),
    Dense(usize, Activation, Bounds),
    EachStep(usize, Activation, Bounds),
    Dropped(f64),
    DroppedFeatures(f64),
    Activated(Activation),
    Shares(isize),
    Turned,
    /// Beside itself, by way of a layer.
    Merged(Cell, Merge),
    Joined(usize),
    /// The last output again and again.
    Again(Cell, usize),
    Flat,
}

fn part() -> impl Strategy<Value = Part> {
    let merge = select(vec![MergeMode::Concat, MergeMode::Sum, MergeMode::Mul, MergeMode::Ave]);
    let merges = || select(Merge::ALL.to_vec());
    let activations = || select(Activation::ALL.to_vec());
    let stack = || prop::collection::vec(cell(), 1..=2);
    prop_oneof![
        6 => cell().prop_map(Part::Lstm),
        3 => (cell(), cell(), merge.clone())
            .prop_map(|(one, other, merge)| Part::Both(one, other, merge)),
        2 => (cell(), cell(), merges()).prop_map(|(one, other, merge)| Part::Ways(one, other, merge)),
        1 => (stack(), merge).prop_map(|(cells, merge)| Part::BothStacks(cells, merge)),
        2 => stack().prop_map(Part::Cells),
        2 => (cell(), cell()).prop_map(|(one, other)| Part::HandedOn(one, other)),
        1 => cell().prop_map(Part::Twice),
        1 => (any::<bool>(), any::<bool>(), bounds())
            .prop_map(|(center, scale, bounds)| Part::Normalized(center, scale, bounds)),
        2 => (2..=4usize, activations(), bounds())
            .prop_map(|(units, activation, bounds)| Part::Dense(units, activation, bounds)),
        1 => (2..=4usize, activations(), bounds())
            .prop_map(|(units, end, bounds)| Part::EachStep(units, end, bounds)),
        1 => Just(Part::Dropped(0.4)),
        1 => Just(Part::DroppedFeatures(0.4)),
        2 => activations().prop_map(Part::Activated),
        1 => select(vec![-1isize, -2]).prop_map(Part::Shares),
        1 => Just(Part::Turned),
        3 => (cell(), merges()).prop_map(|(cell, merge)| Part::Merged(cell, merge)),
        1 => (1..=3usize).prop_map(Part::Joined),
        1 => (cell(), 1..=3usize).prop_map(|(cell, times)| Part::Again(cell, times)),
        1 => Just(Part::Flat),
    ]
}

impl Part {
    /// `[steps, features]` to the like.
    fn call(&self, x: &Symbol) -> lstm::Result<Symbol> {
        let features = x.shape().axes().last().copied().flatten().unwrap();
        match self {
            Part::Lstm(cell) => cell.layer().return_sequences(true).call(x),
            Part::Both(one, other, merge) => both(one, other).merge_mode(*merge).call(x),
            Part::Ways(one, other, merge) => {
                let y = both(one, other).merge_mode(None).call(x)?;
                merge.call([&y, &y.output(1)?])
            }
            Part::BothStacks(cells, merge) => {
                let way = |back| Cell::stack(cells).go_backwards(back).return_sequences(true);
                let layer = Bidirectional::new(way(false)).backward_layer(way(true));
                layer.merge_mode(*merge).call(x)
            }
            Part::Cells(cells) => Cell::stack(cells).return_sequences(true).call(x),
            Part::HandedOn(one, other) => {
                let y = one.layer().return_sequences(true).return_state(true).call(x)?;
                let other = Cell { units: one.units, ..other.clone() };
                let [h, c] = y.states()?;
                // The cell state by the hidden one, and the other way round.
                other.layer().return_sequences(true).call_with_state(&y, [&c, &h])
            }
            Part::Twice(cell) => {
                let cell = Cell { units: features, ..cell.clone() };
                let layer = Shared::new(cell.layer().return_sequences(true));
                layer.call(&layer.call(x)?)
            }
            Part::Normalized(center, scale, bounds) => {
                let layer = LayerNormalization::new().center(*center).scale(*scale);
                let ([_, beta, gamma], [of_beta, of_gamma]) =
                    (bounds.penalties, bounds.constraints.clone());
                set!(layer:
                    beta_regularizer = beta,
                    gamma_regularizer = gamma,
                    beta_constraint = of_beta,
                    gamma_constraint = of_gamma,
                );
                layer.call(x)
            }
            Part::Dense(units, activation, bounds) => dense(*units, *activation, bounds).call(x),
            Part::EachStep(units, activation, bounds) => {
                TimeDistributed::new(dense(*units, *activation, bounds)).call(x)
            }
            Part::Dropped(rate) => Dropout::new(*rate).call(x),
            Part::DroppedFeatures(rate) => SpatialDropout1D::new(*rate).call(x),
            Part::Activated(activation) => ActivationLayer::new(*activation).call(x),
            Part::Shares(axis) => Softmax::new().axis(*axis).call(x),
            Part::Turned => Permute::new([2, 1]).call(x),
            Part::Merged(cell, merge) => {
                let cell = Cell { units: features, ..cell.clone() };
                let beside = cell.layer().return_sequences(true).call(x)?;
                merge.call([x, &beside])
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

/// A layer on its way and one against it, of what they have to have alike.
fn both(one: &Cell, other: &Cell) -> Bidirectional {
    let other = Cell { units: one.units, stateful: one.stateful, ..other.clone() };
    let forward = one.layer().go_backwards(false).return_sequences(true);
    let backward = other.layer().go_backwards(true).return_sequences(true);
    Bidirectional::new(forward).backward_layer(backward)
}

fn dense(units: usize, activation: Activation, bounds: &Bounds) -> Dense {
    let [kernel, bias, activity] = bounds.penalties;
    let [of_kernel, of_bias] = bounds.constraints.clone();
    let dense = Dense::new(units).activation(activation);
    set!(dense:
        kernel_regularizer = kernel,
        bias_regularizer = bias,
        activity_regularizer = activity,
        kernel_constraint = of_kernel,
        bias_constraint = of_bias,
    );
    dense
}

/// What comes first.
#[derive(Clone, Debug)]
enum Start {
    Plain(usize),
    Masked(usize),
    Indices(bool, usize, Bounds),
    /// A layer whose initial states are inputs, and whose final ones are outputs.
    States(usize, Cell),
}

/// What comes last, with a loss that fits.
#[derive(Clone, Debug)]
struct End {
    sequences: bool,
    units: usize,
    loss: Objective,
    weight: f64,
}

#[derive(Clone, Debug)]
struct Random {
    start: Start,
    parts: Vec<Part>,
    /// One for each output.
    ends: Vec<End>,
    batch: usize,
    steps: usize,
    seed: u64,
}

/// A loss, with settings other than Keras's defaults or not. Not without a reduction: its gradient is
/// not that of what is shown.
fn loss() -> impl Strategy<Value = Objective> {
    let smooth = |from_logits, label_smoothing| {
        [
            Loss::BinaryCrossentropy { from_logits, label_smoothing },
            Loss::CategoricalCrossentropy { from_logits, label_smoothing },
        ]
    };
    let sparse = |from_logits, ignore_class| Loss::SparseCategoricalCrossentropy {
        from_logits,
        ignore_class,
    };
    let mut with_settings = vec![
        Loss::Huber { delta: 0.3 },
        Loss::Huber { delta: 2.0 },
        sparse(true, None),
        sparse(true, Some(1)),
        sparse(false, Some(0)),
    ];
    for (from_logits, smoothing) in [(true, 0.0), (true, 0.2), (false, 0.2)] {
        with_settings.extend(smooth(from_logits, smoothing));
    }
    let losses = prop_oneof![3 => select(Loss::ALL.to_vec()), 2 => select(with_settings)];
    let reductions = prop_oneof![
        3 => Just(Reduction::SumOverBatchSize),
        1 => Just(Reduction::Sum),
        1 => Just(Reduction::Mean),
        1 => Just(Reduction::MeanWithSampleWeight),
    ];
    (losses, reductions).prop_map(|(loss, reduction)| loss.reduction(reduction))
}

fn random() -> impl Strategy<Value = Random> {
    let start = prop_oneof![
        2 => (1..=3usize).prop_map(Start::Plain),
        2 => (1..=3usize).prop_map(Start::Masked),
        1 => (any::<bool>(), 2..=3usize, bounds())
            .prop_map(|(masked, width, bounds)| Start::Indices(masked, width, bounds)),
        1 => (1..=3usize, cell()).prop_map(|(features, cell)| Start::States(features, cell)),
    ];
    let end = (any::<bool>(), 1..=3usize, loss(), select(vec![0.5, 1.0, 3.0]))
        .prop_map(|(sequences, units, loss, weight)| End { sequences, units, loss, weight });
    let ends = prop::collection::vec(end, 1..=2);
    let sizes = (1..=3usize, 1..=4usize, any::<u64>());
    (start, prop::collection::vec(part(), 0..=3), ends, sizes).prop_map(
        |(start, parts, ends, (batch, steps, seed))| Random {
            start,
            parts,
            ends,
            batch,
            steps,
            seed,
        },
    )
}

impl End {
    fn call(&self, x: &Symbol) -> lstm::Result<Symbol> {
        let end = match self.loss.loss {
            Loss::BinaryCrossentropy { from_logits: false, .. } | Loss::Poisson => {
                Activation::Sigmoid
            }
            Loss::CategoricalCrossentropy { from_logits: false, .. }
            | Loss::SparseCategoricalCrossentropy { from_logits: false, .. }
            | Loss::KLDivergence => Activation::Softmax,
            Loss::MeanSquaredLogarithmicError => Activation::Softplus,
            _ => Activation::Linear,
        };
        let x = match self.sequences {
            true => x.clone(),
            false => LSTM::new(2).call(x)?,
        };
        // At a prediction of zero, cosines have no derivative.
        let bias = Initializer::RandomNormal { mean: 0.2, stddev: 0.3 };
        Dense::new(self.units + 1).activation(end).bias_initializer(bias).call(&x)
    }
}

impl Random {
    fn model(&self) -> lstm::Result<Model> {
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        let mut input = |shape: &[usize]| {
            inputs.push(Symbol::clone(&Input::new(shape)));
            inputs[inputs.len() - 1].clone()
        };
        let steps = self.steps;
        let mut x = match &self.start {
            Start::Plain(features) => input(&[steps, *features]),
            Start::Masked(features) => Masking::new().call(&input(&[steps, *features]))?,
            Start::Indices(masked, width, bounds) => {
                let layer = Embedding::new(4, *width).mask_zero(*masked);
                let ([penalty, _, activity], [bound, _]) =
                    (bounds.penalties, bounds.constraints.clone());
                set!(layer:
                    embeddings_regularizer = penalty,
                    activity_regularizer = activity,
                    embeddings_constraint = bound,
                );
                layer.call(&input(&[steps]))?
            }
            Start::States(features, cell) => {
                let x = input(&[steps, *features]);
                let [h, c] = [input(&[cell.units]), input(&[cell.units])];
                let layer = cell.layer().stateful(false).return_sequences(true).return_state(true);
                let y = layer.call_with_state(&x, [&h, &c])?;
                outputs.extend(y.states()?);
                y
            }
        };
        for part in &self.parts {
            x = part.call(&x)?;
        }
        let mut losses = vec![Objective::from(Loss::MeanSquaredError); outputs.len()];
        let mut loss_weights = vec![0.7; outputs.len()];
        for end in &self.ends {
            outputs.push(end.call(&x)?);
            losses.push(end.loss);
            loss_weights.push(end.weight);
        }
        let mut model = Model::new(&inputs[..], &outputs[..])?;
        model.reseed(self.seed);
        let compile = Compile { loss_weights, ..Compile::default() };
        model.compile_with(SGD::default(), losses, compile)?;
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
        match check.training(&model, &refs(&x)[..], &refs(&y)[..]) {
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
            let loss = model.train_on_batch(&refs(&x)[..], &refs(&y)[..]);
            let loss = loss.map_err(|error| error.to_string())?;
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

fn refs(tensors: &[Tensor<f32>]) -> Vec<&Tensor<f32>> {
    tensors.iter().collect()
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

/// Adds the classes of layers and cells that a description by Keras names.
fn classes(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| classes(value, found)),
        Value::Object(object) => {
            let text = |key: &str| object.get(key).and_then(Value::as_str);
            if let (Some("keras.layers"), Some(class)) = (text("module"), text("class_name")) {
                found.insert(class.to_owned());
            }
            object.values().for_each(|value| classes(value, found));
        }
        _ => {}
    }
}

/// The fixtures have every layer that can be read.
#[test]
fn a_layer_has_no_kind_that_these_models_lack() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut all = BTreeSet::new();
    let layers = std::fs::read_to_string(fixtures.join("json/layers.json")).unwrap();
    classes(&serde_json::from_str(&layers).unwrap(), &mut all);
    for file in std::fs::read_dir(fixtures.join("conformance")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let case = &header.metadata().as_ref().unwrap()["case"];
        classes(&serde_json::from_str(case).unwrap(), &mut all);
    }
    assert!(all.len() >= 26, "{all:?}");

    let mut runner = TestRunner::new(ProptestConfig {
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    });
    let mut seen = BTreeSet::new();
    for _ in 0..150 {
        let random = random().new_tree(&mut runner).unwrap().current();
        let model = random.model().unwrap().to_json();
        classes(&serde_json::from_str(&model).unwrap(), &mut seen);
    }
    let lacking: Vec<_> = all.difference(&seen).collect();
    assert_eq!(lacking, Vec::<&String>::new());
}
