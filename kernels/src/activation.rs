//! Activations and their derivatives over slices of any length.
//!
//! Each is a [`Kernel`] that works in place, for `isa.run(..)`, and a function of the same name
//! on the best instruction set:
//!
//! ```
//! use kernels::{Isa, activation::{Tanh, tanh}};
//!
//! let mut xs = [-1.0f32, 0.0, 1.0];
//! tanh(&mut xs); // the best instruction set
//! let mut ys = [-1.0f32, 0.0, 1.0];
//! Isa::best().run(Tanh(&mut ys)); // one of your choice
//! assert_eq!(xs, ys);
//! ```
//!
//! The derivatives take what the activation returned: `dy` becomes `dx = dy · f'(y)`. Accuracy is
//! stated in [`math`].

use core::fmt;

use crate::math;
use crate::simd::{Bundle, Float, Isa, Kernel, Simd, V, Vector};

/// The activations that round, to go through them or to name one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `eˣ`
    Exp,
    /// `eˣ - 1`
    Expm1,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `tanh x`
    Tanh,
    /// `log(1 + eˣ)`
    Softplus,
    /// `log(1 + x)`
    Log1p,
    /// `erf x`
    Erf,
}

impl Function {
    /// All of them.
    pub const ALL: [Function; 7] = [
        Function::Exp,
        Function::Expm1,
        Function::Sigmoid,
        Function::Tanh,
        Function::Softplus,
        Function::Log1p,
        Function::Erf,
    ];

    /// Its name, that of the function in this module.
    pub fn name(self) -> &'static str {
        match self {
            Function::Exp => "exp",
            Function::Expm1 => "expm1",
            Function::Sigmoid => "sigmoid",
            Function::Tanh => "tanh",
            Function::Softplus => "softplus",
            Function::Log1p => "log1p",
            Function::Erf => "erf",
        }
    }

    /// `x ← f(x)`
    pub fn run<T: Float>(self, isa: Isa, xs: &mut [T]) {
        match self {
            Function::Exp => isa.run(Exp(xs)),
            Function::Expm1 => isa.run(Expm1(xs)),
            Function::Sigmoid => isa.run(Sigmoid(xs)),
            Function::Tanh => isa.run(Tanh(xs)),
            Function::Softplus => isa.run(Softplus(xs)),
            Function::Log1p => isa.run(Log1p(xs)),
            Function::Erf => isa.run(Erf(xs)),
        }
    }

    /// The largest error on any instruction set, in units in the last place of the exact value: the
    /// table of [`math`].
    pub fn max_ulps<T: Float>(self) -> f64 {
        let [f32, f64] = match self {
            Function::Exp => [0.84, 0.82],
            Function::Expm1 => [1.1, 0.83],
            Function::Sigmoid => [0.84, 0.84],
            Function::Tanh => [0.93, 1.2],
            Function::Softplus => [1.1, 1.1],
            Function::Log1p => [1.1, 1.0],
            Function::Erf => [1.0, 1.1],
        };
        if size_of::<T>() == 4 { f32 } else { f64 }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.pad(self.name())
    }
}

/// Vectors that a map works on side by side. Two hide most of the latency, four are fastest on
/// every instruction set, all maps taken together: what 16 registers cannot hold is spilled while
/// the others compute.
const ABREAST: usize = 4;

