//! x86-64 with AVX2 and FMA: 256-bit vectors, 16 registers.
//!
//! An [`Avx2`] comes only from [`Avx2::detect`], and a vector only from an [`Avx2`]. Whoever holds
//! either runs on a CPU with these instructions: that is the safety argument of this file.

use core::arch::x86_64::*;
use core::ops::Neg;

use super::lanewise::{has, operators};
use super::{Float, Kernel, Simd, Vector};

/// Proof that the CPU has AVX2 and FMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// The proof, if this CPU gives it.
    pub fn detect() -> Option<Self> {
        has!("avx2", "fma").then_some(Avx2(()))
    }
}

impl Simd for Avx2 {
    type F32 = F32x8;
    type F64 = F64x4;
    type Half = Avx2;
    const REGISTERS: usize = 16;
    const UNROLLS: bool = true;

    #[inline]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // The features of `detect`, and no others.
        #[target_feature(enable = "avx2,fma")]
        fn run<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // Beside `target_feature` rustc 1.95 drops `inline(never)`; nothing with other features is
        // inlined here.
        #[inline(never)]
        fn apart<K: Kernel>(simd: Avx2, kernel: K) -> K::Output {
            // SAFETY: `simd` proves the features.
            unsafe { run(simd, kernel) }
        }
        apart(self, kernel)
    }

    #[inline(always)]
    fn half(self) -> Avx2 {
        self
    }

    #[inline(always)]
    fn prefetch<T>(self, xs: &[T], at: usize) {
        // SAFETY: a hint; it faults at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(xs.as_ptr().wrapping_add(at).cast()) }
    }
}

/// Methods of one register to one register, with bodies compiled for AVX2 and FMA.
macro_rules! lanewise {
    ($vector:ident($raw:ty): $(fn $name:ident($a:ident $(, $arg:ident)*) $body:block)*) => {$(
        #[inline(always)]
        fn $name(self $(, $arg: Self)*) -> Self {
            #[inline]
            #[target_feature(enable = "avx2,fma")]
            fn inner($a: $raw $(, $arg: $raw)*) -> $raw $body
            // SAFETY: `self` exists, so the CPU has the features.
            $vector(unsafe { inner(self.0 $(, $arg.0)*) })
        }
    )*};
}

/// The sign bit in the first `len` lanes of eight.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn first_32(len: usize) -> __m256i {
    _mm256_cmpgt_epi32(_mm256_set1_epi32(len as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
}

/// The sign bit in the first `len` lanes of four.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn first_64(len: usize) -> __m256i {
    _mm256_cmpgt_epi64(_mm256_set1_epi64x(len as i64), _mm256_setr_epi64x(0, 1, 2, 3))
}

/// Stores the first lanes, fewer than eight, in pieces: AMD's CPUs take a masked store apart, which
/// occupies them for twelve cycles and more.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn store_first_32(lanes: __m256, to: &mut [f32]) {
    let (four, to) = to.split_at_mut(to.len() & 4);
    let (two, one) = to.split_at_mut(to.len() & 2);
    let mut rest = _mm256_castps256_ps128(lanes);
    if let Some(four) = four.first_chunk_mut::<4>() {
        // SAFETY: room for four floats.
        unsafe { _mm_storeu_ps(four.as_mut_ptr(), rest) };
        rest = _mm256_extractf128_ps::<1>(lanes);
    }
    if let Some(two) = two.first_chunk_mut::<2>() {
        // SAFETY: room for the eight bytes that are stored, at any address.
        unsafe { _mm_storel_epi64(two.as_mut_ptr().cast(), _mm_castps_si128(rest)) };
        rest = _mm_movehl_ps(rest, rest);
    }
    if let [one, ..] = one {
        *one = _mm_cvtss_f32(rest);
    }
}

/// Stores the first lanes, fewer than four, in pieces.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn store_first_64(lanes: __m256d, to: &mut [f64]) {
    let (two, one) = to.split_at_mut(to.len() & 2);
    let mut rest = _mm256_castpd256_pd128(lanes);
    if let Some(two) = two.first_chunk_mut::<2>() {
        // SAFETY: room for two floats.
        unsafe { _mm_storeu_pd(two.as_mut_ptr(), rest) };
        rest = _mm256_extractf128_pd::<1>(lanes);
    }
    if let [one, ..] = one {
        *one = _mm_cvtsd_f64(rest);
    }
}

/// Eight `f32`.
#[derive(Clone, Copy, Debug)]
pub struct F32x8(__m256);

