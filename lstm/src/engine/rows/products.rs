//! What ends backward: sums over many steps and all rows, as matrix products of a whole group.

use std::ops::Range;

use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Buffer, Gemm, Isa, MatMut, MatRef, Scratch};

use super::dropout;
use super::pack::{Packed, Unpack};
use crate::engine::gates::line;
use crate::engine::sequence::write_rows;
use crate::engine::workspace::{Dims, Group, View};
use crate::engine::{Gradients, Weights};

/// What the products over many steps need besides the workspace.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Products<T> {
    /// `[k, 4 width]` of one weight's gradient, before its gates are put in Keras's order.
    interleaved: Buffer<T>,
    /// `[steps, rows, inputs]` of one group and chunk.
    dx: Buffer<T>,
    gemm: Scratch<T>,
    dropout: dropout::Products<T>,
}

impl<T: Float> Products<T> {
    /// The bytes that are held, of what [`reserve`](Self::reserve) makes room for.
    pub(in crate::engine) fn held(&self) -> usize {
        self.dx.held(0) + self.dropout.held()
    }

    /// Makes room for chunks of groups with so many steps of rows in all, for `dx` if it is wanted,
    /// and for dropout by gate.
    pub(in crate::engine) fn reserve(&mut self, rows: usize, dims: Dims, [dx, dropout]: [bool; 2]) {
        if dropout {
            self.dropout.reserve(rows, dims);
        } else if dx {
            self.dx.refit(rows * dims.inputs);
        }
    }

    /// What [`run`](Self::run) does, with dropout.
    pub(in crate::engine) fn run_gate_by_gate(
        &mut self,
        isa: Isa,
        weights: Weights<T>,
        (view, steps): (&View<T>, Range<usize>),
        grads: Gradients<T>,
        dx: Option<(&mut [T], bool)>,
    ) {
        self.dropout.run((isa, &mut self.gemm), weights, (view, steps), grads, dx);
    }

    /// `dW += xᵀ dz`, `dU += h₋ᵀ dz`, `db += Σ dz`, and `dx = dz Wᵀ`: one product each over these
    /// steps of a group.
    pub(in crate::engine) fn run(
        &mut self,
        isa: Isa,
        weights: &Packed<T>,
        (view, steps): (&View<T>, Range<usize>),
        grads: Gradients<T>,
        dx: Option<(&mut [T], bool)>,
    ) {
        let Dims { steps: kept, start, total, inputs, units, width, slots, .. } = view.dims;
        let depth = 4 * width;
        let of = |group| steps.start..steps.end.min(view.steps(group)).max(steps.start);
        let dz = |group: Group| {
            let rows = of(group).len() * group.rows;
            let at = group.slot(kept, steps.start, depth).start;
            (&view.gates[at..][..rows * depth], rows)
        };
        let groups = || view.dims.groups().filter(|&group| !of(group).is_empty());

        let sums = [(grads.kernel, inputs), (grads.recurrent_kernel, units)];
        for (which, (grad, left_width)) in sums.into_iter().enumerate() {
            self.interleaved.refit(left_width * depth);
            let mut beta = T::ZERO;
            for group in groups() {
                let (dz, rows) = dz(group);
                let left = match which {
                    0 => {
                        let at = group.slot(kept, steps.start, inputs).start;
                        MatRef::new(&view.x[at..][..rows * inputs], rows, inputs)
                    }
                    _ => {
                        let at = group.slot(slots, steps.start, width).start;
                        MatRef::strided(&view.h[at..], (rows, units), (width, 1))
                    }
                };
                let sum = MatMut::new(&mut self.interleaved, left_width, depth);
                let product = Gemm::new(left.t(), MatRef::new(dz, rows, depth));
                product.isa(isa).beta(beta).run(sum, &mut self.gemm);
                beta = T::ONE;
            }
            if beta == T::ONE {
                isa.run(Unpack { units, rows: &self.interleaved, out: grad });
            }
        }

        if let Some(db) = grads.bias {
            self.interleaved.refit(depth);
            self.interleaved.fill(T::ZERO);
            for group in groups() {
                isa.run(ColumnSums { rows: dz(group).0, out: &mut self.interleaved });
            }
            isa.run(Unpack { units, rows: &self.interleaved, out: db });
        }

        if let Some((dx, reversed)) = dx {
            let kernel = MatRef::new(&weights.kernel_rows, inputs, depth);
            for group in groups() {
                let (dz, rows) = dz(group);
                self.dx.refit(rows * inputs);
                let out = MatMut::new(&mut self.dx, rows, inputs);
                let product = Gemm::new(MatRef::new(dz, rows, depth), kernel.t());
                product.isa(isa).run(out, &mut self.gemm);
                if !units.is_multiple_of(line::<T>()) {
                    // Which zero a sum that underflows comes to depends on how much padding follows.
                    self.dx.iter_mut().for_each(|dx| *dx += T::ZERO);
                }
                for (t, rows) in of(group).zip(self.dx.chunks_exact(group.rows * inputs)) {
                    let t = if reversed { total - 1 - (start + t) } else { start + t };
                    write_rows(rows, inputs, (&mut *dx, total, inputs), group, t);
                }
            }
        }
    }
}

/// `out += Σ rows`
struct ColumnSums<'a, T> {
    rows: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Kernel for ColumnSums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = V::<S, T>::LANES;
        for row in self.rows.chunks_exact(self.out.len()) {
            for (sum, x) in self.out.chunks_exact_mut(lanes).zip(row.chunks_exact(lanes)) {
                (V::<S, T>::load(simd, sum) + V::<S, T>::load(simd, x)).store(sum);
            }
        }
    }
}
