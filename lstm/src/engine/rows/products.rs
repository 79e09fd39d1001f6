//! What ends backward: sums over many steps and all rows, as matrix products of a whole group, or without where
//! there is little to sum.

use std::ops::Range;

use kernels::simd::{Float, Kernel, Simd, V, Vector};
use kernels::{Buffer, Gemm, Isa, MatMut, MatRef, Scratch};

use super::dropout;
use super::outer::{Left, OuterProducts};
use super::pack::{Packed, unpack};
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
    /// The elements of the arrays that grow with the steps, for chunks of groups with so many steps of rows
    /// in all, with dropout of `h` and of `x` by gate or without: all that they can use.
    pub(in crate::engine) fn lens(
        rows: usize,
        [inputs, units]: [usize; 2],
        dropped: [bool; 2],
    ) -> [usize; 5] {
        let dx = if dropped[1] { 0 } else { rows * inputs };
        let [dz, left, by_gate, sum] = dropout::Products::<T>::lens(rows, [inputs, units], dropped);
        [dx, dz, left, by_gate, sum]
    }

    /// The bytes that are held once there is room for arrays of these [lengths](Self::lens).
    pub(in crate::engine) fn held(&self, [dx, by_gate @ ..]: [usize; 5]) -> usize {
        self.dx.held(dx) + self.dropout.held(by_gate)
    }

    /// Makes room for arrays of these [lengths](Self::lens), for `dx` if it is wanted.
    pub(in crate::engine) fn reserve(&mut self, [dx, by_gate @ ..]: [usize; 5], wanted: bool) {
        self.dx.refit(if wanted { dx } else { 0 });
        self.dropout.reserve(by_gate, wanted);
    }

    /// `dW += xᵀ dz`, `dU += h₋ᵀ dz`, `db += Σ dz`, and `dx = dz Wᵀ`: one product each over these
    /// steps of a group, but for those that dropout makes one for each gate. The sums of few steps of the only
    /// group need none.
    pub(in crate::engine) fn run(
        &mut self,
        (isa, threads): (Isa, usize),
        (packed, weights): (&Packed<T>, Weights<T>),
        (view, steps, few): (&View<T>, Range<usize>, bool),
        mut grads: Gradients<T>,
        mut dx: Option<(&mut [T], bool)>,
    ) {
        let by_gate = view.extent.dropout.map(|factors| factors.input.is_some());
        if by_gate.is_some() {
            let dx = dx.as_mut().map(|(dx, reversed)| (&mut **dx, *reversed));
            let gemm = (isa, &mut self.gemm);
            self.dropout.run(gemm, weights, (view, steps.clone()), &mut grads, dx);
        }
        let Dims { start, total, inputs, units, width, .. } = view.dims;
        let depth = 4 * width;
        let of = |group| steps.start..steps.end.min(view.steps(group)).max(steps.start);
        let dz = |group: Group| {
            let rows = of(group).len() * group.rows;
            let dz = &view.gates.group(group.index)[steps.start * group.rows * depth..];
            (&dz[..rows * depth], rows)
        };
        let groups = || view.dims.groups().filter(|&group| !of(group).is_empty());

        let sums = [
            (grads.kernel, (&view.x, inputs, inputs), by_gate == Some(true)),
            (grads.recurrent_kernel, (&view.h, width, units), by_gate.is_some()),
        ];
        // The only group, where there is little in it.
        let few = groups().next().filter(|_| few);

        for (grad, (history, stride, count), done) in sums {
            if done {
                continue;
            }
            let left = |group: Group| {
                let numbers = &history.group(group.index)[steps.start * group.rows * stride..];
                Left { numbers, stride, count }
            };
            if let Some(group) = few {
                isa.run(OuterProducts { left: left(group), dz: dz(group).0, units, grad });
                continue;
            }
            self.interleaved.refit(count * depth);
            let mut beta = T::ZERO;
            for group in groups() {
                let (dz, rows) = dz(group);
                let Left { numbers, stride, count } = left(group);
                let left = MatRef::strided(numbers, (rows, count), (stride, 1));
                let sum = MatMut::new(&mut self.interleaved, count, depth);
                let product = Gemm::new(left.t(), MatRef::new(dz, rows, depth));
                product.isa(isa).beta(beta).run(sum, &mut self.gemm);
                beta = T::ONE;
            }
            if beta == T::ONE {
                unpack(isa, units, &self.interleaved, grad, threads);
            }
        }

        match (grads.bias, few) {
            (None, _) => {}
            (Some(grad), Some(group)) => {
                let left = Left { numbers: &[T::ONE], stride: 0, count: 1 };
                isa.run(OuterProducts { left, dz: dz(group).0, units, grad });
            }
            (Some(grad), None) => {
                self.interleaved.refit(depth);
                self.interleaved.fill(T::ZERO);
                for group in groups() {
                    isa.run(ColumnSums { rows: dz(group).0, out: &mut self.interleaved });
                }
                unpack(isa, units, &self.interleaved, grad, 1);
            }
        }

        if let Some((dx, reversed)) = dx.filter(|_| by_gate != Some(true)) {
            let kernel = MatRef::new(&packed.kernel_rows, inputs, depth);
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
