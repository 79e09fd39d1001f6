//! `b + x W` ahead of the steps, as one matrix product.

use std::ops::Range;

use kernels::simd::Float;
use kernels::{Gemm, Isa, MatMut, MatRef, Scratch};

use super::pack::Packed;
use crate::engine::workspace::{Dims, View};

/// What a hoisted product needs besides the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hoist<T> {
    gemm: Scratch<T>,
}

impl<T: Float> Hoist<T> {
    /// `b + x W` of some steps, to where their gates go: added up term by term from `b` on, as the
    /// tiles do it.
    pub(in crate::engine) fn run(
        &mut self,
        isa: Isa,
        weights: &Packed<T>,
        view: &mut View<T>,
        steps: Range<usize>,
        serial: bool,
    ) {
        let Dims { inputs, width, gates, .. } = view.dims;
        let kernel = MatRef::new(&weights.kernel_rows, inputs, 4 * width);
        for group in view.dims.groups() {
            let end = steps.end.min(view.steps(group));
            if end <= steps.start {
                continue;
            }
            let rows = (end - steps.start) * group.rows;
            let x = &view.x.group(group.index)[steps.start * group.rows * inputs..];
            let x = MatRef::new(&x[..rows * inputs], rows, inputs);
            let z = view.gates.group_mut(group.index);
            let z = &mut z[steps.start % gates * group.rows * 4 * width..][..rows * 4 * width];
            z.chunks_exact_mut(4 * width).for_each(|z| z.copy_from_slice(&weights.bias));
            let product = Gemm::new(x, kernel).isa(isa).beta(T::ONE);
            let product = if serial { product.serial() } else { product };
            product.run(MatMut::new(z, rows, 4 * width), &mut self.gemm);
        }
    }
}
