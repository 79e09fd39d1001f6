//! Any two activations, each over all cells of a run at once: the choice is made there, outside
//! of the loops, and the code of the activations exists once.

use kernels::Aligned;
use kernels::simd::{Float, Kernel, MAX_LANES, Simd, V, Vector};

use super::{Backward, Forward, Run, softmax};
use crate::activation::{Activation, Map, Pieces, Slopes};

/// Any two activations.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Chosen {
    pub(in crate::engine) gate: Activation,
    pub(in crate::engine) cell: Activation,
}

/// Cells of backward whose derivatives are worked out at once.
const CHUNK: usize = 4;

/// The vectors of a cell in the scratch of backward: i, f, o, g, a.
const PARTS: usize = 5;

/// Forward of some cells.
pub(super) struct ForwardCells<'a, T> {
    pub(super) chosen: Chosen,
    pub(super) z: &'a mut [T],
    pub(super) cells: Forward<'a, T>,
}

/// Backward of some cells.
pub(super) struct BackwardCells<'a, T> {
    pub(super) chosen: Chosen,
    pub(super) cells: Backward<'a, T>,
}

impl<T: Float> Kernel for ForwardCells<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.chosen.forward(simd, self.z, self.cells);
    }
}

impl<T: Float> Kernel for BackwardCells<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.chosen.backward(simd, self.cells);
    }
}

impl Chosen {
    pub(super) fn mixes_units(self) -> bool {
        [self.gate, self.cell].contains(&Activation::Softmax)
    }

    #[inline(always)]
    fn forward<S: Simd, T: Float>(self, simd: S, z: &mut [T], cells: Forward<T>) {
        let Forward { run, c_prev, c, h, mut kept } = cells;
        let Run { count, stride, between, .. } = run;
        let lanes = V::<S, T>::LANES;
        let cell = 4 * lanes;
        let z = &mut z[..count * cell];
        let mut keep = |z: &[T], of_gates: bool, of_cell: bool| {
            let Some((gates, _)) = &mut kept else { return };
            for (n, z) in z.chunks_exact(cell).enumerate() {
                let gates = &mut gates[run.gates(n, lanes)];
                for (gate, z) in z.chunks_exact(lanes).enumerate() {
                    if if gate == 2 { of_cell } else { of_gates } {
                        gates[gate * between..][..lanes].copy_from_slice(z);
                    }
                }
            }
        };
        let (gate_operand, cell_operand) = (self.gate.keeps_operand(), self.cell.keeps_operand());

        // i = σ(zi), f = σ(zf), g = φ(zg), o = σ(zo)
        keep(z, gate_operand, cell_operand);
        for (activation, start, vectors) in
            [(self.gate, 0, 2), (self.cell, 2, 1), (self.gate, 3, 1)]
        {
            let pieces = Pieces { stride: cell, start: start * lanes, len: vectors * lanes };
            simd.run(Map { activation, x: &mut *z, pieces });
        }
        if self.gate == Activation::Softmax {
            for gate in [0, 1, 3] {
                softmax::over_cells(simd, z, cell, gate * lanes);
            }
        }
        if self.cell == Activation::Softmax {
            softmax::over_cells(simd, z, cell, 2 * lanes);
        }
        keep(z, !gate_operand, !cell_operand);

        // c = f c₋ + i g, which takes the place of i
        for (n, z) in z.chunks_exact_mut(cell).enumerate() {
            let gate = |gate: usize| V::<S, T>::load(simd, &z[gate * lanes..]);
            let c_prev = V::<S, T>::load(simd, &c_prev[n * stride..]);
            let next = gate(1).mul_add(c_prev, gate(0) * gate(2)).flush();
            next.store(&mut c[n * stride..]);
            next.store(z);
            if let (true, Some((_, a))) = (cell_operand, &mut kept) {
                next.store(&mut a[n * stride..]);
            }
        }

        // h = o a, a = φ(c)
        let pieces = Pieces { stride: cell, start: 0, len: lanes };
        simd.run(Map { activation: self.cell, x: &mut *z, pieces });
        if self.cell == Activation::Softmax {
            softmax::over_cells(simd, z, cell, 0);
        }
        for (n, z) in z.chunks_exact(cell).enumerate() {
            let a = V::<S, T>::load(simd, z);
            (V::<S, T>::load(simd, &z[3 * lanes..]) * a).store(&mut h[n * stride..]);
            if let (false, Some((_, kept_a))) = (cell_operand, &mut kept) {
                a.store(&mut kept_a[n * stride..]);
            }
        }
    }

