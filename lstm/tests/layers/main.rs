//! The layers beside the LSTM: what they compute, their gradients, shapes and masks.

mod check;
mod embedding;
mod graph;
mod json;
mod layer_normalization;
mod merging;
mod reshaping;