/// A map from vector to vector, as a slice kernel and a function that runs it.
macro_rules! map {
    ($(#[$doc:meta])* $kernel:ident, $function:ident) => {
        $(#[$doc])*
        pub struct $kernel<'a, T>(pub &'a mut [T]);

        impl<T: Float> Kernel for $kernel<'_, T> {
            type Output = ();

            #[inline(always)]
            fn run<S: Simd>(self, simd: S) {
                let lanes = V::<S, T>::LANES;
                if self.0.len() <= lanes {
                    return math::$function(simd, V::<S, T>::load(simd, self.0)).store(self.0);
                }
                // The last vector is read before anything is written: where the length is no
                // multiple, it overlaps the one before, with the same results.
                let last = self.0.len() - lanes;
                let ends = V::<S, T>::load(simd, &self.0[last..]);

                let before = &mut self.0[..last.next_multiple_of(lanes)];
                let mut bundles = before.chunks_exact_mut(ABREAST * lanes);
                for xs in &mut bundles {
                    math::$function(simd, Bundle::<V<S, T>, ABREAST>::load(simd, xs)).store(xs);
                }
                for xs in bundles.into_remainder().chunks_exact_mut(lanes) {
                    math::$function(simd, V::<S, T>::load(simd, xs)).store(xs);
                }
                math::$function(simd, ends).store(&mut self.0[last..]);
            }
        }

        $(#[$doc])*
        pub fn $function<T: Float>(xs: &mut [T]) {
            Isa::best().run($kernel(xs));
        }
    };
}

map! {
    /// `x ← eˣ`
    Exp, exp
}
map! {
    /// `x ← eˣ - 1`
    Expm1, expm1
}
map! {
    /// `x ← 1 / (1 + e⁻ˣ)`
    Sigmoid, sigmoid
}
map! {
    /// `x ← tanh x`
    Tanh, tanh
}
map! {
    /// `x ← log(1 + x)`
    Log1p, log1p
}
map! {
    /// `x ← log(1 + eˣ)`
    Softplus, softplus
}
map! {
    /// `x ← erf x`
    Erf, erf
}
map! {
    /// `x ← max(x, 0)`
    Relu, relu
}

/// A derivative from the output, as a slice kernel and a function that runs it.
macro_rules! gradient {
    ($(#[$doc:meta])* $kernel:ident, $function:ident) => {
        $(#[$doc])*
        pub struct $kernel<'a, T> {
            /// What the activation returned.
            pub y: &'a [T],
            /// The gradient of the loss with respect to `y`; replaced by that of `x`.
            pub dy: &'a mut [T],
        }

        impl<T: Float> Kernel for $kernel<'_, T> {
            type Output = ();

            #[inline(always)]
            fn run<S: Simd>(self, simd: S) {
                assert_eq!(self.y.len(), self.dy.len(), "y and dy differ in length");
                let lanes = V::<S, T>::LANES;
                for (y, dy) in self.y.chunks(lanes).zip(self.dy.chunks_mut(lanes)) {
                    let slope = math::$function(simd, V::<S, T>::load(simd, y));
                    (V::<S, T>::load(simd, dy) * slope).store(dy);
                }
            }
        }

        $(#[$doc])*
        ///
        /// # Panics
        ///
        /// If the slices differ in length.
        #[track_caller]
        pub fn $function<T: Float>(y: &[T], dy: &mut [T]) {
            assert_eq!(y.len(), dy.len(), "y and dy differ in length");
            Isa::best().run($kernel { y, dy });
        }
    };
}

gradient! {
    /// `dy ← dy · y` with `y = eˣ`
    ExpGrad, exp_grad
}
gradient! {
    /// `dy ← dy · (y + 1)` with `y = eˣ - 1`
    Expm1Grad, expm1_grad
}
gradient! {
    /// `dy ← dy · y (1 - y)` with `y = σ(x)`
    SigmoidGrad, sigmoid_grad
}
gradient! {
    /// `dy ← dy · (1 - y²)` with `y = tanh x`
    TanhGrad, tanh_grad
}
gradient! {
    /// `dy ← dy · e⁻ʸ` with `y = log(1 + x)`
    Log1pGrad, log1p_grad
}
gradient! {
    /// `dy ← dy · (1 - e⁻ʸ)` with `y = log(1 + eˣ)`
    SoftplusGrad, softplus_grad
}
gradient! {
    /// `dy ← dy` where `y = max(x, 0)` is positive, else zero
    ReluGrad, relu_grad
}