    #[inline(always)]
    fn backward<S: Simd, T: Float>(self, simd: S, mut cells: Backward<T>) {
        if self.mixes_units() {
            return softmax::backward(self, simd, cells);
        }
        let lanes = V::<S, T>::LANES;
        self.each(simd, &mut cells, |cells, n, y, slope| {
            let Backward { run, gates, c_prev, dh, dc, .. } = cells;
            let at = n * run.stride;
            let (between, gates) = (run.between, &mut gates[run.gates(n, lanes)]);
            let Parts { i, f, o, g, a } = y;
            let dh = V::<S, T>::load(simd, &dh[at..]).flush();
            let c_prev = V::<S, T>::load(simd, &c_prev[at..]);
            let dc_after = V::<S, T>::load(simd, &dc[at..]).flush();
            let dc_now = (dh * o).mul_add(slope.a, dc_after);

            (dc_now * g * slope.i).store(gates);
            (dc_now * c_prev * slope.f).store(&mut gates[between..]);
            (dc_now * i * slope.g).store(&mut gates[2 * between..]);
            (dh * a * slope.o).store(&mut gates[3 * between..]);
            (dc_now * f).store(&mut dc[at..]);
        });
    }

    /// Calls `step` for each cell, with its outputs and derivatives.
    #[inline(always)]
    pub(super) fn each<S: Simd, T: Float>(
        self,
        simd: S,
        cells: &mut Backward<T>,
        mut step: impl FnMut(&mut Backward<T>, usize, Parts<V<S, T>>, Parts<V<S, T>>),
    ) {
        let Run { count, stride, between, .. } = cells.run;
        let lanes = V::<S, T>::LANES;
        let Aligned(ys) = &mut Aligned([T::ZERO; CHUNK * PARTS * MAX_LANES]);
        let Aligned(slopes) = &mut Aligned([T::ZERO; CHUNK * PARTS * MAX_LANES]);
        let part = PARTS * lanes;
        for first in (0..count).step_by(CHUNK) {
            let chunk = CHUNK.min(count - first);
            let (ys, slopes) = (&mut ys[..chunk * part], &mut slopes[..chunk * part]);
            for (n, y) in (first..).zip(ys.chunks_exact_mut(part)) {
                let gates = &cells.gates[cells.run.gates(n, lanes)];
                for (y, gate) in y.chunks_exact_mut(lanes).zip([0, 1, 3, 2]) {
                    y.copy_from_slice(&gates[gate * between..][..lanes]);
                }
                V::<S, T>::load(simd, &cells.a[n * stride..]).store(&mut y[4 * lanes..]);
            }
            for (activation, start, vectors) in [(self.gate, 0, 3), (self.cell, 3, 2)] {
                let pieces = Pieces { stride: part, start: start * lanes, len: vectors * lanes };
                simd.run(Slopes { activation, kept: &mut *ys, slopes: &mut *slopes, pieces });
            }
            let chunk = ys.chunks_exact(part).zip(slopes.chunks_exact(part));
            for (n, (y, slope)) in (first..).zip(chunk) {
                step(cells, n, Parts::load(simd, y), Parts::load(simd, slope));
            }
        }
    }
}

/// A number for each activation of a cell.
#[derive(Clone, Copy)]
pub(super) struct Parts<X> {
    pub(super) i: X,
    pub(super) f: X,
    pub(super) o: X,
    pub(super) g: X,
    pub(super) a: X,
}

impl<X> Parts<X> {
    #[inline(always)]
    fn load<S: Simd>(simd: S, xs: &[X::Scalar]) -> Self
    where
        X: Vector<S>,
    {
        let part = |part: usize| X::load(simd, &xs[part * X::LANES..]);
        Parts { i: part(0), f: part(1), o: part(2), g: part(3), a: part(4) }
    }
}
