//! What ends backward: sums over all steps and rows, as matrix products of a whole group.

use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Buffer, Gemm, Isa, MatMut, MatRef, Scratch};

use super::dropout;
use super::pack::{Packed, unpack_rows};
use crate::engine::sequence::write_rows;
use crate::engine::workspace::{Dims, View};
use crate::engine::{Gradients, Weights};

/// What the products over all steps need besides the workspace.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Products<T> {
    /// `[k, 4 width]` of one weight's gradient, before its gates are put in Keras's order.
    interleaved: Buffer<T>,
    /// `[steps, rows, inputs]` of one group.
    dx: Buffer<T>,
    gemm: Scratch<T>,
    dropout: dropout::Products<T>,
}

impl<T: Float> Products<T> {
    /// Makes room for groups with so many steps of rows in all.
    pub(in crate::engine) fn reserve(&mut self, rows: usize, dims: Dims, dropout: bool) {
        self.dx.resize(rows * dims.inputs);
        if dropout {
            self.dropout.reserve(rows, dims);
        }
    }

    /// What [`run`](Self::run) does, with dropout.
    pub(in crate::engine) fn run_gate_by_gate(
        &mut self,
        isa: Isa,
        weights: Weights<T>,
        view: &View<T>,
        grads: Gradients<T>,
        dx: Option<(&mut [T], bool)>,
    ) {
        self.dropout.run((isa, &mut self.gemm), weights, view, grads, dx);
    }

    /// `dW += xᵀ dz`, `dU += h₋ᵀ dz`, `db += Σ dz`, and `dx = dz Wᵀ`: one product each over all
    /// steps of a group.
    pub(in crate::engine) fn run(
        &mut self,
        isa: Isa,
        weights: &Packed<T>,
        view: &View<T>,
        grads: Gradients<T>,
        dx: Option<(&mut [T], bool)>,
    ) {
        let Dims { steps, inputs, units, width, slots, .. } = view.dims;
        let depth = 4 * width;
        let lanes = isa.lanes::<T>();

        let sums = [(grads.kernel, inputs), (grads.recurrent_kernel, units)];
        for (which, (grad, left_width)) in sums.into_iter().enumerate() {
            self.interleaved.resize(left_width * depth);
            if view.extent.lengths.is_some_and(|lengths| lengths[0] == 0) {
                self.interleaved.fill(T::ZERO);
            }
            for group in view.dims.groups() {
                let rows = view.steps(group) * group.rows;
                if rows == 0 {
                    continue;
                }
                let dz = MatRef::new(
                    &view.gates[group.history(steps, depth)][..rows * depth],
                    rows,
                    depth,
                );
                let left = match which {
                    0 => MatRef::new(
                        &view.x[group.history(steps, inputs)][..rows * inputs],
                        rows,
                        inputs,
                    ),
                    _ => MatRef::strided(
                        &view.h[group.history(slots, width)],
                        (rows, units),
                        (width, 1),
                    ),
                };
                let beta = if group.first == 0 { T::ZERO } else { T::ONE };
                let sum = MatMut::new(&mut self.interleaved, left_width, depth);
                Gemm::new(left.t(), dz).isa(isa).beta(beta).run(sum, &mut self.gemm);
            }
            unpack_rows(lanes, units, &self.interleaved, grad);
        }

        if let Some(db) = grads.bias {
            self.interleaved.resize(depth);
            self.interleaved.fill(T::ZERO);
            for group in view.dims.groups() {
                let rows = &view.gates[group.history(steps, depth)];
                let rows = &rows[..view.steps(group) * group.rows * depth];
                isa.run(ColumnSums { rows, out: &mut self.interleaved });
            }
            unpack_rows(lanes, units, &self.interleaved, db);
        }

        if let Some((dx, reversed)) = dx {
            let kernel = MatRef::new(&weights.kernel_rows, inputs, depth);
            for group in view.dims.groups() {
                let rows = view.steps(group) * group.rows;
                if rows == 0 {
                    continue;
                }
                let dz = &view.gates[group.history(steps, depth)];
                let dz = MatRef::new(&dz[..rows * depth], rows, depth);
                self.dx.resize(rows * inputs);
                let out = MatMut::new(&mut self.dx, rows, inputs);
                Gemm::new(dz, kernel.t()).isa(isa).run(out, &mut self.gemm);
                for t in 0..view.steps(group) {
                    let rows = &self.dx[t * group.rows * inputs..][..group.rows * inputs];
                    let t = if reversed { steps - 1 - t } else { t };
                    write_rows(rows, inputs, (dx, steps, inputs), group, t);
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
