//! Program 2: the same in the functional form, which shows its input.
//!
//! ```python
//! inputs = Input((4, 8))
//! outputs = LSTM(3)(inputs)
//! model = Model(inputs, outputs)
//! model.summary()
//! ```

use lstm::{Input, LSTM, Model, Result};

/// The model.
pub fn model() -> Result<Model> {
    let inputs = Input::new([4, 8]);
    let outputs = LSTM::new(3).call(&inputs)?;
    Model::new(&inputs, &outputs)
}

fn main() -> Result<()> {
    println!("{}", model()?.summary());
    Ok(())
}
