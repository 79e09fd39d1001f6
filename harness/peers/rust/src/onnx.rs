//! A layer as an ONNX model, in the bytes of its file: as `onnx_model.py` beside, without Python.

use std::error::Error;

use harness::conformance::Tensors;
use harness::throughput::Shape;

use crate::{named, transposed};

/// A message of Protocol Buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 128 {
            self.0.push((number % 128) as u8 | 128);
            number /= 128;
        }
        self.0.push(number as u8);
    }

    /// A field that is a number.
    fn number(mut self, field: u64, number: usize) -> Self {
        self.varint(field << 3);
        self.varint(number as u64);
        self
    }

    /// A field that is bytes, a text or a message.
    fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.as_ref().len() as u64);
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    fn numbers(self, field: u64, numbers: &[usize]) -> Self {
        numbers.iter().fold(self, |message, &number| message.number(field, number))
    }

    fn texts(self, field: u64, texts: &[&str]) -> Self {
        texts.iter().fold(self, |message, text| message.bytes(field, text))
    }

    fn messages(self, field: u64, messages: impl IntoIterator<Item = Message>) -> Self {
        messages.into_iter().fold(self, |message, inner| message.bytes(field, inner.0))
    }
}

const FLOAT: usize = 1;
const INT64: usize = 7;

fn node(operator: &str, inputs: &[&str], output: &str, attribute: Option<Message>) -> Message {
    Message::default()
        .texts(1, inputs)
        .bytes(2, output)
        .bytes(3, output)
        .bytes(4, operator)
        .messages(5, attribute)
}

fn integers(name: &str, values: &[usize]) -> Message {
    Message::default().bytes(1, name).numbers(8, values).number(20, 7)
}

fn integer(name: &str, value: usize) -> Message {
    Message::default().bytes(1, name).number(3, value).number(20, 2)
}

fn constant(name: &str, dtype: usize, shape: &[usize], bytes: &[u8]) -> Message {
    Message::default().numbers(1, shape).number(2, dtype).bytes(8, name).bytes(9, bytes)
}

fn value(name: &str, shape: [usize; 3]) -> Message {
    let dims = shape.map(|size| Message::default().number(1, size));
    let shape = Message::default().messages(1, dims);
    let tensor = Message::default().number(1, FLOAT).messages(2, [shape]);
    let of_type = Message::default().messages(1, [tensor]);
    Message::default().bytes(1, name).messages(2, [of_type])
}

/// Rows of the gates i, f, g, o in the order i, o, f, g.
fn reordered(rows: &[f32]) -> Vec<f32> {
    let gate = |gate: usize| &rows[gate * rows.len() / 4..][..rows.len() / 4];
    [gate(0), gate(3), gate(1), gate(2)].concat()
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The model: from `x` to `y`, both with the batch first.
///
/// # Errors
///
/// If an array is missing.
pub fn model(shape: Shape, data: &Tensors<f32>) -> Result<Vec<u8>, Box<dyn Error>> {
    let Shape { batch, steps, inputs, units } = shape;
    let kernel = reordered(&transposed(named(data, "kernel")?));
    let recurrent_kernel = reordered(&transposed(named(data, "recurrent_kernel")?));
    let mut bias = reordered(named(data, "bias")?.data());
    bias.resize(8 * units, 0.0);
    // The operator has steps first, then the batch.
    let perm = || Some(integers("perm", &[1, 0, 2]));
    let nodes = [
        node("Transpose", &["x"], "steps", perm()),
        node("LSTM", &["steps", "w", "r", "b"], "all", Some(integer("hidden_size", units))),
        node("Squeeze", &["all", "direction"], "outputs", None),
        node("Transpose", &["outputs"], "y", perm()),
    ];
    let constants = [
        constant("w", FLOAT, &[1, 4 * units, inputs], &bytes(&kernel)),
        constant("r", FLOAT, &[1, 4 * units, units], &bytes(&recurrent_kernel)),
        constant("b", FLOAT, &[1, 8 * units], &bytes(&bias)),
        constant("direction", INT64, &[1], &1i64.to_le_bytes()),
    ];
    let graph = Message::default()
        .messages(1, nodes)
        .bytes(2, "lstm")
        .messages(5, constants)
        .messages(11, [value("x", [batch, steps, inputs])])
        .messages(12, [value("y", [batch, steps, units])]);
    let operators = Message::default().bytes(1, "").number(2, 17);
    Ok(Message::default().number(1, 9).messages(7, [graph]).messages(8, [operators]).0)
}
