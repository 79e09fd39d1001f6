//! What an [`RNN`](super::RNN) does at each step.

use super::LSTM;
use crate::activation::Activation;
use crate::constraint::Constraint;
use crate::initializer::Initializer;
use crate::regularizer::Regularizer;

/// One step of an [`LSTM`], to be run over a sequence by an [`RNN`](super::RNN).
///
/// Options and defaults are those of `keras.layers.LSTMCell`; the equations are those of [`LSTM`],
/// and so is the computation.
#[derive(Clone, Debug)]
pub struct LSTMCell(pub(crate) Box<LSTM>);

/// Methods of [`LSTM`] that set an option of its cell.
macro_rules! of_lstm {
    ($($(#[$doc:meta])* $option:ident: $type:ty),* $(,)?) => {$(
        $(#[$doc])*
        pub fn $option(self, $option: $type) -> Self {
            LSTMCell(Box::new(self.0.$option($option)))
        }
    )*};
}

impl LSTMCell {
    /// A cell with so many units.
    pub fn new(units: usize) -> Self {
        LSTMCell(Box::new(LSTM::new(units)))
    }

    of_lstm! {
        /// See [`LSTM::activation`].
        activation: Activation,
        /// See [`LSTM::recurrent_activation`].
        recurrent_activation: Activation,
        /// See [`LSTM::use_bias`].
        use_bias: bool,
        /// See [`LSTM::kernel_initializer`].
        kernel_initializer: Initializer,
        /// See [`LSTM::recurrent_initializer`].
        recurrent_initializer: Initializer,
        /// See [`LSTM::bias_initializer`].
        bias_initializer: Initializer,
        /// See [`LSTM::unit_forget_bias`].
        unit_forget_bias: bool,
        /// See [`LSTM::kernel_regularizer`].
        kernel_regularizer: Regularizer,
        /// See [`LSTM::recurrent_regularizer`].
        recurrent_regularizer: Regularizer,
        /// See [`LSTM::bias_regularizer`].
        bias_regularizer: Regularizer,
        /// See [`LSTM::kernel_constraint`].
        kernel_constraint: Constraint,
        /// See [`LSTM::recurrent_constraint`].
        recurrent_constraint: Constraint,
        /// See [`LSTM::bias_constraint`].
        bias_constraint: Constraint,
        /// See [`LSTM::trainable`].
        trainable: bool,
        /// See [`LSTM::dropout`].
        dropout: f64,
        /// See [`LSTM::recurrent_dropout`].
        recurrent_dropout: f64,
        /// See [`LSTM::seed`].
        seed: u64,
    }

    /// The cell's name in the names of its weights; `lstm_cell`, `lstm_cell_1`, … unless set.
    pub fn name(self, name: impl Into<String>) -> Self {
        LSTMCell(Box::new(self.0.name(name)))
    }
}

/// Cells one upon the other: each reads what the one below it makes of a step.
///
/// Options are those of `keras.layers.StackedRNNCells`.
#[derive(Clone, Debug)]
pub struct StackedRNNCells {
    pub(crate) cells: Vec<LSTMCell>,
    pub(crate) name: Option<String>,
}

impl StackedRNNCells {
    /// The cells, the lowest first.
    pub fn new(cells: impl IntoIterator<Item = LSTMCell>) -> Self {
        StackedRNNCells { cells: cells.into_iter().collect(), name: None }
    }

    /// The stack's name in the names of its weights; `stacked_rnn_cells` unless set.
    pub fn name(self, name: impl Into<String>) -> Self {
        StackedRNNCells { name: Some(name.into()), ..self }
    }

    pub(crate) fn own_name(&self) -> &str {
        self.name.as_deref().unwrap_or("stacked_rnn_cells")
    }
}

/// One cell, or a stack of them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cell {
    /// See [`LSTMCell`].
    LSTM(LSTMCell),
    /// See [`StackedRNNCells`].
    Stacked(StackedRNNCells),
}

impl Cell {
    pub(crate) fn trainable(self, trainable: bool) -> Self {
        match self {
            Cell::LSTM(cell) => Cell::LSTM(cell.trainable(trainable)),
            Cell::Stacked(StackedRNNCells { cells, name }) => {
                let cells = cells.into_iter().map(|cell| cell.trainable(trainable)).collect();
                Cell::Stacked(StackedRNNCells { cells, name })
            }
        }
    }

    /// The cells of the stack, or the only one.
    pub(crate) fn cells(&self) -> &[LSTMCell] {
        match self {
            Cell::LSTM(cell) => std::slice::from_ref(cell),
            Cell::Stacked(stack) => &stack.cells,
        }
    }
}

impl From<LSTMCell> for Cell {
    fn from(cell: LSTMCell) -> Self {
        Cell::LSTM(cell)
    }
}

impl From<StackedRNNCells> for Cell {
    fn from(stack: StackedRNNCells) -> Self {
        Cell::Stacked(stack)
    }
}

impl From<Vec<LSTMCell>> for Cell {
    fn from(cells: Vec<LSTMCell>) -> Self {
        StackedRNNCells::new(cells).into()
    }
}

impl<const N: usize> From<[LSTMCell; N]> for Cell {
    fn from(cells: [LSTMCell; N]) -> Self {
        StackedRNNCells::new(cells).into()
    }
}
