//! What a callback has to know to go on.

use crate::error::{Error, Result};
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

    /// Checks that it is one of a callback that keeps these counts, and may keep these numbers.
    pub(super) fn check(&self, who: &str, counts: &[&str], numbers: &[&str]) -> Result<()> {
        let wrong = |why| Err(Error::invalid(format!("memory of {who}"), why));
        for &name in counts {
            match self.number(name) {
                Some(number) if number >= 0.0 && number.fract() == 0.0 => {}
                Some(number) => return wrong(format!("`{name}` is {number}, which is no count")),
                None => return wrong(format!("it has no `{name}`")),
            }
        }
        let known = |name: &str| counts.contains(&name) || numbers.contains(&name);
        match self.numbers.iter().find(|(name, _)| !known(name)) {
            Some((name, _)) => wrong(format!("it has `{name}`, for which there is no place")),
            None => Ok(()),
        }
    }

    /// The same of one that keeps no arrays.
    pub(super) fn check_numbers(&self, who: &str, counts: &[&str], numbers: &[&str]) -> Result<()> {
        self.check(who, counts, numbers)?;
        match self.tensors.first() {
            Some((name, _)) => {
                let why = format!("it has `{name}`, for which there is no place");
                Err(Error::invalid(format!("memory of {who}"), why))
            }
            None => Ok(()),
        }
    }

    /// The same as a count; zero if there is none.
    pub(super) fn count(&self, name: &str) -> usize {
        self.number(name).unwrap_or(0.0) as usize
    }
}
