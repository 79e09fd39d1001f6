//! LSTM
mod activation;
pub mod engine;
mod error;
pub mod reference;
pub use activation::Activation;
pub use error::{Error, Result};
