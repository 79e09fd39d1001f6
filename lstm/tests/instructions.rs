//! `KERNELS_ISA` in the environment of a program.

use std::process::Command;

use lstm::{Dense, Initializer, Input, LSTM, Model, Sequential};

/// Runs itself again with other environments, where it takes the first branch.
#[test]
fn an_instruction_set_that_is_not_there_is_an_error_where_a_model_is_built() {
    let asked = std::env::var("KERNELS_ISA");
    if let Ok(name @ "sse9") = asked.as_deref() {
        let expected = format!("unsupported instruction set in KERNELS_ISA: `{name}`");
        let layers = Sequential::new().add(Input::new([3, 2])).add(LSTM::new(2));
        assert_eq!(layers.build().unwrap_err().to_string(), expected);
        let x = Input::new([2]);
        let model = Model::new(&x, &Dense::new(1).call(&x).unwrap());
        assert_eq!(model.unwrap_err().to_string(), expected);
        let drawn = Initializer::ORTHOGONAL.draw::<f32>(0, [30, 30]);
        assert_eq!(drawn.unwrap_err().to_string(), expected);
        return;
    }
    if asked.as_deref() == Ok("") {
        assert!(Sequential::new().add(Input::new([2])).add(Dense::new(1)).build().is_ok());
        return;
    }
    for name in ["sse9", ""] {
        let mut again = Command::new(std::env::current_exe().unwrap());
        let output = again.env("KERNELS_ISA", name).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
}
