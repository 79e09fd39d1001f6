//! Every other CPU, through `wide`: 128-bit vectors of whatever the build's target has.
//!
//! That is SSE2 on x86-64, NEON on Arm, simd128 on wasm, and plain scalars elsewhere. `wide` picks
//! its instructions when the crate is built, so this backend is never compiled a second time for
//! a better CPU. Where the target has no FMA, `mul_add` rounds twice.

use core::ops::Neg;

use wide::{f32x4, f64x2, u32x4, u64x2};

use super::lanewise::{operators, padded};
use super::{Float, Kernel, Simd, Vector};

/// No proof needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portable;

impl Simd for Portable {
    type F32 = F32x4;
    type F64 = F64x2;
    type Half = Portable;
    const REGISTERS: usize = 16;
    const UNROLLS: bool = false;

    #[inline(never)]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn half(self) -> Portable {
        self
    }
}

/// One vector type over `wide`. `$integer` shifts the exponent into place; `2^$mantissa` is the
/// first power of two whose neighbours are one apart.
macro_rules! vector {
    ($vector:ident($raw:ident, $integer:ident) of $scalar:ident, $lanes:literal lanes,
     mantissa $mantissa:literal, bias $bias:literal) => {
        #[doc = concat!(stringify!($lanes), " `", stringify!($scalar), "`.")]
        #[derive(Clone, Copy, Debug)]
        pub struct $vector($raw);

        operators! { $vector: Add add plus, Sub sub minus, Mul mul times, Div div over }

        impl Neg for $vector {
            type Output = Self;

            #[inline(always)]
            fn neg(self) -> Self {
                $vector(self.0 ^ $raw::splat(-0.0))
            }
        }

        impl $vector {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                $vector(self.0 + other.0)
            }

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                $vector(self.0 - other.0)
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                $vector(self.0 * other.0)
            }

            #[inline(always)]
            fn over(self, other: Self) -> Self {
                $vector(self.0 / other.0)
            }
        }

        impl $vector {
            /// The product in two parts whose sum is exact: T. Dekker, "A floating-point technique
            /// for extending the available precision", 1971.
            #[inline(always)]
            fn product(self, other: Self) -> (Self, Self) {
                let product = self * other;
                let ((a, b), (c, d)) = (self.split(), other.split());
                (product, ((a * c - product) + a * d + b * c) + b * d)
            }

            /// Half of the digits each.
            #[inline(always)]
            fn split(self) -> (Self, Self) {
                let factor = $raw::splat(((1u64 << ($mantissa / 2 + 1)) + 1) as $scalar);
                let scaled = $vector(self.0 * factor);
                let high = scaled - (scaled - self);
                (high, self - high)
            }
        }

        impl Vector<Portable> for $vector {
            type Scalar = $scalar;
            const LANES: usize = $lanes;

            #[inline(always)]
            fn splat(_: Portable, x: $scalar) -> Self {
                $vector($raw::splat(x))
            }

            #[inline(always)]
            fn load(_: Portable, xs: &[$scalar]) -> Self {
                match xs.first_chunk::<$lanes>() {
                    Some(lanes) => $vector($raw::from(*lanes)),
                    None => $vector($raw::from(padded::<$scalar, $lanes>(xs))),
                }
            }

            #[inline(always)]
            fn store(self, xs: &mut [$scalar]) {
                let lanes = self.0.to_array();
                match xs.first_chunk_mut::<$lanes>() {
                    Some(all) => *all = lanes,
                    None => xs.copy_from_slice(&lanes[..xs.len()]),
                }
            }

            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                $vector(self.0.mul_add(a.0, b.0))
            }

            #[inline(always)]
            fn minus_product(self, a: Self, b: Self) -> Self {
                if cfg!(any(target_feature = "fma", target_feature = "neon")) {
                    return (-a).mul_add(b, self);
                }
                let (product, error) = a.product(b);
                (self - product) - error
            }

            #[inline(always)]
            fn min(self, other: Self) -> Self {
                $vector(self.0.simd_lt(other.0).select(self.0, other.0))
            }

            #[inline(always)]
            fn max(self, other: Self) -> Self {
                $vector(self.0.simd_gt(other.0).select(self.0, other.0))
            }

            #[inline(always)]
            fn abs(self) -> Self {
                $vector(self.0.abs())
            }

            #[inline(always)]
            fn flush_with(self, x: Self) -> Self {
                let small = x.0.abs().simd_lt($raw::splat(<$scalar>::FLUSH_MIN));
                $vector(small.select($raw::ZERO, self.0))
            }

            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                $vector(self.0.abs() | (sign.0 & $raw::splat(-0.0)))
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                $vector(self.0.sqrt())
            }

            #[inline(always)]
            fn round(self) -> Self {
                // Where neighbours are one apart, the addition itself rounds to an integer.
                let shift = $raw::splat(1.5 * (1u64 << $mantissa) as $scalar);
                $vector((self.0 + shift) - shift)
            }

            #[inline(always)]
            fn exp2i(self) -> Self {
                // Adding 2^mantissa + bias leaves the biased exponent in the low bits.
                let biased = self.0 + $raw::splat(((1u64 << $mantissa) + $bias) as $scalar);
                $vector(bytemuck::cast(bytemuck::cast::<_, $integer>(biased) << $mantissa))
            }

            #[inline(always)]
            fn zip(self, other: Self) -> (Self, Self) {
                let (x, y) = (self.0.to_array(), other.0.to_array());
                let lane = |i: usize| if i % 2 == 0 { x[i / 2] } else { y[i / 2] };
                let half = |start: usize| core::array::from_fn(|i| lane(start + i));
                ($vector($raw::new(half(0))), $vector($raw::new(half($lanes))))
            }

            #[inline(always)]
            fn exponent(self) -> Self {
                // The biased exponent in the low bits of 2^mantissa.
                let shift = $raw::splat((1u64 << $mantissa) as $scalar);
                let biased: $raw =
                    bytemuck::cast(bytemuck::cast::<_, $integer>(self.0) >> $mantissa);
                $vector((biased | shift) - $raw::splat(((1u64 << $mantissa) + $bias) as $scalar))
            }

            #[inline(always)]
            fn select_gt(a: Self, b: Self, yes: Self, no: Self) -> Self {
                $vector(a.0.simd_gt(b.0).select(yes.0, no.0))
            }
        }
    };
}

vector! { F32x4(f32x4, u32x4) of f32, 4 lanes, mantissa 23, bias 127 }
vector! { F64x2(f64x2, u64x2) of f64, 2 lanes, mantissa 52, bias 1023 }
