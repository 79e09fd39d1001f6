//! The engine at its door, and in batches that do not fill its vectors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernels::Isa;
use lstm::Activation;
use lstm::engine::{Call, Engine, Gradient, Gradients, Incoming, Options, Weights};

const OPTIONS: Options = Options {
    activation: Activation::Linear,
    recurrent_activation: Activation::Relu,
    ..Options::new(1, 1)
};

/// The gradient of the weights for `batch` equal rows.
fn gradient_of_equal_rows(isa: Isa, batch: usize, steps: usize) -> [f64; 12] {
    // Input 1 closes the forget gate; input 0 would let the state grow threefold with each step.
    let weights = [0.0, -3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 1.0, 1.0];
    let (x, dy) = (vec![1.0; batch * steps], vec![1.0; batch]);
    let call = Call {
        weights: Weights::cut(&weights, 1, 1),
        version: 1,
        x: &x,
        batch,
        steps,
        mask: None,
        dropout: None,
        initial: [None, None],
        training: true,
    };
    let mut engine = Engine::new(isa, OPTIONS);
    engine.forward(&call, None);
    let mut grads = [0.0; 12];
    engine.backward(
        &call,
        Incoming { dy: Gradient::Last(&dy), states: [None, None] },
        Gradients::cut(&mut grads, 1, 1),
        None,
        [None, None],
    );
    grads
}

/// A row of zeros would overflow here, and infinity times its zero gradient would be NaN.
#[test]
fn lanes_without_a_row_do_not_reach_the_gradient() {
    for isa in Isa::available() {
        let one = gradient_of_equal_rows(isa, 1, 1000);
        for batch in 2..18 {
            let all = gradient_of_equal_rows(isa, batch, 1000);
            assert_eq!(all, one.map(|x| x * batch as f64), "{batch} rows on {isa}");
        }
    }
}

/// Which array is too short or too long.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    Batch,
    X,
    Kernel,
    RecurrentKernel,
    Bias,
    InitialH,
    Y,
    Dy,
    FinalDc,
    Db,
    Dx,
    InitialDh,
}

/// Runs a layer of 3 units and 2 inputs over 4 rows of 5 steps, with one array wrong.
fn run(isa: Isa, wrong: Wrong, by: isize) {
    let numbers = |which: Wrong, len: usize| {
        let by = if which == wrong { by } else { 0 };
        vec![0.1f32; len.saturating_add_signed(by)]
    };
    let (kernel, recurrent_kernel) =
        (numbers(Wrong::Kernel, 24), numbers(Wrong::RecurrentKernel, 36));
    let (bias, x) = (numbers(Wrong::Bias, 12), numbers(Wrong::X, 40));
    let (h, mut y) = (numbers(Wrong::InitialH, 12), numbers(Wrong::Y, 60));
    let (dy, dc) = (numbers(Wrong::Dy, 60), numbers(Wrong::FinalDc, 12));
    let (mut dx, mut dh) = (numbers(Wrong::Dx, 40), numbers(Wrong::InitialDh, 12));
    let (mut dw, mut du, mut db) = ([0.0; 24], [0.0; 36], [0.0; 12]);
    let call = Call {
        weights: Weights {
            kernel: &kernel,
            recurrent_kernel: &recurrent_kernel,
            bias: Some(&bias),
        },
        version: 1,
        x: &x,
        batch: if wrong == Wrong::Batch { 0 } else { 4 },
        steps: 5,
        mask: None,
        dropout: None,
        initial: [Some(&h), None],
        training: true,
    };
    let mut engine = Engine::new(isa, Options { inputs: 2, units: 3, ..OPTIONS });
    engine.forward(&call, Some(&mut y));
    engine.backward(
        &call,
        Incoming { dy: Gradient::Sequence(&dy), states: [None, Some(&dc)] },
        Gradients {
            kernel: &mut dw,
            recurrent_kernel: &mut du,
            bias: (wrong != Wrong::Db).then_some(&mut db),
        },
        Some(&mut dx),
        [Some(&mut dh), None],
    );
}

#[test]
fn arrays_of_a_wrong_size_are_refused_by_name() {
    use Wrong::*;

    for isa in Isa::available() {
        run(isa, Nothing, 0);
        for (wrong, name) in [
            (Batch, "0 rows"),
            (X, "x"),
            (Kernel, "kernel"),
            (RecurrentKernel, "recurrent kernel"),
            (Bias, "bias"),
            (InitialH, "initial state"),
            (Y, "y"),
            (Dy, "dy"),
            (FinalDc, "gradient of a final state"),
            (Db, "db"),
            (Dx, "dx"),
            (InitialDh, "gradient of an initial state"),
        ] {
            for by in [-1, 1, 12] {
                let panic = catch_unwind(AssertUnwindSafe(|| run(isa, wrong, by)));
                let Err(message) = panic else { panic!("{wrong:?} of another size is accepted") };
                let message = message.downcast_ref::<String>().map_or("", String::as_str);
                assert!(message.contains(name), "{wrong:?} on {isa}: {message}");
            }
        }
    }
}
