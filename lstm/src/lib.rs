//! LSTM training and inference on CPUs, with the names, defaults and numbers of Keras.
//!
//! ```
//! use lstm::{Activation, Adam, Dense, Fit, Input, LSTM, Loss, Sequential, Tensor};
//!
//! // From the last three numbers to the next one.
//! let x = Tensor::from([[[1.0], [2.0], [3.0]], [[2.0], [3.0], [4.0]], [[3.0], [4.0], [5.0]]]);
//! let y = Tensor::from([4.0, 5.0, 6.0]);
//!
//! let mut model = Sequential::new()
//!     .add(Input::new([3, 1]))
//!     .add(LSTM::new(10).activation(Activation::Relu))
//!     .add(Dense::new(1))
//!     .build()?;
//! model.compile(Adam::default(), Loss::MeanSquaredError)?;
//! let history = model.fit(&x, &y, Fit { epochs: 50, batch_size: 1, ..Fit::default() })?;
//! assert!(history.loss()[49] < history.loss()[0]);
//!
//! let next = model.predict(&Tensor::from([[[7.0], [8.0], [9.0]]]))?;
//! println!("7, 8, 9, {:.1}", next.data()[0]);
//! # Ok::<(), lstm::Error>(())
//! ```
//!
//! # Coming from Keras
//!
//! | Keras                                    | here                                            |
//! |------------------------------------------|-------------------------------------------------|
//! | `Sequential([Input((4, 8)), LSTM(3)])`   | `Sequential::new().add(Input::new([4, 8])).add(LSTM::new(3)).build()?` |
//! | `y = LSTM(3)(x)`                         | `let y = LSTM::new(3).call(&x)?`                |
//! | `y, h, c = LSTM(3, return_state=True)(x)` | `let y = LSTM::new(3).return_state(true).call(&x)?; let [h, c] = y.states()?` |
//! | `LSTM(3)(x, initial_state=[h, c])`       | `LSTM::new(3).call_with_state(&x, [&h, &c])?`   |
//! | `Concatenate()([a, b])`                  | `Concatenate::new().call([&a, &b])?`            |
//! | `Activation("relu")`                     | `ActivationLayer::new(Activation::Relu)`        |
//! | `Reshape((-1, 4))`                       | `Reshape::new([None, Some(4)])`                 |
//! | `Bidirectional(LSTM(3), merge_mode="sum")(x)` | `Bidirectional::new(LSTM::new(3)).merge_mode(MergeMode::Sum).call(&x)?` |
//! | `RNN([LSTMCell(3), LSTMCell(2)])(x)`     | `RNN::new([LSTMCell::new(3), LSTMCell::new(2)]).call(&x)?` |
//! | `TimeDistributed(Dense(3))(x)`           | `TimeDistributed::new(Dense::new(3)).call(&x)?` |
//! | `Model(x, y)`                            | `Model::new(&x, &y)?`                           |
//! | `Input((None, 8))`                       | `Input::new([None, Some(8)])`                   |
//! | `model.compile("adam", "mse")`           | `model.compile(Adam::default(), Loss::MeanSquaredError)?` |
//! | `optimizer="nadam"`                      | `"nadam".parse::<Optimizer>()?`                 |
//! | `AdamW(ExponentialDecay(0.1, 99, 0.9), clipnorm=1.0)` | `Optimizer::from(AdamW::default()).schedule(ExponentialDecay::new(0.1, 99, 0.9)).clipnorm(1.0)` |
//! | `Dense(3, kernel_regularizer=L2(0.1), kernel_constraint=MaxNorm(2))` | `Dense::new(3).kernel_regularizer(Regularizer::L2(0.1)).kernel_constraint(Constraint::max_norm(2.0))` |
//! | `model.fit(x, y, epochs=9, verbose=2)`   | `model.fit(&x, &y, Fit { epochs: 9, verbose: Verbose::Line, ..Fit::default() })?` |
//! | `model.fit(x, y, sample_weight=w, validation_split=0.2)` | `model.fit(&x, &y, Fit { sample_weight: &[&w], validation_split: 0.2, ..Fit::default() })?` |
//! | `model.fit(x, y, callbacks=[stop])`      | `model.fit_with(&x, &y, Fit::default(), &mut [&mut stop])?` |
//! | `callbacks=[BackupAndRestore(folder)]`   | `Fit { backup: Some(Backup::new(path)), ..Fit::default() }`, to the bit |
//! | `model.fit(dataset)`                     | `model.fit_dataset(&mut dataset, Fit::default())?` of a [`Dataset`] |
//! | `timeseries_dataset_from_array(x, y, 24)` | `timeseries_dataset_from_array(&x, Some(&y), 24, Timeseries::default())?` |
//! | a generator of batches                   | `Batches::new(\|epoch\| ..)` with an iterator of `(x, y)` |
//! | `compile(.., metrics=["accuracy"])`      | `compile_with(.., Compile { metrics: vec![Metric::ACCURACY], ..Compile::default() })?` |
//! | `Adam(ExponentialDecay(..), clipnorm=1)` | `Optimizer::from(Adam::default()).schedule(..).clipnorm(1.0)` |
//! | `Masking(0.0)`, `Embedding(.., mask_zero=True)` | `Masking::new()`, `Embedding::new(..).mask_zero(true)` |
//! | `LSTM(3)(x, mask=m)`                     | `Shared::new(LSTM::new(3)).call_masked(&x, &m)?` |
//! | one layer called twice                   | `let layer = Shared::new(LSTM::new(3)); layer.call(&a)?; layer.call(&b)?` |
//! | `layer.reset_states()` of a stateful layer | `model.reset_states()`                        |
//! | `model.predict(x, batch_size=256)`       | `model.predict_with(&x, Predict { batch_size: 256, ..Predict::default() })?` |
//! | `model(x, training=True)`                | `model.predict_with(&x, Predict { training: Some(7), ..Predict::default() })?` |
//! | `model.train_on_batch(x, y, class_weight=w)` | `model.train_on_class_weighted_batch(&x, &y, &[(0, 0.5)])?` |
//! | `keras.utils.set_random_seed(7)`         | `model.reseed(7)`, and `seed: 7` in `Fit`       |
//! | `dtype="float64"`                        | `build_as::<f64>()?`, `Model::<f64>::new_as(..)?` |
//! | `model_from_json(text)`                  | `Model::from_json(text)?`, compiled if that was |
//!
//! Arrays are batch first, `[batch, steps, features]`; gates are in the order i, f, c, o; weights
//! have Keras's shapes and order. What differs is said where it does.
//!
//! # The same bits
//!
//! Outputs, gradients and whole trainings are the same to the last bit
//!
//! - for any number of threads,
//! - on all instruction sets that round a multiply-add once, which are AVX2 with FMA and AVX-512,
//! - with any [`Bptt::Checkpointed`] and with none, broken off and gone on with by [`Fit::backup`] or not,
//!   and, for outputs, from [`Model::stream`] or [`Model::predict`], whatever the batch size.
//!
//! What breaks it: the portable instruction set, whose multiply-adds round twice; another batch size, seed or
//! order of samples in training; another version of this crate or of Rust; and, for losses and optimizers
//! that call `exp`, `ln` or `powf` of `f64`, another system, whose own these are.
//!
//! # How it is built
//!
//! | module        | holds                                                                    |
//! |---------------|--------------------------------------------------------------------------|
//! | [`engine`]    | forward and backpropagation through time, on the vectors of [`kernels`]  |
//! | [`mod@reference`] | the same as one would write it down, for tests                       |
//! | the rest      | layers, graphs, models, losses, optimizers, descriptions in JSON         |
//!
//! After the first one of a shape, [`Model::train_on_batch`], [`Model::evaluate`] and
//! [`Model::predict_into`] allocate nothing, whatever shapes come between; [`Model::fit`] allocates
//! as much for many epochs as for few. The exception is work that is large enough to be spread over
//! threads: handing it to them may allocate in `rayon`. Wrong shapes, NaN and unknown settings are
//! an [`Error`] at the door.

