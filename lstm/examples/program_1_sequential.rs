//! Program 1: a sequential model of one LSTM, and its summary.
//!
//! ```python
//! model = Sequential([Input((4, 8)), LSTM(3)])
//! model.summary()
//! ```

use lstm::{Input, LSTM, Model, Result, Sequential};

/// The model.
pub fn model() -> Result<Model> {
    Sequential::new().add(Input::new([4, 8])).add(LSTM::new(3)).build()
}

fn main() -> Result<()> {
    println!("{}", model()?.summary());
    Ok(())
}
