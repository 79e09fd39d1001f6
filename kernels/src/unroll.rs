//! Loops over registers.

/// `body` for each `i` below `N ≤ 16`, one after another: an array that is indexed by the variable
/// of a loop lies in memory, unless the compiler unrolls the loop.
/// Said to be `at_most_six`, the compiler has less to throw away: it takes in every one of them.
macro_rules! written_out {
    ($i:ident < $N:ident, at_most_six $body:block) => {
        const { assert!($N <= 6) }
        written_out! { @ $i < $N $body 0 1 2 3 4 5 }
    };
    ($i:ident < $N:ident $body:block) => {
        written_out! { @ $i < $N $body 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 }
    };
    (@ $i:ident < $N:ident $body:block $($number:literal)*) => {$(
        if $number < $N {
            #[allow(non_upper_case_globals, reason = "the variable of a loop")]
            const $i: usize = $number;
            $body
        }
    )*};
}
pub(crate) use written_out;
