//! Program 3: a batch of 32 random sequences through an LSTM of 4 units.
//!
//! ```python
//! inputs = np.random.normal(size=(32, 10, 8))
//! output = LSTM(4)(inputs)
//! print(output.shape)
//! ```

use lstm::{Initializer, Input, LSTM, Result, Sequential, Tensor};

/// The output for standard normal sequences of 10 steps and 8 features.
pub fn output() -> Result<Tensor<f32>> {
    let normal = Initializer::RandomNormal { mean: 0.0, stddev: 1.0 };
    let inputs = normal.draw(7, [32, 10, 8])?;
    let mut model = Sequential::new().add(Input::new([10, 8])).add(LSTM::new(4)).build()?;
    model.predict(&inputs)
}

fn main() -> Result<()> {
    println!("{:?}", output()?.shape());
    Ok(())
}