#![forbid(unsafe_code)]

mod activation;
mod archive;
mod callback;
mod config;
mod constraint;
mod dataset;
pub mod engine;
mod error;
mod float;
pub mod gradcheck;
mod graph;
mod initializer;
mod isa;
mod layer;
mod loss;
mod metric;
mod model;
mod optimizer;
mod random;
pub mod reference;
mod regularizer;
mod schedule;
mod shape;
mod tensor;

pub use activation::Activation;
pub use callback::{
    CSVLogger, Callback, EarlyStopping, LambdaCallback, LearningRateScheduler, Memory, Mode,
    ModelCheckpoint, Plateau, ReduceLROnPlateau, SaveFreq, Stopping, TerminateOnNaN,
};
pub use constraint::{Constraint, NormAxis};
pub use dataset::{
    Batch, Batches, Dataset, Timeseries, TimeseriesDataset, timeseries_dataset_from_array,
};
pub use error::{Error, Result};
pub use float::Float;
pub use gradcheck::gradcheck;
pub use graph::{Shared, Symbol, Symbols};
pub use initializer::{Distribution, Fan, Initializer};
pub use kernels::Isa;
pub use layer::{
    ActivationLayer, Add, Average, Bidirectional, Cell, Concatenate, DataFormat, Dense, Dropout,
    Embedding, Flatten, Input, InputDescription, LSTM, LSTMCell, Layer, LayerNormalization,
    Masking, Maximum, MergeMode, Minimum, Multiply, Permute, RNN, Recurrent, RepeatVector, Reshape,
    Softmax, SpatialDropout1D, StackedRNNCells, Subtract, TimeDistributed, Truth,
};
pub use loss::{Loss, Losses, Objective, Reduction};
pub use metric::{
    AUC, ClassAggregation, Curve, Direction, Measure, Metric, R2Score, Summation, Threshold,
};
pub use model::{
    Backup, Bptt, Callbacks, Compile, Evaluate, Fit, Gradients, History, Logs, Model,
    OptimizerState, Predict, Sequential, Stream, Validation, Verbose,
};
pub use optimizer::{
    Adadelta, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lion, Nadam, Optimizer, RMSprop, Rule, SGD,
};
pub use regularizer::{Regularizer, Vectors};
pub use schedule::{
    CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay,
    PolynomialDecay, Schedule,
};
pub use shape::Shape;
pub use tensor::{Inputs, Tensor};
