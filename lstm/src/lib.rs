//! LSTM
#![forbid(unsafe_code)]
mod activation;
mod config;
pub mod engine;
mod error;
mod float;
mod graph;
mod initializer;
mod layer;
mod loss;
mod model;
mod optimizer;
mod random;
pub mod reference;
mod shape;
mod tensor;

pub use activation::Activation;
pub use error::{Error, Result};
pub use float::Float;
pub use graph::{Symbol, Symbols};
pub use initializer::{Distribution, Fan, Initializer};
pub use kernels::Isa;
pub use layer::{Dense, Input, InputDescription, LSTM, Layer};
pub use loss::Loss;
pub use model::{Fit, Gradients, History, Model, Sequential, Verbose};
pub use optimizer::{Adam, Optimizer, SGD};
pub use shape::Shape;
pub use tensor::{Inputs, Tensor};
