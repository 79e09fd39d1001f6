//! What the tests of several files share: numbers of every kind, and plain scalars that speak the
//! vocabulary of `Vector`.
#![allow(dead_code, reason = "each test file uses a part")]

use kernels::Float;

/// `len` numbers spread over (-1, 1), the same on every run (splitmix64).
pub(crate) fn noise<T: Float>(seed: u64, len: usize) -> Vec<T> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        T::from_f64((bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
    };
    (0..len).map(next).collect()
}

/// Every kind of number there is, in both signs, and the neighbours of some.
pub(crate) fn specials<T: Scalar>() -> Vec<T> {
    let half = T::from_f64(0.5);
    let tiny = T::from_bits(1);
    let positive = [
        T::ZERO,
        tiny,
        T::MIN_POSITIVE - tiny,
        T::MIN_POSITIVE,
        T::FLUSH_MIN * (T::ONE - T::EPSILON * half),
        T::FLUSH_MIN,
        T::EPSILON,
        half,
        T::ONE - T::EPSILON * half,
        T::ONE,
        T::ONE + T::EPSILON,
        T::from_f64(1.5),
        T::from_f64(2.5),
        T::from_f64(1e5) / T::from_f64(3.0),
        T::MAX,
        T::INFINITY,
        T::NAN,
    ];
    positive.into_iter().flat_map(|x| [x, -x]).collect()
}

/// The same bits, or both NaN: which NaN an operation returns is up to the CPU.
pub(crate) fn same<T: Scalar>(a: T, b: T) -> bool {
    a.bits() == b.bits() || a.is_nan() && b.is_nan()
}

/// The methods of `Vector`, one lane wide, and what it takes to make and inspect numbers.
pub(crate) trait Scalar: Float {
    /// The smallest normal number.
    const MIN_POSITIVE: Self;
    /// The largest finite number.
    const MAX: Self;

    fn from_bits(bits: u64) -> Self;
    fn bits(self) -> u64;
    fn is_nan(self) -> bool;

    fn mul_add(self, a: Self, b: Self) -> Self;
    fn abs(self) -> Self;
    fn flush(self) -> Self {
        self.flush_with(self)
    }

    fn flush_with(self, x: Self) -> Self {
        if x.abs() < Self::FLUSH_MIN { Self::ZERO } else { self }
    }
    fn copysign(self, sign: Self) -> Self;
    fn sqrt(self) -> Self;
    fn round(self) -> Self;

    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }

    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    fn select_gt(a: Self, b: Self, yes: Self, no: Self) -> Self {
        if a > b { yes } else { no }
    }
}

macro_rules! scalar {
    ($scalar:ident, $bits:ident) => {
        impl Scalar for $scalar {
            const MIN_POSITIVE: Self = $scalar::MIN_POSITIVE;
            const MAX: Self = $scalar::MAX;

            fn from_bits(bits: u64) -> Self {
                $scalar::from_bits(bits as $bits)
            }

            fn bits(self) -> u64 {
                self.to_bits().into()
            }

            fn is_nan(self) -> bool {
                $scalar::is_nan(self)
            }

            fn mul_add(self, a: Self, b: Self) -> Self {
                $scalar::mul_add(self, a, b)
            }

            fn abs(self) -> Self {
                $scalar::abs(self)
            }

            fn copysign(self, sign: Self) -> Self {
                $scalar::copysign(self, sign)
            }

            fn sqrt(self) -> Self {
                $scalar::sqrt(self)
            }

            fn round(self) -> Self {
                $scalar::round_ties_even(self)
            }
        }
    };
}

scalar! { f32, u32 }
scalar! { f64, u64 }
