//! What a callback has to know to go on.

use crate::tensor::Tensor;

/// Named numbers and arrays that a callback goes on from: [`Callback::memory`](super::Callback::memory).
#[derive(Clone, Debug, PartialEq)]
pub struct Memory<T> {
    /// Numbers.
    pub numbers: Vec<(String, f64)>,
    /// Arrays.
    pub tensors: Vec<(String, Tensor<T>)>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Memory { numbers: Vec::new(), tensors: Vec::new() }
    }
}

impl<T> Memory<T> {
    /// Of numbers, without those that are none.
    pub(super) fn of<const N: usize>(numbers: [(&str, Option<f64>); N]) -> Self {
        let known = numbers.into_iter().filter_map(|(name, number)| Some((name, number?)));
        let numbers = known.map(|(name, number)| (name.to_owned(), number)).collect();
        Memory { numbers, tensors: Vec::new() }
    }

    /// The number of this name.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.numbers.iter().find(|(known, _)| known == name).map(|&(_, number)| number)
    }

    /// The same as a count; zero if there is none.
    pub(super) fn count(&self, name: &str) -> usize {
        self.number(name).unwrap_or(0.0) as usize
    }
}
