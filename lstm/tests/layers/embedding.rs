//! Embeddings.

use lstm::{
    Activation, ActivationLayer, Adam, Dense, Embedding, Fit, Input, LSTM, Loss, Model, Optimizer,
    SGD, Sequential, Tensor, Verbose,
};

use crate::check::{assert_close, counted, message, model_of, waves};

#[test]
fn embedding_looks_up_rows() {
    let mut model = model_of(Embedding::new(3, 2), [[None].into()]).unwrap();
    assert!(model.get_weights()[0].data().iter().all(|w| w.abs() <= 0.05 && *w != 0.0));
    assert_eq!(model.weight_names(), ["embedding/embeddings"]);
    model.set_weights(&[counted(&[3, 2])]).unwrap();
    let x = Tensor::from([[2.0, 0.0], [-1.0, 2.0]]);
    let y = model.predict(&x).unwrap();
    assert_eq!((y.shape(), y.data()), (&[2, 2, 2][..], &[4., 5., 0., 1., 4., 5., 4., 5.][..]));

    let found = model.gradients(&x, &[Some(&counted(&[2, 2, 2]))]).unwrap();
    assert_eq!(found.weights[0].data(), [2.0, 3.0, 0.0, 0.0, 10.0, 13.0]);
    assert_eq!(found.inputs[0].data(), [0.0; 4]);

    for (wrong, why) in [(3.0, "entry 1 is 3"), (-4.0, "entry 1 is -4"), (0.5, "entry 1 is 0.5")] {
        let error = model.predict(&Tensor::from([[1.0, wrong]])).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("from 0 to 2"), "{error}");
    }
    assert!(message(model_of(Embedding::new(0, 2), [[2].into()])).contains("input_dim"));
    assert!(message(model_of(Embedding::new(2, 0), [[2].into()])).contains("output_dim"));

    // What another layer makes of the data is not known at the door.
    let x = Input::new([4]);
    let y = Embedding::new(3, 1).call(&ActivationLayer::new(Activation::Relu).call(&x).unwrap());
    let mut model = Model::<f64>::new_as(&x, &y.unwrap()).unwrap();
    model.set_weights(&[Tensor::from([[1.0], [2.0], [3.0]])]).unwrap();
    let y = model.predict(&Tensor::from([[2.9, 1e30, 3.0, -7.0]])).unwrap();
    assert_eq!(y.data(), [3.0, 0.0, 0.0, 1.0]);
}

#[test]
fn embedding_masks_zeros_and_trains_as_in_keras() {
    let often = [[1., 2., 0., 0.], [5., 4., 3., 1.], [2., 2., 2., 0.]];
    let once = [[1., 2., 0., 0.], [5., 4., 3., 0.], [3., 1., 5., 0.]];
    let y = Tensor::from([[0.5], [-0.2], [0.1]]);
    // Losses and embeddings after three epochs. The second is Keras with an embedding that is a
    // product with one-hot vectors: see `Embedding` about Adam and numbers that come twice.
    let cases: [(_, Optimizer, [f64; 3], [f64; 18]); 3] = [
        (
            often,
            SGD { learning_rate: 0.1, ..SGD::default() }.into(),
            [0.9640898790671697, 0.39074735830330504, 0.2535761634263615],
            [
                0.9916648104524686,
                -0.2555411020268312,
                -0.9258146823277325,
                0.5065149025656513,
                0.7922699676369009,
                -0.7195192137751932,
                -0.7052415627769695,
                0.8788688960225637,
                0.499732799648241,
                -0.9683674122261576,
                -0.15596743310895989,
                0.9997411880117697,
                -0.11562290186735429,
                -0.9853420561165096,
                0.35230845064362687,
                0.8811055544008186,
                -0.584221212224259,
                -0.728741112723491,
            ],
        ),
        (
            often,
            Adam { learning_rate: 0.01, ..Adam::default() }.into(),
            [1.0737155594081045, 0.9576164844829318, 0.859595490372675],
            [
                0.9916648104524686,
                -0.2555411020268312,
                -0.9258146823277325,
                0.5401743221751693,
                0.7552199689143313,
                -0.7457679479222488,
                -0.6657022363621271,
                0.8851886801894218,
                0.4439725134213975,
                -1.0074674142681022,
                -0.1951138727007316,
                0.953535831443022,
                -0.1541417742631126,
                -1.017451415204778,
                0.3133101418871801,
                0.9251603597623768,
                -0.5397911937329144,
                -0.7741961470806631,
            ],
        ),
        (
            once,
            Adam { learning_rate: 0.01, ..Adam::default() }.into(),
            [1.1062263158045027, 1.0002527637266756, 0.9092916482291334],
            [
                0.9916648104524686,
                -0.2555411020268312,
                -0.9258146823277325,
                0.469711067287044,
                0.8116831779177531,
                -0.6772344110524666,
                -0.664067465018945,
                0.8131604642090178,
                0.4428049680086047,
                -0.9094972865575146,
                -0.09328482649894074,
                0.9861768941963522,
                -0.15448616537261553,
                -1.0175837655068478,
                0.40512528607584475,
                0.8298270896761232,
                -0.6310496334914757,
                -0.7508394077824249,
            ],
        ),
    ];
    for (x, optimizer, losses, embeddings) in cases {
        let mut model = Sequential::new()
            .add(Input::new([4]))
            .add(Embedding::new(6, 3).mask_zero(true))
            .add(LSTM::new(2))
            .add(Dense::new(1))
            .build_as::<f64>()
            .unwrap();
        let weights: Vec<_> = model.get_weights().iter().map(|w| waves(w.shape())).collect();
        model.set_weights(&weights).unwrap();
        let wanted = [1.2670279253258732, 1.2060474092752245, 0.9576236569114221];
        let found = model.predict(&Tensor::from(often)).unwrap();
        assert_close(found.data(), &wanted, "masked zeros");

        model.compile(optimizer, Loss::MeanSquaredError).unwrap();
        let fit = Fit {
            epochs: 3,
            batch_size: 2,
            shuffle: false,
            verbose: Verbose::Silent,
            ..Fit::default()
        };
        let history = model.fit(&Tensor::from(x), &y, fit).unwrap();
        let after = model.get_weights().swap_remove(0);
        for (found, wanted) in [(history.loss(), &losses[..]), (after.data(), &embeddings)] {
            for (found, wanted) in found.iter().zip(wanted) {
                assert!((found - wanted).abs() < 1e-6, "{found} instead of {wanted}");
            }
        }
    }
}
