//! Program 4: from the last three numbers to the next one.
//!
//! ```python
//! model = Sequential([Input((3, 1)), LSTM(10, activation="relu"), Dense(10), Dense(1)])
//! model.compile(optimizer="adam", loss="mse")
//! model.fit(x, y, epochs=100, batch_size=1)
//! model.predict([[[7], [8], [9]]])
//! ```

use lstm::{
    Activation, Adam, Dense, Fit, History, Input, LSTM, Loss, Model, Result, Sequential, Tensor,
};

/// The model before training, with the initial weights of a seed.
pub fn model(seed: u64) -> Result<Model> {
    let mut model = Sequential::new()
        .add(Input::new([3, 1]))
        .add(LSTM::new(10).activation(Activation::Relu))
        .add(Dense::new(10))
        .add(Dense::new(1))
        .build()?;
    model.reseed(seed);
    model.compile(Adam::default(), Loss::MeanSquaredError)?;
    Ok(model)
}

/// Trains the model for 100 epochs.
pub fn train(model: &mut Model, seed: u64) -> Result<History> {
    let x = Tensor::from([
        [[1.0], [2.0], [3.0]],
        [[2.0], [3.0], [4.0]],
        [[3.0], [4.0], [5.0]],
        [[4.0], [5.0], [6.0]],
    ]);
    let y = Tensor::from([4.0, 5.0, 6.0, 7.0]);
    model.fit(&x, &y, Fit { epochs: 100, batch_size: 1, seed, ..Fit::default() })
}

/// What comes after 7, 8, 9.
pub fn after_789(model: &mut Model) -> Result<f32> {
    let prediction = model.predict(&Tensor::from([[[7.0], [8.0], [9.0]]]))?;
    Ok(prediction.data()[0])
}

fn main() -> Result<()> {
    let mut model = model(0)?;
    println!("{}", model.summary());
    train(&mut model, 0)?;
    println!("7, 8, 9 → {:.3}", after_789(&mut model)?);
    Ok(())
}
