//! A loss for each output of a model.

use super::{Loss, Objective};

/// What `compile` takes for losses: one for all outputs, or one for each, where `None` leaves an
/// output out.
///
/// ```
/// use lstm::{Loss, Losses};
///
/// let one: Losses = Loss::MeanSquaredError.into();
/// let each: Losses = [Loss::MeanSquaredError, Loss::HUBER].into();
/// let second: Losses = [None, Some(Loss::HUBER)].into();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Losses(pub(crate) Given);

/// How losses were given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    ForAll(Objective),
    ForEach(Vec<Option<Objective>>),
}

impl Losses {
    /// The losses of a number of outputs, or how many were given where that is another number.
    pub(crate) fn of_outputs(self, outputs: usize) -> Result<Vec<Option<Objective>>, usize> {
        match self.0 {
            Given::ForAll(objective) => Ok(vec![Some(objective); outputs]),
            Given::ForEach(each) if each.len() == outputs => Ok(each),
            Given::ForEach(each) => Err(each.len()),
        }
    }
}

impl From<Loss> for Losses {
    fn from(loss: Loss) -> Self {
        Losses(Given::ForAll(loss.into()))
    }
}

impl From<Objective> for Losses {
    fn from(objective: Objective) -> Self {
        Losses(Given::ForAll(objective))
    }
}

impl<O: Into<Objective>> From<Vec<O>> for Losses {
    fn from(each: Vec<O>) -> Self {
        Losses(Given::ForEach(each.into_iter().map(|one| Some(one.into())).collect()))
    }
}

impl<O: Into<Objective>> From<Vec<Option<O>>> for Losses {
    fn from(each: Vec<Option<O>>) -> Self {
        Losses(Given::ForEach(each.into_iter().map(|one| one.map(Into::into)).collect()))
    }
}

impl<O: Into<Objective>, const N: usize> From<[O; N]> for Losses {
    fn from(each: [O; N]) -> Self {
        Losses(Given::ForEach(each.into_iter().map(|one| Some(one.into())).collect()))
    }
}

impl<O: Into<Objective>, const N: usize> From<[Option<O>; N]> for Losses {
    fn from(each: [Option<O>; N]) -> Self {
        Losses(Given::ForEach(each.into_iter().map(|one| one.map(Into::into)).collect()))
    }
}
