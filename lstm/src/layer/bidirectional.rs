//! A sequence read in both directions: the layer.

use super::recurrent::{Recurrent, Sequence, check_sequence};
use super::{Describe, Weight, named};
use crate::error::{Error, Result};
use crate::graph::{Shared, Symbol};
use crate::layer::Layer;
use crate::shape::Shape;

/// How a [`Bidirectional`] layer makes one output of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeMode {
    /// One beside the other, the forward one first.
    Concat,
    /// Their sum.
    Sum,
    /// Their product, entry by entry.
    Mul,
    /// Their mean.
    Ave,
}

impl MergeMode {
    /// The name in Keras.
    pub fn name(self) -> &'static str {
        match self {
            MergeMode::Concat => "concat",
            MergeMode::Sum => "sum",
            MergeMode::Mul => "mul",
            MergeMode::Ave => "ave",
        }
    }
}

/// Two recurrent layers over the same sequence (M. Schuster and K. Paliwal, *Bidirectional Recurrent
/// Neural Networks*, 1997): one reads it from its first step to its last, the other from the last to
/// the first. `[steps, features]` to `[2 units]`, or to `[steps, 2 units]` with `return_sequences`:
/// the output of the second is then put in the order of the first, and a masked step has zeros.
///
/// Options and defaults are those of `keras.layers.Bidirectional`. Initial states are given to
/// [`call_with_state`](Self::call_with_state), and returned with `return_state`: after the output (or
/// both of them), those of the forward layer, then those of the backward layer.
#[derive(Clone, Debug)]
pub struct Bidirectional {
    pub(crate) forward_layer: Recurrent,
    pub(crate) backward_layer: Recurrent,
    pub(crate) merge_mode: Option<MergeMode>,
    /// The base names of the layers that were given, as far as they had no name.
    pub(crate) unnamed: [Option<&'static str>; 2],
    pub(crate) name: Option<String>,
}

/// The base name of a layer that was given no name.
fn unnamed(layer: &Recurrent) -> Option<&'static str> {
    let description = layer.describe();
    description.name().is_none().then(|| description.base_name())
}

/// The layer under a name of one of the ways, with what Keras sets for either of them.
fn of_way(layer: Recurrent, go_backwards: bool, name: String) -> Recurrent {
    let sequence = layer.sequence();
    let zero_output_for_mask = sequence.return_sequences;
    layer.with(Sequence { go_backwards, zero_output_for_mask, ..sequence }, name)
}

impl Bidirectional {
    /// The layer, and a copy of it that reads backwards, with weights of its own.
    pub fn new(layer: impl Into<Recurrent>) -> Self {
        let layer = layer.into();
        let name = layer.name();
        let forward = format!("forward_{}", name.strip_prefix("forward_").unwrap_or(name));
        let backward = format!("backward_{}", name.strip_prefix("backward_").unwrap_or(name));
        let go_backwards = layer.sequence().go_backwards;
        Bidirectional {
            unnamed: [unnamed(&layer), None],
            backward_layer: of_way(layer.clone(), true, backward),
            forward_layer: of_way(layer, go_backwards, forward),
            merge_mode: Some(MergeMode::Concat),
            name: None,
        }
    }

    /// Another layer to read backwards, which must say so by `go_backwards`. `stateful`,
    /// `return_sequences` and `return_state` must be those of the forward layer.
    pub fn backward_layer(self, layer: impl Into<Recurrent>) -> Self {
        let layer = layer.into();
        let (name, go_backwards) = (layer.name().to_owned(), layer.sequence().go_backwards);
        let unnamed = [self.unnamed[0], unnamed(&layer)];
        Bidirectional { backward_layer: of_way(layer, go_backwards, name), unnamed, ..self }
    }

    /// Whether the weights of both layers are trained; each is as its layer says unless set.
    pub fn trainable(self, trainable: bool) -> Self {
        Bidirectional {
            forward_layer: self.forward_layer.trainable(trainable),
            backward_layer: self.backward_layer.trainable(trainable),
            ..self
        }
    }

    /// How one output is made of two; `Concat` unless set. With `None` there are two outputs: see
    /// [`Symbol::output`].
    pub fn merge_mode(self, merge_mode: impl Into<Option<MergeMode>>) -> Self {
        Bidirectional { merge_mode: merge_mode.into(), ..self }
    }

