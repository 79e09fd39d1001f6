//! What the backends share: padding a short slice, operators from named operations, and whether the
//! CPU has features.

use super::Float;

/// `xs` followed by zeros. For slices shorter than a vector.
#[inline(always)]
pub(super) fn padded<T: Float, const LANES: usize>(xs: &[T]) -> [T; LANES] {
    let mut lanes = [T::ZERO; LANES];
    for (lane, &x) in lanes.iter_mut().zip(xs) {
        *lane = x;
    }
    lanes
}

/// The operator traits of `$vector`, from the methods of the same names in its `lanewise!` block.
macro_rules! operators {
    ($vector:ident: $($trait:ident $method:ident $function:ident),*) => {$(
        impl core::ops::$trait for $vector {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                self.$function(other)
            }
        }
    )*};
}
pub(super) use operators;

/// Whether this CPU has all of these features; without `std`, whether the build relies on them.
#[cfg(target_arch = "x86_64")]
macro_rules! has {
    ($($feature:tt),*) => {{
        #[cfg(feature = "std")]
        let has = $(std::is_x86_feature_detected!($feature))&&*;
        #[cfg(not(feature = "std"))]
        let has = cfg!(all($(target_feature = $feature),*));
        has
    }};
}
#[cfg(target_arch = "x86_64")]
pub(super) use has;
