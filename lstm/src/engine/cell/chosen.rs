//! Any two element-wise activations, each over all cells of a run at once: the choice is made there, outside
//! of the loops, and the code of the activations exists once.

use kernels::simd::{Float, Kernel, MAX_LANES, Simd, V, Vector};

use super::{Backward, Forward, Run};
use crate::activation::{Activation, Map, Pieces, Slopes};

/// Any two element-wise activations.
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
        self.chosen.forward(simd, self.cells);
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
    #[inline(always)]
    fn forward<S: Simd, T: Float>(self, simd: S, cells: Forward<T>) {
        let Forward { run, z, c_prev, c, h, mut kept } = cells;
        let Run { count, stride, gate_stride } = run;
        let lanes = V::<S, T>::LANES;
        let cell = 4 * lanes;
        let z = &mut z[..count * cell];
        let mut keep = |z: &[T], of_gates: bool, of_cell: bool| {
            let Some((gates, _)) = &mut kept else { return };
            for (n, z) in z.chunks_exact(cell).enumerate() {
                let gates = &mut gates[n * gate_stride..][..cell];
                if of_gates {
                    gates[..2 * lanes].copy_from_slice(&z[..2 * lanes]);
                    gates[3 * lanes..].copy_from_slice(&z[3 * lanes..]);
                }
                if of_cell {
                    gates[2 * lanes..3 * lanes].copy_from_slice(&z[2 * lanes..3 * lanes]);
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
        keep(z, !gate_operand, !cell_operand);

        // c = f c₋ + i g, which takes the place of i
        for (n, z) in z.chunks_exact_mut(cell).enumerate() {
            let gate = |gate: usize| V::<S, T>::load(simd, &z[gate * lanes..]);
            let c_prev = V::<S, T>::load(simd, &c_prev[n * stride..]);
            let next = gate(1).mul_add(c_prev, gate(0) * gate(2));
            next.store(&mut c[n * stride..]);
            next.store(z);
            if let (true, Some((_, a))) = (cell_operand, &mut kept) {
                next.store(&mut a[n * stride..]);
            }
        }

        // h = o a, a = φ(c)
        let pieces = Pieces { stride: cell, start: 0, len: lanes };
        simd.run(Map { activation: self.cell, x: &mut *z, pieces });
        for (n, z) in z.chunks_exact(cell).enumerate() {
            let a = V::<S, T>::load(simd, z);
            (V::<S, T>::load(simd, &z[3 * lanes..]) * a).store(&mut h[n * stride..]);
            if let (false, Some((_, kept_a))) = (cell_operand, &mut kept) {
                a.store(&mut kept_a[n * stride..]);
            }
        }
    }

    #[inline(always)]
    fn backward<S: Simd, T: Float>(self, simd: S, cells: Backward<T>) {
        let Backward { run, gates, c_prev, a, dh, dc } = cells;
        let Run { count, stride, gate_stride } = run;
        let lanes = V::<S, T>::LANES;
        let mut ys = [T::ZERO; CHUNK * PARTS * MAX_LANES];
        let mut slopes = [T::ZERO; CHUNK * PARTS * MAX_LANES];
        let part = PARTS * lanes;
        for first in (0..count).step_by(CHUNK) {
            let chunk = CHUNK.min(count - first);
            let (ys, slopes) = (&mut ys[..chunk * part], &mut slopes[..chunk * part]);
            for (n, y) in (first..).zip(ys.chunks_exact_mut(part)) {
                let gates = &gates[n * gate_stride..][..4 * lanes];
                let (i_f, g_o) = gates.split_at(2 * lanes);
                y[..2 * lanes].copy_from_slice(i_f);
                y[2 * lanes..3 * lanes].copy_from_slice(&g_o[lanes..]);
                y[3 * lanes..4 * lanes].copy_from_slice(&g_o[..lanes]);
                V::<S, T>::load(simd, &a[n * stride..]).store(&mut y[4 * lanes..]);
            }
            for (activation, start, vectors) in [(self.gate, 0, 3), (self.cell, 3, 2)] {
                let pieces = Pieces { stride: part, start: start * lanes, len: vectors * lanes };
                simd.run(Slopes { activation, kept: &mut *ys, slopes: &mut *slopes, pieces });
            }

            let chunk = ys.chunks_exact(part).zip(slopes.chunks_exact(part));
            for (n, (y, slope)) in (first..).zip(chunk) {
                let at = n * stride;
                let gates = &mut gates[n * gate_stride..][..4 * lanes];
                let load = |xs: &[T], part: usize| V::<S, T>::load(simd, &xs[part * lanes..]);
                let [i, f, o, g, a] = [load(y, 0), load(y, 1), load(y, 2), load(y, 3), load(y, 4)];
                let dh = V::<S, T>::load(simd, &dh[at..]);
                let c_prev = V::<S, T>::load(simd, &c_prev[at..]);
                let dc_after = V::<S, T>::load(simd, &dc[at..]);
                let dc_now = (dh * o).mul_add(load(slope, 4), dc_after);

                (dc_now * g * load(slope, 0)).store(gates);
                (dc_now * c_prev * load(slope, 1)).store(&mut gates[lanes..]);
                (dc_now * i * load(slope, 3)).store(&mut gates[2 * lanes..]);
                (dh * a * load(slope, 2)).store(&mut gates[3 * lanes..]);
                (dc_now * f).store(&mut dc[at..]);
            }
        }
    }
}