    /// Calls the layer on `x` with the states before the first step: those of the forward layer
    /// `h`, `c`, then those of the backward layer, `[units]` each.
    ///
    /// # Errors
    ///
    /// If the layer does not fit the shapes, or a setting is out of its range.
    pub fn call_with_state(self, x: &Symbol, states: &[&Symbol]) -> Result<Symbol> {
        let inputs = [x].into_iter().chain(states.iter().copied());
        Symbol::of_call(self.into(), inputs.cloned().collect())
    }

    /// What both layers must agree on.
    fn verify(&self, what: &str) -> Result<()> {
        let (forward, backward) = (self.forward_layer.sequence(), self.backward_layer.sequence());
        if forward.go_backwards == backward.go_backwards {
            let why = format!(
                "the forward layer and the backward layer should have different `go_backwards` \
                 values, found {} for both",
                forward.go_backwards
            );
            return Err(Error::invalid(what, why));
        }
        for (name, forward, backward) in [
            ("stateful", forward.stateful, backward.stateful),
            ("return_sequences", forward.return_sequences, backward.return_sequences),
            ("return_state", forward.return_state, backward.return_state),
        ] {
            if forward != backward {
                let why = format!(
                    "the forward layer and the backward layer should have the same `{name}`, \
                     found {forward} for the forward layer and {backward} for the backward layer"
                );
                return Err(Error::invalid(what, why));
            }
        }
        let units = [self.forward_layer.units(), self.backward_layer.units()];
        match self.merge_mode {
            Some(mode @ (MergeMode::Sum | MergeMode::Mul | MergeMode::Ave))
                if units[0] != units[1] =>
            {
                let why = format!(
                    "merge_mode `{}` needs layers with as many units, found {} and {}",
                    mode.name(),
                    units[0],
                    units[1]
                );
                Err(Error::invalid(what, why))
            }
            _ => Ok(()),
        }
    }
}

named!(Bidirectional);

impl Describe for Bidirectional {
    fn class(&self) -> &'static str {
        "Bidirectional"
    }

    fn base_name(&self) -> &'static str {
        "bidirectional"
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn count_inside(&self, count: &mut dyn FnMut(&'static str)) {
        self.unnamed.into_iter().flatten().for_each(count);
    }

    fn outputs(&self, what: &str, inputs: &[Shape], outputs: &mut Vec<Shape>) -> Result<()> {
        self.verify(what)?;
        let Bidirectional { forward_layer: forward, backward_layer: backward, .. } = self;
        let steps = check_sequence(what, inputs, forward.states().chain(backward.states()))?;

        let Sequence { return_sequences, return_state, .. } = forward.sequence();
        let units = [forward.units(), backward.units()];
        let merged = match self.merge_mode {
            Some(MergeMode::Concat) => [Some(units[0].saturating_add(units[1])), None],
            Some(_) => [Some(units[0]), None],
            None => units.map(Some),
        };
        let values = merged.iter().flatten().count();
        let states = forward.states().chain(backward.states()).filter(|_| return_state);
        outputs.resize_with(values + states.clone().count(), Shape::default);
        let (values, rest) = outputs.split_at_mut(values);
        for (value, features) in values.iter_mut().zip(merged) {
            match return_sequences {
                true => value.assign([steps, features]),
                false => value.assign([features]),
            }
        }
        rest.iter_mut().zip(states).for_each(|(state, size)| state.assign([Some(size)]));
        Ok(())
    }

    fn check(&self, what: &str, inputs: &[Shape]) -> Result<()> {
        for (way, layer) in [("forward", &self.forward_layer), ("backward", &self.backward_layer)] {
            let what = format!("{way} layer of {what}");
            layer.describe().check(&what, &inputs[..1])?;
        }
        Ok(())
    }

    fn weights(&self, inputs: &[Shape]) -> Vec<Weight> {
        let ways = [&self.forward_layer, &self.backward_layer].into_iter();
        ways.flat_map(|layer| {
            layer.describe().weights(&inputs[..1]).into_iter().map(|weight| weight.of(layer.name()))
        })
        .collect()
    }
}
