//! Every step: against the layer on rows of its own.

use lstm::{
    Activation, Bidirectional, Dense, Input, LSTM, Layer, Masking, Model, Tensor, TimeDistributed,
};

use crate::case::{close, numbers};

#[test]
fn every_step_goes_through_the_layer_on_its_own() {
    let (outer, steps, features) = (3, 4, 2);
    let input = Input::new([outer, steps, features]);
    let layers: [Layer; 4] = [
        Dense::new(3).activation(Activation::Tanh).into(),
        LSTM::new(3).into(),
        Bidirectional::new(LSTM::new(2).return_sequences(true)).into(),
        TimeDistributed::new(Dense::new(2)).into(),
    ];
    for layer in layers {
        let what = format!("{layer:?}");
        let y = TimeDistributed::new(layer.clone()).call(&input).unwrap();
        let mut model = Model::<f64>::new_as(&input, &y).unwrap();
        let one = Input::new([steps, features]);
        let mut alone = Model::<f64>::new_as(&one, &layer.call(&[&one]).unwrap()).unwrap();
        alone.set_weights(&model.get_weights()).unwrap();

        let x = numbers(3, &[2, outer, steps, features]);
        let got = model.predict(&x).unwrap();
        let rows = x.clone().reshape([2 * outer, steps, features]).unwrap();
        let want = alone.predict(&rows).unwrap();
        assert_eq!(got.shape()[..2], [2, outer], "{what}");
        assert_eq!(got.shape()[2..], want.shape()[1..], "{what}");
        assert_eq!(got.data(), want.data(), "{what}");

        let dy = numbers(4, got.shape());
        let got = model.gradients(&x, &[Some(&dy)]).unwrap();
        let dy = dy.reshape(want.shape()).unwrap();
        let want = alone.gradients(&rows, &[Some(&dy)]).unwrap();
        assert_eq!(got.inputs[0].data(), want.inputs[0].data(), "{what}");
        assert_eq!(got.weights, want.weights, "{what}");
    }
}

#[test]
fn a_mask_goes_on_through_every_step_and_into_them() {
    // Of the steps: on to a layer behind.
    let x = Input::new([4, 2]);
    let masked = Masking::new().call(&x).unwrap();
    let y = TimeDistributed::new(Dense::new(2).use_bias(true)).call(&masked).unwrap();
    let last = LSTM::new(3).call(&y).unwrap();
    let mut model = Model::<f64>::new_as(&x, &last).unwrap();
    let mut data = numbers(5, &[2, 4, 2]);
    data.data_mut()[4..8].fill(0.0);
    let padded = model.predict(&data).unwrap();
    let dense = Dense::new(2).call(&masked).unwrap();
    let mut plain = Model::<f64>::new_as(&x, &LSTM::new(3).call(&dense).unwrap()).unwrap();
    plain.set_weights(&model.get_weights()).unwrap();
    assert_eq!(padded, plain.predict(&data).unwrap());

    // Of what is inside the steps: to the layer.
    let x = Input::new([3, 4, 2]);
    let masked = Masking::new().call(&x).unwrap();
    let y = TimeDistributed::new(LSTM::new(3)).call(&masked).unwrap();
    let mut model = Model::<f64>::new_as(&x, &y).unwrap();
    let mut data = numbers(6, &[2, 3, 4, 2]);
    data.data_mut()[20..24].fill(0.0); // the last two steps of step 2 of row 0
    let got = model.predict(&data).unwrap();
    let short = Input::new([2, 2]);
    let mut alone = Model::<f64>::new_as(&short, &LSTM::new(3).call(&short).unwrap()).unwrap();
    alone.set_weights(&model.get_weights()).unwrap();
    let kept = Tensor::new([1, 2, 2], data.data()[16..20].to_vec()).unwrap();
    close(&got.data()[6..9], alone.predict(&kept).unwrap().data(), "shortened step");
    // It is not one of the steps of the output, and ends here.
    let behind = LSTM::new(2).call(&y).unwrap();
    assert!(Model::<f64>::new_as(&x, &behind).unwrap().predict(&data).is_ok());
    // Where the layer keeps the steps inside, it goes on.
    let y = TimeDistributed::new(LSTM::new(3).return_sequences(true)).call(&masked).unwrap();
    let behind = TimeDistributed::new(LSTM::new(2)).call(&y).unwrap();
    let mut model = Model::<f64>::new_as(&x, &behind).unwrap();
    let before = model.predict(&data).unwrap();
    assert!(before.data().iter().all(|y| y.is_finite()));
}
