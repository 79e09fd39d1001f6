//! What the backends share: padding a short slice, and operators from named operations.

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
        impl std::ops::$trait for $vector {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                self.$function(other)
            }
        }
    )*};
}
pub(super) use operators;
