//! x86-64 with AVX-512 F and DQ: 512-bit vectors, 32 registers.
//!
//! The safety argument is that of `avx2.rs`: tokens come from [`Avx512::detect`] alone.

use core::arch::x86_64::*;
use core::ops::Neg;

use super::lanewise::{has, operators};
use super::{Avx2, Kernel, Simd, Vector};

/// Proof that the CPU has AVX-512 F and DQ, and AVX2 beside them, as all do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx512(Avx2);

impl Avx512 {
    /// The proof, if this CPU gives it.
    pub fn detect() -> Option<Self> {
        Avx2::detect().filter(|_| has!("avx512f", "avx512dq")).map(Avx512)
    }
}

impl Simd for Avx512 {
    type F32 = F32x16;
    type F64 = F64x8;
    type Half = Avx2;
    const REGISTERS: usize = 32;
    const UNROLLS: bool = false;

    #[inline]
    fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // The features of `detect`, and no others.
        #[target_feature(enable = "avx512f,avx512dq")]
        fn run<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // Beside `target_feature` rustc 1.95 drops `inline(never)`; nothing with other features is
        // inlined here.
        #[inline(never)]
        fn apart<K: Kernel>(simd: Avx512, kernel: K) -> K::Output {
            // SAFETY: `simd` proves the features.
            unsafe { run(simd, kernel) }
        }
        apart(self, kernel)
    }

    #[inline(always)]
    fn half(self) -> Avx2 {
        self.0
    }

    #[inline(always)]
    fn prefetch<T>(self, xs: &[T], at: usize) {
        // SAFETY: a hint; it faults at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(xs.as_ptr().wrapping_add(at).cast()) }
    }
}

/// Methods of one register to one register, with bodies compiled for AVX-512.
macro_rules! lanewise {
    ($vector:ident($raw:ty): $(fn $name:ident($a:ident $(, $arg:ident)*) $body:block)*) => {$(
        #[inline(always)]
        fn $name(self $(, $arg: Self)*) -> Self {
            #[inline]
            #[target_feature(enable = "avx512f,avx512dq")]
            fn inner($a: $raw $(, $arg: $raw)*) -> $raw $body
            // SAFETY: `self` exists, so the CPU has the features.
            $vector(unsafe { inner(self.0 $(, $arg.0)*) })
        }
    )*};
}

/// Sixteen `f32`.
#[derive(Clone, Copy, Debug)]
pub struct F32x16(__m512);

operators! { F32x16: Add add plus, Sub sub minus, Mul mul times, Div div over }

impl Neg for F32x16 {
    type Output = Self;

    lanewise! { F32x16(__m512):
        fn neg(x) { _mm512_xor_ps(x, _mm512_set1_ps(-0.0)) }
    }
}

impl F32x16 {
    lanewise! { F32x16(__m512):
        fn zip_low(x, y) {
            let lanes = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            _mm512_permutex2var_ps(x, lanes, y)
        }
        fn zip_high(x, y) {
            let lanes = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            _mm512_permutex2var_ps(x, lanes, y)
        }
        fn plus(x, y) { _mm512_add_ps(x, y) }
        fn minus(x, y) { _mm512_sub_ps(x, y) }
        fn times(x, y) { _mm512_mul_ps(x, y) }
        fn over(x, y) { _mm512_div_ps(x, y) }
        fn blend_gt(a, b, yes, no) {
            _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), no, yes)
        }
    }
}

impl Vector<Avx512> for F32x16 {
    type Scalar = f32;
    const LANES: usize = 16;

