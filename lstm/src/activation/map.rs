//! A function over arrays: the choice is made once, outside of the loop.

use kernels::simd::{Float, Kernel, Simd, V, Vector};

use super::Activation;
use super::functions::{self, Function};

/// Which elements of an array are meant: `len` from `start` on, then again `stride` further, and so
/// on to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces {
    pub(crate) stride: usize,
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl Pieces {
    /// All of an array of this size.
    pub(crate) fn all(size: usize) -> Self {
        Pieces { stride: size.max(1), start: 0, len: size }
    }
}

/// Binds `$function` to the type of an element-wise activation. Softmax, which is none, is linear
/// here: who may meet it looks first.
macro_rules! with_function {
    ($activation:expr, $function:ident => $body:expr) => {
        with_function!(@arms $activation, $function, $body,
            Linear Relu Relu6 LeakyRelu Elu Selu Softplus Softsign Sigmoid LogSigmoid HardSigmoid
            Tanh Exponential Silu HardSilu Gelu GeluTanh Mish HardTanh TanhShrink SoftShrink HardShrink
            Squareplus SparsePlus SparseSigmoid)
    };
    (@arms $activation:expr, $function:ident, $body:expr, $($name:ident)*) => {
        match $activation {
            $(Activation::$name => { type $function = functions::$name; $body })*
            Activation::Celu => { type $function = functions::Elu; $body }
            Activation::Softmax => { type $function = functions::Linear; $body }
        }
    };
}
pub(super) use with_function;

/// `x = f(x)`
pub(crate) struct Map<'a, T> {
    pub(crate) activation: Activation,
    pub(crate) x: &'a mut [T],
    pub(crate) pieces: Pieces,
}

impl<T: Float> Kernel for Map<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if self.activation == Activation::Linear {
            return;
        }
        with_function!(self.activation, F => each::<S, T, F>(simd, self.x, self.pieces));

        #[inline(always)]
        fn each<S: Simd, T: Float, F: Function>(simd: S, x: &mut [T], pieces: Pieces) {
            let Pieces { stride, start, len } = pieces;
            let lanes = V::<S, T>::LANES;
            for x in x.chunks_mut(stride) {
                for x in x[start..start + len].chunks_mut(lanes) {
                    F::of(simd, V::<S, T>::load(simd, x)).store(x);
                }
            }
        }
    }
}

/// From what forward has kept, its outputs or its operands, both the outputs and the derivatives.
pub(crate) struct Slopes<'a, T> {
    pub(crate) activation: Activation,
    pub(crate) kept: &'a mut [T],
    pub(crate) slopes: &'a mut [T],
    pub(crate) pieces: Pieces,
}

impl<T: Float> Kernel for Slopes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Slopes { activation, kept, slopes, pieces } = self;
        with_function!(activation, F => each::<S, T, F>(simd, kept, slopes, pieces));

        #[inline(always)]
        fn each<S: Simd, T: Float, F: Function>(
            simd: S,
            kept: &mut [T],
            slopes: &mut [T],
            pieces: Pieces,
        ) {
            let Pieces { stride, start, len } = pieces;
            let lanes = V::<S, T>::LANES;
            for (kept, slopes) in kept.chunks_mut(stride).zip(slopes.chunks_mut(stride)) {
                let kept = kept[start..start + len].chunks_mut(lanes);
                for (kept, slopes) in kept.zip(slopes[start..start + len].chunks_mut(lanes)) {
                    let x = V::<S, T>::load(simd, kept);
                    F::slope(simd, x).store(slopes);
                    if F::FROM_OPERAND {
                        F::of(simd, x).store(kept);
                    }
                }
            }
        }
    }
}

/// `dy` becomes `dx = dy f'`, from what forward has kept.
pub(crate) struct Backward<'a, T> {
    pub(crate) activation: Activation,
    pub(crate) kept: &'a [T],
    pub(crate) dy: &'a mut [T],
}

impl<T: Float> Kernel for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if self.activation == Activation::Linear {
            return;
        }
        with_function!(self.activation, F => each::<S, T, F>(simd, self.kept, self.dy));

        #[inline(always)]
        fn each<S: Simd, T: Float, F: Function>(simd: S, kept: &[T], dy: &mut [T]) {
            let lanes = V::<S, T>::LANES;
            for (kept, dy) in kept.chunks(lanes).zip(dy.chunks_mut(lanes)) {
                let slope = F::slope(simd, V::<S, T>::load(simd, kept));
                (V::<S, T>::load(simd, dy) * slope).store(dy);
            }
        }
    }
}