operators! { F32x8: Add add plus, Sub sub minus, Mul mul times, Div div over }

impl Neg for F32x8 {
    type Output = Self;

    lanewise! { F32x8(__m256):
        fn neg(x) { _mm256_xor_ps(x, _mm256_set1_ps(-0.0)) }
    }
}

impl F32x8 {
    lanewise! { F32x8(__m256):
        fn zip_low(x, y) {
            let (even, odd) = (_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
            _mm256_permute2f128_ps::<0x20>(even, odd)
        }
        fn zip_high(x, y) {
            let (even, odd) = (_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
            _mm256_permute2f128_ps::<0x31>(even, odd)
        }
        fn plus(x, y) { _mm256_add_ps(x, y) }
        fn minus(x, y) { _mm256_sub_ps(x, y) }
        fn times(x, y) { _mm256_mul_ps(x, y) }
        fn over(x, y) { _mm256_div_ps(x, y) }
        fn blend_gt(a, b, yes, no) { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) }
    }
}

impl Vector<Avx2> for F32x8 {
    type Scalar = f32;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(_: Avx2, x: f32) -> Self {
        // SAFETY: the token proves the features.
        F32x8(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    fn load(_: Avx2, xs: &[f32]) -> Self {
        match xs.first_chunk::<8>() {
            // SAFETY: eight floats to read, and the token proves the features.
            Some(lanes) => F32x8(unsafe { _mm256_loadu_ps(lanes.as_ptr()) }),
            // SAFETY: reads the lanes of the mask, which `xs` has.
            None => F32x8(unsafe { _mm256_maskload_ps(xs.as_ptr(), first_32(xs.len())) }),
        }
    }

    #[inline(always)]
    fn store(self, xs: &mut [f32]) {
        match xs.first_chunk_mut::<8>() {
            // SAFETY: room for eight floats, and `self` proves the features.
            Some(lanes) => unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), self.0) },
            // SAFETY: `self` proves the features.
            None => unsafe { store_first_32(self.0, xs) },
        }
    }

    lanewise! { F32x8(__m256):
        fn mul_add(x, a, b) { _mm256_fmadd_ps(x, a, b) }
        fn min(x, other) { _mm256_min_ps(x, other) }
        fn max(x, other) { _mm256_max_ps(x, other) }
        fn abs(x) { _mm256_andnot_ps(_mm256_set1_ps(-0.0), x) }
        fn flush_with(itself, x) {
            let magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0), x);
            let least = _mm256_set1_ps(f32::FLUSH_MIN);
            _mm256_andnot_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(magnitude, least), itself)
        }
        fn copysign(x, sign) {
            let bit = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_andnot_ps(bit, x), _mm256_and_ps(bit, sign))
        }
        fn sqrt(x) { _mm256_sqrt_ps(x) }
        fn round(x) { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
        fn exp2i(n) {
            // Adding 2^23 + bias leaves the biased exponent in the low bits.
            let biased = _mm256_add_ps(n, _mm256_set1_ps(8_388_608.0 + 127.0));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(biased)))
        }
        fn exponent(x) {
            // The biased exponent in the low bits of 2^23.
            let shift = _mm256_set1_ps(8_388_608.0);
            let biased = _mm256_srli_epi32::<23>(_mm256_castps_si256(x));
            let biased = _mm256_or_ps(_mm256_castsi256_ps(biased), shift);
            _mm256_sub_ps(biased, _mm256_set1_ps(8_388_608.0 + 127.0))
        }
    }

    #[inline(always)]
    fn lookup(self, _: Avx2, table: &[f32; 8]) -> Self {
        #[inline]
        #[target_feature(enable = "avx2,fma")]
        fn inner(x: __m256, table: &[f32; 8]) -> __m256 {
            // SAFETY: eight floats to read.
            let table = unsafe { _mm256_loadu_ps(table.as_ptr()) };
            // Of an index three bits count.
            _mm256_permutevar8x32_ps(table, _mm256_srli_epi32::<22>(_mm256_castps_si256(x)))
        }
        // SAFETY: the token proves the features.
        F32x8(unsafe { inner(self.0, table) })
    }

    #[inline(always)]
    fn zip(self, other: Self) -> (Self, Self) {
        (self.zip_low(other), self.zip_high(other))
    }

    #[inline(always)]
    fn select_gt(a: Self, b: Self, yes: Self, no: Self) -> Self {
        a.blend_gt(b, yes, no)
    }
}

/// Four `f64`.
#[derive(Clone, Copy, Debug)]
pub struct F64x4(__m256d);

