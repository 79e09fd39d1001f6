//! All layers in one graph.

use lstm::{
    Activation, ActivationLayer, Add, Average, Concatenate, Dense, Embedding, Flatten, Input, LSTM,
    LayerNormalization, Masking, Maximum, Minimum, Model, Multiply, Permute, RepeatVector, Reshape,
    Result, Subtract, Tensor,
};

use crate::check::{assert_close, waves};

/// Inputs are words `[4]`, `x [4, 3]`, `v [3]`; masks start in the embedding and in a `Masking`.
fn model() -> Result<Model<f64>> {
    let (words, x, v) = (Input::new([4]), Input::new([4, 3]), Input::new([3]));
    let embedded = Embedding::new(6, 3).mask_zero(true).name("e").call(&words)?;
    let normal = LayerNormalization::new().name("n").call(&embedded)?;
    let added = Add::new().call([&normal, &x, &RepeatVector::new(4).call(&v)?])?;
    let masked = Masking::new().call(&x)?;
    let joined = Concatenate::new().call([&embedded, &masked])?;
    let product = Multiply::new().call([&embedded, &masked])?;
    let largest = Maximum::new().call([&product, &embedded])?;
    let s = LSTM::new(2).return_sequences(true).name("s").call(&joined)?;
    let t = LSTM::new(2).name("t").call(&largest)?;
    let mish = ActivationLayer::new(Activation::Mish).call(&added)?;
    let f = Flatten::new().call(&Permute::new([2, 1]).call(&mish)?)?;
    let z = Reshape::new([None]).call(&s)?;
    let difference = Subtract::new().call([&t, &Minimum::new().call([&t, &t])?])?;
    let average = Average::new().call([&t, &difference])?;
    let all = Concatenate::new().call([&f, &z, &t, &average])?;
    Model::new_as([&words, &x, &v], &Dense::new(2).name("d").call(&all)?)
}

#[test]
fn a_graph_of_all_layers_computes_what_it_does_in_keras() {
    // From Keras 3.15.1, for weights and inputs that are `waves`.
    let mut model = model().unwrap();
    let weights: Vec<_> = model.get_weights().iter().map(|w| waves(w.shape())).collect();
    model.set_weights(&weights).unwrap();
    let words = Tensor::from([[1.0, 2.0, 0.0, 0.0], [5.0, 0.0, 3.0, 1.0]]);
    let mut x = waves(&[2, 4, 3]);
    x.data_mut().chunks_mut(12).for_each(|sample| sample[..3].fill(0.0));
    let v = waves(&[2, 3]);
    let found = model.gradients([&words, &x, &v], &[Some(&waves(&[2, 2]))]).unwrap();
    let y = [2.74734980552718, 0.9635583918965258, 0.5712750204038076, 2.9167201181431155];
    assert_close(found.outputs[0].data(), &y, "y");

    // `Σ cos(i + 0.3) aᵢ` of the gradient of each weight.
    let wanted = [
        ("e/embeddings", -2.478962629451192),
        ("n/gamma", 3.8269732046124734),
        ("n/beta", -0.042876856511841865),
        ("t/kernel", 0.866522751030064),
        ("t/recurrent_kernel", -0.24823687688969637),
        ("t/bias", -0.34754618348780053),
        ("s/kernel", 1.0677431111564564),
        ("s/recurrent_kernel", 0.0738764807315569),
        ("s/bias", 0.02951806550320292),
        ("d/kernel", -1.3231160644200448),
        ("d/bias", 0.1267268273908903),
    ];
    let names = model.weight_names();
    for (name, wanted) in wanted {
        let gradient = &found.weights[names.iter().position(|found| found == name).unwrap()];
        let entries = gradient.data().iter().enumerate();
        let found = entries.map(|(i, a)| (i as f64 + 0.3).cos() * a).sum::<f64>();
        assert_close(&[found], &[wanted], name);
    }
}
