//! What ends backward: sums over all steps and rows, as matrix products of a whole group.

use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Buffer, Gemm, Isa, MatMut, MatRef, Scratch};

use super::pack::{Packed, unpack_rows};
use crate::engine::Gradients;
use crate::engine::sequence::write_rows;
use crate::engine::workspace::{Dims, Group, View};

/// What the products over all steps need besides the workspace.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Products<T> {
    /// `[k, 4 width]` of one weight's gradient, before its gates are put in Keras's order.
    interleaved: Buffer<T>,
    /// `[steps, rows, inputs]` of one group.
    dx: Buffer<T>,
    gemm: Scratch<T>,
}

impl<T: Float> Products<T> {
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
        for (which, (grad, rows)) in sums.into_iter().enumerate() {
            self.interleaved.resize(rows * depth);
            for group in view.dims.groups() {
                let dz = group_matrix(view.gates, group, steps, depth);
                let left = match which {
                    0 => group_matrix(view.x, group, steps, inputs),
                    _ => MatRef::strided(
                        &view.h[group.history(slots, width)],
                        (steps * group.rows, units),
                        (width, 1),
                    ),
                };
                let beta = if group.first == 0 { T::ZERO } else { T::ONE };
                let sum = MatMut::new(&mut self.interleaved, rows, depth);
                Gemm::new(left.t(), dz).isa(isa).beta(beta).run(sum, &mut self.gemm);
            }
            unpack_rows(lanes, units, &self.interleaved, grad);
        }

        if let Some(db) = grads.bias {
            self.interleaved.resize(depth);
            isa.run(ColumnSums { rows: view.gates, out: &mut self.interleaved });
            unpack_rows(lanes, units, &self.interleaved, db);
        }

        if let Some((dx, reversed)) = dx {
            let kernel = MatRef::new(&weights.kernel_rows, inputs, depth);
            for group in view.dims.groups() {
                let dz = group_matrix(view.gates, group, steps, depth);
                self.dx.resize(steps * group.rows * inputs);
                let out = MatMut::new(&mut self.dx, steps * group.rows, inputs);
                Gemm::new(dz, kernel.t()).isa(isa).run(out, &mut self.gemm);
                for t in 0..steps {
                    let rows = &self.dx[t * group.rows * inputs..][..group.rows * inputs];
                    let t = if reversed { steps - 1 - t } else { t };
                    write_rows(rows, inputs, (dx, steps, inputs), group, t);
                }
            }
        }
    }
}

/// All steps of a group as a matrix `[steps * rows, width]`.
fn group_matrix<T: Float>(array: &[T], group: Group, steps: usize, width: usize) -> MatRef<'_, T> {
    MatRef::new(&array[group.history(steps, width)], steps * group.rows, width)
}

/// `out = Σ rows`
struct ColumnSums<'a, T> {
    rows: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Kernel for ColumnSums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let lanes = V::<S, T>::LANES;
        self.out.fill(T::ZERO);
        for row in self.rows.chunks_exact(self.out.len()) {
            for (sum, x) in self.out.chunks_exact_mut(lanes).zip(row.chunks_exact(lanes)) {
                (V::<S, T>::load(simd, sum) + V::<S, T>::load(simd, x)).store(sum);
            }
        }
    }
}
