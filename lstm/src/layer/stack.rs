//! The operation of an [`RNN`] layer: one recurrent layer for each cell.

use std::mem::swap;

use arrayvec::ArrayVec;
use kernels::{Buffer, Isa, Team};

use super::part::{Part, Places};
use super::rnn::RNN;
use super::{Flow, Inputs, Mask, Operation, Pass, Recurrence};
use crate::engine;
use crate::shape::Shape;

/// The operation of an [`RNN`] layer.
#[derive(Debug)]
pub(super) struct Stack<T> {
    /// The lowest first.
    cells: Vec<Part<T>>,
    return_sequences: bool,
    go_backwards: bool,
    /// The mask in the order in which the cells above the first read their steps, where the first
    /// reads in reverse.
    reversed: Vec<bool>,
}

impl<T: crate::Float> Stack<T> {
    pub(super) fn new(isa: Isa, rnn: &RNN, inputs: &[Shape]) -> Self {
        let mut cells: Vec<Part<T>> = Vec::new();
        for (layer, input) in rnn.layers_and_inputs(&inputs[0]) {
            cells.push(Part::new(isa, &layer.into(), &input, cells.last()));
        }
        Stack {
            cells,
            return_sequences: rnn.return_sequences,
            go_backwards: rnn.go_backwards,
            reversed: Vec::new(),
        }
    }
}

/// The pass of a cell, upon the one that made `first`.
fn upon<'a, T: crate::Float>(
    pass: Pass<'a, T>,
    below: Option<&'a Part<T>>,
    reversed: Option<&'a [bool]>,
) -> Pass<'a, T> {
    let Some(below) = below else { return pass };
    let given = reversed.or(pass.inputs.mask_of_steps());
    Pass { inputs: Inputs { first: Some(below.output()), given, ..pass.inputs }, ..pass }
}

/// Runs the cells in one call of the engine, for outputs with so many steps, if there is enough for threads to
/// share and none has to wait for the whole output of the one below.
fn together<T: crate::Float>(
    cells: &mut [Part<T>],
    pass: Pass<T>,
    made: impl Fn(usize) -> usize,
    returned: &mut [Buffer<T>],
) -> bool {
    let masked = pass.inputs.mask_of_steps().is_some();
    if !pass.pays_threads() || masked || pass.beside || !(2..=Team::MOST).contains(&cells.len()) {
        return false;
    }
    let mut stages = ArrayVec::<_, { Team::MOST }>::new();
    for (i, cell) in cells.iter_mut().enumerate() {
        let first = if i == 0 { pass.inputs.first } else { Some(&[][..]) }; // it comes step by step
        let pass = Pass { inputs: Inputs { first, ..pass.inputs }, ..pass };
        let own = cell.places().returned.clone();
        let Some(stage) = cell.stage(pass, made(i), &returned[own]) else { return false };
        stages.push(stage);
    }
    engine::forward(&mut stages);
    drop(stages);
    for cell in cells {
        let own = cell.places().returned.clone();
        cell.finish(pass.batch, &mut returned[own]);
    }
    true
}

impl<T: crate::Float> Operation<T> for Stack<T> {
    fn forward(&mut self, pass: Pass<T>, outputs: &mut [Buffer<T>]) {
        let Stack { cells, return_sequences, go_backwards, reversed } = self;
        let (steps, top) = (pass.inputs.axis(0, 0), cells.len() - 1);
        reversed.clear();
        if let (true, Some(mask)) = (*go_backwards, pass.inputs.mask_of_steps()) {
            reversed.extend(mask.chunks_exact(steps).flat_map(|row| row.iter().rev()));
        }
        let reversed = (!reversed.is_empty()).then_some(&reversed[..]);
        let made = |i| if i < top || *return_sequences { steps } else { 1 };
        if together(cells, pass, made, &mut outputs[1..]) {
            outputs[0].copy_from_slice(cells[top].output());
            return;
        }
        for i in 0..=top {
            let (below, rest) = cells.split_at_mut(i);
            let pass = upon(pass, below.last(), reversed);
            let own = rest[0].places().returned.clone();
            rest[0].forward(pass, made(i), &mut outputs[1..][own]);
        }
        outputs[0].copy_from_slice(cells[top].output());
    }

    fn backward(
        &mut self,
        pass: Pass<T>,
        _: &[Buffer<T>],
        douts: &mut [Flow<T>],
        dweights: &mut [T],
        dins: &mut [Flow<T>],
    ) {
        let ([dy, dreturned @ ..], [dx, dinitial @ ..]) = (douts, dins) else { return };
        let Stack { cells, reversed, .. } = self;
        let reversed = (!reversed.is_empty()).then_some(&reversed[..]);
        let top = cells.len() - 1;
        // What a gradient is read from is lent where it is needed, and given back.
        swap(cells[top].dout(), dy);
        for i in (0..=top).rev() {
            let (below, rest) = cells.split_at_mut(i);
            let (cell, above) = rest.split_at_mut(1);
            let (cell, pass) = (&mut cell[0], upon(pass, below.last(), reversed));
            if let Some(above) = above.first_mut() {
                swap(cell.dout(), above.din());
            }
            match below.last() {
                None => swap(cell.din(), dx),
                Some(below) => {
                    cell.din().live = true;
                    cell.din().grad.resize(below.output().len());
                }
            }
            let Places { weights, states, returned } = cell.places().clone();
            // Initial states need not be given.
            let dinitial = dinitial.get_mut(states).unwrap_or_default();
            cell.backward(pass, &mut dreturned[returned], &mut dweights[weights], dinitial);
            if below.is_empty() {
                swap(cell.din(), dx);
            }
            if let Some(above) = above.first_mut() {
                swap(cell.dout(), above.din());
            }
        }
        swap(cells[top].dout(), dy);
    }

    fn mask(&mut self, inputs: Inputs<T>, outputs: &mut [Mask]) {
        if self.return_sequences {
            outputs[0].pass(inputs.mask(0));
        }
    }

    fn visit(&mut self, batch: usize, inputs: &[Shape], see: &mut dyn FnMut(Recurrence<T>)) {
        self.cells.iter_mut().for_each(|cell| cell.visit(batch, inputs, see));
    }

    fn carry(&mut self, on: bool) {
        self.cells.iter_mut().for_each(|cell| cell.carry(on));
    }

    fn carried(&mut self) -> Vec<(usize, &mut Buffer<T>)> {
        self.cells.iter_mut().flat_map(Part::carried).collect()
    }

    fn reset(&mut self) {
        self.cells.iter_mut().for_each(Part::reset);
    }

    fn rows(&self) -> Option<usize> {
        self.cells.iter().find_map(Part::rows)
    }
}