    #[inline(always)]
    fn splat(_: Avx512, x: f32) -> Self {
        // SAFETY: the token proves the features.
        F32x16(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    fn load(_: Avx512, xs: &[f32]) -> Self {
        match xs.first_chunk::<16>() {
            // SAFETY: sixteen floats to read, and the token proves the features.
            Some(lanes) => F32x16(unsafe { _mm512_loadu_ps(lanes.as_ptr()) }),
            None => {
                let within = (1u16 << xs.len()) - 1;
                // SAFETY: reads the lanes of the mask, which `xs` has.
                F32x16(unsafe { _mm512_maskz_loadu_ps(within, xs.as_ptr()) })
            }
        }
    }

    #[inline(always)]
    fn store(self, xs: &mut [f32]) {
        match xs.first_chunk_mut::<16>() {
            // SAFETY: room for sixteen floats, and `self` proves the features.
            Some(lanes) => unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), self.0) },
            None => {
                let within = (1u16 << xs.len()) - 1;
                // SAFETY: writes the lanes of the mask, which `xs` has.
                unsafe { _mm512_mask_storeu_ps(xs.as_mut_ptr(), within, self.0) }
            }
        }
    }

    lanewise! { F32x16(__m512):
        fn mul_add(x, a, b) { _mm512_fmadd_ps(x, a, b) }
        fn min(x, other) { _mm512_min_ps(x, other) }
        fn max(x, other) { _mm512_max_ps(x, other) }
        fn abs(x) { _mm512_abs_ps(x) }
        fn flush_with(itself, x) {
            // The biased exponent is 32 or more: one of its bits above the lowest five is set.
            let large = _mm512_test_epi32_mask(_mm512_castps_si512(x), _mm512_set1_epi32(0x7000_0000));
            _mm512_maskz_mov_ps(large, itself)
        }
        fn copysign(x, sign) {
            let bit = _mm512_set1_ps(-0.0);
            _mm512_or_ps(_mm512_andnot_ps(bit, x), _mm512_and_ps(bit, sign))
        }
        fn sqrt(x) { _mm512_sqrt_ps(x) }
        fn round(x) {
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x)
        }
        fn exp2i(n) {
            // Adding 2^23 + bias leaves the biased exponent in the low bits.
            let biased = _mm512_add_ps(n, _mm512_set1_ps(8_388_608.0 + 127.0));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(biased)))
        }
        fn exponent(x) { _mm512_getexp_ps(x) }
    }

    #[inline(always)]
    fn lookup(self, _: Avx512, table: &[f32; 8]) -> Self {
        #[inline]
        #[target_feature(enable = "avx512f,avx512dq")]
        fn inner(x: __m512, table: &[f32; 8]) -> __m512 {
            // SAFETY: eight floats to read.
            let table = unsafe { _mm256_loadu_ps(table.as_ptr()) };
            // Of an index four bits count: the table twice.
            let lanes = _mm512_srli_epi32::<22>(_mm512_castps_si512(x));
            _mm512_permutexvar_ps(lanes, _mm512_broadcast_f32x8(table))
        }
        // SAFETY: the token proves the features.
        F32x16(unsafe { inner(self.0, table) })
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

/// Eight `f64`.
#[derive(Clone, Copy, Debug)]
pub struct F64x8(__m512d);

operators! { F64x8: Add add plus, Sub sub minus, Mul mul times, Div div over }

impl Neg for F64x8 {
    type Output = Self;

    lanewise! { F64x8(__m512d):
        fn neg(x) { _mm512_xor_pd(x, _mm512_set1_pd(-0.0)) }
    }
}

impl F64x8 {
    lanewise! { F64x8(__m512d):
        fn zip_low(x, y) {
            let lanes = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
            _mm512_permutex2var_pd(x, lanes, y)
        }
        fn zip_high(x, y) {
            let lanes = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
            _mm512_permutex2var_pd(x, lanes, y)
        }
        fn plus(x, y) { _mm512_add_pd(x, y) }
        fn minus(x, y) { _mm512_sub_pd(x, y) }
        fn times(x, y) { _mm512_mul_pd(x, y) }
        fn over(x, y) { _mm512_div_pd(x, y) }
        fn blend_gt(a, b, yes, no) {
            _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b), no, yes)
        }
    }
}

impl Vector<Avx512> for F64x8 {
    type Scalar = f64;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(_: Avx512, x: f64) -> Self {
        // SAFETY: the token proves the features.
        F64x8(unsafe { _mm512_set1_pd(x) })
    }

    #[inline(always)]
    fn load(_: Avx512, xs: &[f64]) -> Self {
        match xs.first_chunk::<8>() {
            // SAFETY: eight floats to read, and the token proves the features.
            Some(lanes) => F64x8(unsafe { _mm512_loadu_pd(lanes.as_ptr()) }),
            None => {
                let within = (1u8 << xs.len()) - 1;
                // SAFETY: reads the lanes of the mask, which `xs` has.
                F64x8(unsafe { _mm512_maskz_loadu_pd(within, xs.as_ptr()) })
            }
        }
    }

    #[inline(always)]
    fn store(self, xs: &mut [f64]) {
        match xs.first_chunk_mut::<8>() {
            // SAFETY: room for eight floats, and `self` proves the features.
            Some(lanes) => unsafe { _mm512_storeu_pd(lanes.as_mut_ptr(), self.0) },
            None => {
                let within = (1u8 << xs.len()) - 1;
                // SAFETY: writes the lanes of the mask, which `xs` has.
                unsafe { _mm512_mask_storeu_pd(xs.as_mut_ptr(), within, self.0) }
            }
        }
    }

    lanewise! { F64x8(__m512d):
        fn mul_add(x, a, b) { _mm512_fmadd_pd(x, a, b) }
        fn min(x, other) { _mm512_min_pd(x, other) }
        fn max(x, other) { _mm512_max_pd(x, other) }
        fn abs(x) { _mm512_abs_pd(x) }
        fn flush_with(itself, x) {
            // The biased exponent is 32 or more: one of its bits above the lowest five is set.
            let large = _mm512_test_epi64_mask(_mm512_castpd_si512(x), _mm512_set1_epi64(0x7e00_0000_0000_0000));
            _mm512_maskz_mov_pd(large, itself)
        }
        fn copysign(x, sign) {
            let bit = _mm512_set1_pd(-0.0);
            _mm512_or_pd(_mm512_andnot_pd(bit, x), _mm512_and_pd(bit, sign))
        }
        fn sqrt(x) { _mm512_sqrt_pd(x) }
        fn round(x) {
            _mm512_roundscale_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x)
        }
        fn exp2i(n) {
            // Adding 2^52 + bias leaves the biased exponent in the low bits.
            let biased = _mm512_add_pd(n, _mm512_set1_pd(4_503_599_627_370_496.0 + 1023.0));
            _mm512_castsi512_pd(_mm512_slli_epi64::<52>(_mm512_castpd_si512(biased)))
        }
        fn exponent(x) { _mm512_getexp_pd(x) }
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
