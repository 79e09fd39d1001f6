//! All layers in one graph, as `keras/layers.py` has computed it.

use lstm::{
    Activation, ActivationLayer, Add, Average, Concatenate, Dense, Embedding, Flatten, Gradients,
    Input, LSTM, LayerNormalization, Masking, Maximum, Minimum, Model, Multiply, Permute,
    RepeatVector, Reshape, Result, Softmax, Subtract, Tensor,
};
use serde_json::Value;

use crate::check::{assert_close, waves};

fn keras() -> Value {
    serde_json::from_str(include_str!("../keras/layers.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Masks start in the embedding and in a `Masking`.
fn model() -> Result<Model<f64>> {
    let (words, x, v) = (Input::new([4]), Input::new([4, 3]), Input::new([3]));
    let embedded = Embedding::new(6, 3).mask_zero(true).call(&words)?;
    let normal = LayerNormalization::new().call(&embedded)?;
    let added = Add::new().call([&normal, &x, &RepeatVector::new(4).call(&v)?])?;
    let masked = Masking::new().call(&x)?;
    let joined = Concatenate::new().call([&embedded, &masked])?;
    let product = Multiply::new().call([&embedded, &masked])?;
    let largest = Maximum::new().call([&product, &embedded])?;
    let s = LSTM::new(2).return_sequences(true).call(&joined)?;
    let t = LSTM::new(2).call(&largest)?;
    let mish = ActivationLayer::new(Activation::Mish).call(&added)?;
    let shares = Softmax::new().axes([1, 2]).call(&mish)?;
    let f = Flatten::new().call(&Permute::new([2, 1]).call(&shares)?)?;
    let z = Reshape::new([None]).call(&s)?;
    let difference = Subtract::new().call([&t, &Minimum::new().call([&t, &t])?])?;
    let average = Average::new().call([&t, &difference])?;
    let all = Concatenate::new().call([&f, &z, &t, &average])?;
    Model::new_as([&words, &x, &v], &Dense::new(2).call(&all)?)
}

fn gradients(model: &mut Model<f64>, keras: &Value) -> Result<Gradients<f64>> {
    let weights: Vec<_> = model.get_weights().iter().map(|w| waves(w.shape())).collect();
    model.set_weights(&weights)?;
    let given = keras["inputs"].as_array().unwrap().iter().map(numbers);
    let shapes = [vec![2, 4], vec![2, 4, 3], vec![2, 3]];
    let inputs: Vec<_> =
        shapes.into_iter().zip(given).map(|(s, x)| Tensor::new(s, x)).collect::<Result<_>>()?;
    let inputs: Vec<_> = inputs.iter().collect();
    model.gradients(&inputs[..], &[Some(&waves(&[2, 2]))])
}

#[test]
fn a_graph_of_all_layers_computes_what_it_does_in_keras() {
    let keras = keras();
    let mut model = Model::<f64>::from_json_as(&keras["model"].to_string()).unwrap();
    let found = gradients(&mut model, &keras).unwrap();
    assert_close(found.outputs[0].data(), &numbers(&keras["y"]), "y");
    let wanted = keras["gradients"].as_array().unwrap();
    assert_eq!(found.weights.len(), wanted.len());
    for ((found, wanted), name) in found.weights.iter().zip(wanted).zip(model.weight_names()) {
        assert_close(found.data(), &numbers(wanted), &name);
    }
}

#[test]
fn a_graph_of_all_layers_is_the_same_without_the_masks_that_keras_writes() {
    let keras = keras();
    let mut read = Model::<f64>::from_json_as(&keras["model"].to_string()).unwrap();
    let mut written = model().unwrap();
    let wanted = gradients(&mut read, &keras).unwrap();
    let found = gradients(&mut written, &keras).unwrap();
    assert_eq!(found.outputs, wanted.outputs);
    // Operations on masks are among Keras's layers, whose order is by their depth.
    let names = written.weight_names();
    for (name, wanted) in read.weight_names().iter().zip(&wanted.weights) {
        let at = names.iter().position(|found| found == name).unwrap();
        assert_eq!(&found.weights[at], wanted, "{name}");
    }
}