operators! { F64x4: Add add plus, Sub sub minus, Mul mul times, Div div over }

impl Neg for F64x4 {
    type Output = Self;

    lanewise! { F64x4(__m256d):
        fn neg(x) { _mm256_xor_pd(x, _mm256_set1_pd(-0.0)) }
    }
}

impl F64x4 {
    lanewise! { F64x4(__m256d):
        fn zip_low(x, y) {
            let (even, odd) = (_mm256_unpacklo_pd(x, y), _mm256_unpackhi_pd(x, y));
            _mm256_permute2f128_pd::<0x20>(even, odd)
        }
        fn zip_high(x, y) {
            let (even, odd) = (_mm256_unpacklo_pd(x, y), _mm256_unpackhi_pd(x, y));
            _mm256_permute2f128_pd::<0x31>(even, odd)
        }
        fn plus(x, y) { _mm256_add_pd(x, y) }
        fn minus(x, y) { _mm256_sub_pd(x, y) }
        fn times(x, y) { _mm256_mul_pd(x, y) }
        fn over(x, y) { _mm256_div_pd(x, y) }
        fn blend_gt(a, b, yes, no) { _mm256_blendv_pd(no, yes, _mm256_cmp_pd::<_CMP_GT_OQ>(a, b)) }
    }
}

impl Vector<Avx2> for F64x4 {
    type Scalar = f64;
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(_: Avx2, x: f64) -> Self {
        // SAFETY: the token proves the features.
        F64x4(unsafe { _mm256_set1_pd(x) })
    }

    #[inline(always)]
    fn load(_: Avx2, xs: &[f64]) -> Self {
        match xs.first_chunk::<4>() {
            // SAFETY: four floats to read, and the token proves the features.
            Some(lanes) => F64x4(unsafe { _mm256_loadu_pd(lanes.as_ptr()) }),
            // SAFETY: reads the lanes of the mask, which `xs` has.
            None => F64x4(unsafe { _mm256_maskload_pd(xs.as_ptr(), first_64(xs.len())) }),
        }
    }

    #[inline(always)]
    fn store(self, xs: &mut [f64]) {
        match xs.first_chunk_mut::<4>() {
            // SAFETY: room for four floats, and `self` proves the features.
            Some(lanes) => unsafe { _mm256_storeu_pd(lanes.as_mut_ptr(), self.0) },
            // SAFETY: `self` proves the features.
            None => unsafe { store_first_64(self.0, xs) },
        }
    }

    lanewise! { F64x4(__m256d):
        fn mul_add(x, a, b) { _mm256_fmadd_pd(x, a, b) }
        fn min(x, other) { _mm256_min_pd(x, other) }
        fn max(x, other) { _mm256_max_pd(x, other) }
        fn abs(x) { _mm256_andnot_pd(_mm256_set1_pd(-0.0), x) }
        fn flush_with(itself, x) {
            let magnitude = _mm256_andnot_pd(_mm256_set1_pd(-0.0), x);
            let least = _mm256_set1_pd(f64::FLUSH_MIN);
            _mm256_andnot_pd(_mm256_cmp_pd::<_CMP_LT_OQ>(magnitude, least), itself)
        }
        fn copysign(x, sign) {
            let bit = _mm256_set1_pd(-0.0);
            _mm256_or_pd(_mm256_andnot_pd(bit, x), _mm256_and_pd(bit, sign))
        }
        fn sqrt(x) { _mm256_sqrt_pd(x) }
        fn round(x) { _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
        fn exp2i(n) {
            // Adding 2^52 + bias leaves the biased exponent in the low bits.
            let biased = _mm256_add_pd(n, _mm256_set1_pd(4_503_599_627_370_496.0 + 1023.0));
            _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_castpd_si256(biased)))
        }
        fn exponent(x) {
            // The biased exponent in the low bits of 2^52.
            let shift = _mm256_set1_pd(4_503_599_627_370_496.0);
            let biased = _mm256_srli_epi64::<52>(_mm256_castpd_si256(x));
            let biased = _mm256_or_pd(_mm256_castsi256_pd(biased), shift);
            _mm256_sub_pd(biased, _mm256_set1_pd(4_503_599_627_370_496.0 + 1023.0))
        }
    }

    #[inline(always)]
    fn zip(self, other: Self) -> (Self, Self) {
        (self.zip_low(other), self.zip_high(other))
    }

    #[inline(always)]
    fn select_gt(a: Self, b: Self, yes: Self, no: Self) -> Self {
        a.blend_gt(b, yes, no)
    }
}
