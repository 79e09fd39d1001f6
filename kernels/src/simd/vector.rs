//! The vocabulary: everything a kernel may say, and nothing it does not need.

use core::fmt::Debug;
use core::ops::{Add, Div, Mul, Neg, Sub};

use super::Float;
use crate::unroll::written_out;

/// An instruction set. A value of this type proves that the CPU has it.
pub trait Simd: Copy + Debug + Send + Sync + 'static {
    /// The widest vector of `f32`.
    type F32: Vector<Self, Scalar = f32>;
    /// The widest vector of `f64`.
    type F64: Vector<Self, Scalar = f64>;

    /// An instruction set with vectors half as long and the same bits, for what would fill no more than half of a
    /// vector; this one, where there is none. Its vectors go on in functions for this one.
    type Half: Simd;

    /// Architectural vector registers: register tiles are chosen by this.
    const REGISTERS: usize;

    /// Whether a register tile adds up several terms between two jumps. Where its accumulators, or
    /// instructions that are not fused, leave no registers for that, it runs at three quarters or half of its speed.
    const UNROLLS: bool;

    /// Runs `kernel` in a function of its own, compiled for this instruction set.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;

    /// See [`Half`](Self::Half).
    fn half(self) -> Self::Half;

    /// Asks for the cache line of element `at` of `xs`, which may lie past its end.
    #[inline(always)]
    fn prefetch<T>(self, xs: &[T], at: usize) {
        let _ = (xs, at);
    }
}

/// A computation written once for every instruction set. Its fields are its arguments.
pub trait Kernel {
    /// What [`run`](Kernel::run) returns.
    type Output;

    /// Does the work. Mark it `#[inline(always)]`, and all that it calls in its loops.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The vector of scalar `T` on instruction set `S`.
pub type V<S, T> = <T as Float>::On<S>;

/// No vector of any instruction set has more lanes.
pub const MAX_LANES: usize = 16;

/// `LANES` scalars in one register. Operators work lane by lane.
pub trait Vector<S>:
    Copy
    + Debug
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// What a lane holds.
    type Scalar: Float;

    /// How many.
    const LANES: usize;

    /// `x` in every lane.
    fn splat(simd: S, x: Self::Scalar) -> Self;

    /// The first `LANES` elements of `xs`; zeros past its end.
    fn load(simd: S, xs: &[Self::Scalar]) -> Self;

    /// Writes the first `LANES` elements of `xs`; what lies past its end is dropped.
    fn store(self, xs: &mut [Self::Scalar]);

    /// `self * a + b`, rounded once where the instruction set can.
    fn mul_add(self, a: Self, b: Self) -> Self;

    /// `self - a * b`, which is near zero, without rounding the product on any instruction set:
    /// what a division has left over.
    #[inline(always)]
    fn minus_product(self, a: Self, b: Self) -> Self {
        (-a).mul_add(b, self)
    }

    /// The smaller; `other` where either is NaN.
    fn min(self, other: Self) -> Self;

    /// The larger; `other` where either is NaN.
    fn max(self, other: Self) -> Self;

    /// The magnitude.
    fn abs(self) -> Self;

    /// Itself; zero where the magnitude is below [`Float::FLUSH_MIN`].
    #[inline(always)]
    fn flush(self) -> Self {
        self.flush_with(self)
    }

    /// Itself; zero where the magnitude of `x` is below [`Float::FLUSH_MIN`].
    fn flush_with(self, x: Self) -> Self;

    /// The magnitude of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;

    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;

    /// The nearest integer, ties to even, for magnitudes below `2^22` (`f32`) or `2^51` (`f64`).
    fn round(self) -> Self;

    /// `2^self`, for integral lanes whose power is a normal number.
    fn exp2i(self) -> Self;

    /// `⌊log₂ self⌋`, for lanes that are positive normal numbers.
    fn exponent(self) -> Self;

    /// An element of `table` for each lane, a positive normal number: the first for [2, 3), the next for [3, 4), [4, 6),
    /// [6, 8) and so on, two to each power of two, around the table and around again in both directions.
    ///
    /// For all lanes at once where that is one instruction; else, as here, one after the other.
    #[inline(always)]
    fn lookup(self, simd: S, table: &[Self::Scalar; 8]) -> Self {
        let mut lanes = [Self::Scalar::ZERO; MAX_LANES];
        let lanes = &mut lanes[..Self::LANES];
        self.store(lanes);
        for lane in lanes.iter_mut() {
            *lane = table[lane.half_octave()];
        }
        Self::load(simd, lanes)
    }

    /// `yes` where `a > b`, else `no`; a NaN is greater than nothing.
    fn select_gt(a: Self, b: Self, yes: Self, no: Self) -> Self;

    /// The lanes of both in turn, `self₀ other₀ self₁ other₁ …`: the lower half of them, and the
    /// upper.
    fn zip(self, other: Self) -> (Self, Self);

    /// The transpose of a square matrix, row by row, with as many rows as there are lanes: in each
    /// of log₂ L rounds of a perfect shuffle, row i meets row i + L/2.
    ///
    /// # Panics
    ///
    /// If it is no square, or has more than 16 rows.
    #[inline(always)]
    fn transpose<const L: usize>(rows: [Self; L]) -> [Self; L] {
        assert!(L == Self::LANES && L <= 16, "a square");
        let rows = if L > 1 { shuffled(rows) } else { rows };
        let rows = if L > 2 { shuffled(rows) } else { rows };
        let rows = if L > 4 { shuffled(rows) } else { rows };
        if L > 8 { shuffled(rows) } else { rows }
    }

    /// The [`sum`](Vector::sum) of each of as many vectors as there are lanes, to the bit: in each of
    /// log₂ L rounds, two vectors become one, in which the upper halves of both are added to the lower.
    ///
    /// # Panics
    ///
    /// If there are not as many, or more than 16.
    #[inline(always)]
    fn sums<const L: usize>(rows: [Self; L]) -> Self {
        assert!(L == Self::LANES && L <= 16, "as many vectors as lanes");
        let rows = halved(rows, L / 2);
        let rows = if L > 2 { halved(rows, L / 4) } else { rows };
        let rows = if L > 4 { halved(rows, L / 8) } else { rows };
        let rows = if L > 8 { halved(rows, L / 16) } else { rows };
        rows[0]
    }

    /// The sum of all lanes: upper half added to lower half, until one is left.
    #[inline(always)]
    fn sum(self) -> Self::Scalar {
        let mut lanes = [Self::Scalar::ZERO; MAX_LANES];
        self.store(&mut lanes);
        let mut half = Self::LANES / 2;
        while half > 0 {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
            half /= 2;
        }
        lanes[0]
    }
}

/// A round of [`Vector::transpose`].
#[inline(always)]
fn shuffled<S, X: Vector<S>, const L: usize>(rows: [X; L]) -> [X; L] {
    let mut next = rows;
    written_out! { i < L {
        if i < L / 2 {
            (next[2 * i], next[2 * i + 1]) = rows[i].zip(rows[i + L / 2]);
        }
    } }
    next
}

/// A round of [`Vector::sums`], after which so many rows are left.
#[inline(always)]
fn halved<S, X: Vector<S>, const L: usize>(mut rows: [X; L], left: usize) -> [X; L] {
    written_out! { i < L {
        if i < left {
            let (lower, upper) = rows[i].zip(rows[i + left]);
            rows[i] = lower + upper;
        }
    } }
    rows
}
