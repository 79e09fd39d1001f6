//! Vectors side by side, as one longer vector.
//!
//! A long chain of operations on one vector leaves most of a core waiting: each operation takes
//! four cycles and two could start in every one. A bundle runs as many chains as it has vectors at
//! the same time, and loads each constant once for all.

use core::ops::{Add, Div, Mul, Neg, Sub};

use super::{Float, Vector};

/// `N` vectors as one, with as many lanes as they have together.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<V, const N: usize>(pub [V; N]);

impl<V: Copy, const N: usize> Bundle<V, N> {
    #[inline(always)]
    fn map(mut self, f: impl Fn(V) -> V) -> Self {
        for a in &mut self.0 {
            *a = f(*a);
        }
        self
    }

    #[inline(always)]
    fn map2(mut self, other: Self, f: impl Fn(V, V) -> V) -> Self {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a = f(*a, b);
        }
        self
    }

    #[inline(always)]
    fn map3(mut self, b: Self, c: Self, f: impl Fn(V, V, V) -> V) -> Self {
        for ((a, b), c) in self.0.iter_mut().zip(b.0).zip(c.0) {
            *a = f(*a, b, c);
        }
        self
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident),*) => {$(
        impl<V: Copy + $trait<Output = V>, const N: usize> $trait for Bundle<V, N> {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                self.map2(other, |a, b| a.$method(b))
            }
        }
    )*};
}

operators! { Add add, Sub sub, Mul mul, Div div }

impl<V: Copy + Neg<Output = V>, const N: usize> Neg for Bundle<V, N> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        self.map(|a| -a)
    }
}

impl<S: Copy, V: Vector<S>, const N: usize> Vector<S> for Bundle<V, N> {
    type Scalar = V::Scalar;
    const LANES: usize = N * V::LANES;

    #[inline(always)]
    fn splat(simd: S, x: V::Scalar) -> Self {
        Bundle([V::splat(simd, x); N])
    }

    #[inline(always)]
    fn load(simd: S, xs: &[V::Scalar]) -> Self {
        let mut loaded = Self::splat(simd, V::Scalar::ZERO);
        for (i, a) in loaded.0.iter_mut().enumerate() {
            *a = V::load(simd, &xs[xs.len().min(i * V::LANES)..]);
        }
        loaded
    }

    #[inline(always)]
    fn store(self, xs: &mut [V::Scalar]) {
        let len = xs.len();
        for (i, a) in self.0.into_iter().enumerate() {
            a.store(&mut xs[len.min(i * V::LANES)..]);
        }
    }

    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self.map3(a, b, V::mul_add)
    }

    #[inline(always)]
    fn minus_product(self, a: Self, b: Self) -> Self {
        self.map3(a, b, V::minus_product)
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.map2(other, V::min)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.map2(other, V::max)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.map(V::abs)
    }

    #[inline(always)]
    fn flush_with(self, x: Self) -> Self {
        self.map2(x, V::flush_with)
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        self.map2(sign, V::copysign)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(V::sqrt)
    }

    #[inline(always)]
    fn round(self) -> Self {
        self.map(V::round)
    }

    #[inline(always)]
    fn exp2i(self) -> Self {
        self.map(V::exp2i)
    }

    #[inline(always)]
    fn exponent(self) -> Self {
        self.map(V::exponent)
    }

    #[inline(always)]
    fn lookup(self, simd: S, table: &[V::Scalar; 8]) -> Self {
        self.map(|a| a.lookup(simd, table))
    }

    #[inline(always)]
    fn select_gt(a: Self, b: Self, mut yes: Self, no: Self) -> Self {
        for ((yes, no), (a, b)) in yes.0.iter_mut().zip(no.0).zip(a.0.into_iter().zip(b.0)) {
            *yes = V::select_gt(a, b, *yes, no);
        }
        yes
    }

    #[inline(always)]
    fn zip(self, other: Self) -> (Self, Self) {
        let (mut low, mut high) = (self, self);
        for (i, (a, b)) in self.0.into_iter().zip(other.0).enumerate() {
            let (first, second) = V::zip(a, b);
            for (at, zipped) in [(2 * i, first), (2 * i + 1, second)] {
                let half = if at < N { &mut low } else { &mut high };
                half.0[at % N] = zipped;
            }
        }
        (low, high)
    }

    #[inline(always)]
    fn sum(self) -> V::Scalar {
        let mut sum = self.0[0];
        for &a in &self.0[1..] {
            sum = sum + a;
        }
        sum.sum()
    }
}
