//! Which instructions to run: detected once, or forced by `KERNELS_ISA`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512};
use super::{Float, Kernel, Portable, Simd, V, Vector};

/// An instruction set that this CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// 512-bit vectors, 32 registers.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// 256-bit vectors, 16 registers.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// 128-bit vectors of whatever the build's target has.
    Portable(Portable),
}

impl Isa {
    /// Every instruction set of this CPU, best first. Tests and benches walk this list.
    pub fn available() -> Vec<Isa> {
        Isa::detected().collect()
    }

    fn detected() -> impl Iterator<Item = Isa> {
        let isas = [
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Isa::Avx512),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Isa::Avx2),
            Some(Isa::Portable(Portable)),
        ];
        isas.into_iter().flatten()
    }

    /// The first of [`available`](Isa::available).
    fn first() -> Isa {
        Isa::detected().next().unwrap_or(Isa::Portable(Portable))
    }

    /// The best instruction set of this CPU, or the one that the environment variable
    /// `KERNELS_ISA` names: `avx512`, `avx2` or `portable`. Decided at the first call.
    ///
    /// # Panics
    ///
    /// Where [`chosen`](Isa::chosen) has an error.
    #[inline]
    pub fn best() -> Isa {
        let choose = || Isa::chosen().unwrap_or_else(|error| panic!("KERNELS_ISA: {error}"));
        #[cfg(feature = "std")]
        {
            // Read at every product: cheaper than what was chosen, which may be an error.
            static BEST: std::sync::OnceLock<Isa> = std::sync::OnceLock::new();
            *BEST.get_or_init(choose)
        }
        #[cfg(not(feature = "std"))]
        choose()
    }

    /// What [`best`](Isa::best) takes, for programs that would rather not panic. An empty
    /// `KERNELS_ISA` is none, and without the feature `std` there is no environment.
    ///
    /// # Errors
    ///
    /// If `KERNELS_ISA` names an instruction set that does not exist or that this CPU lacks.
    pub fn chosen() -> Result<Isa, UnknownIsa> {
        #[cfg(feature = "std")]
        {
            static CHOSEN: std::sync::OnceLock<Result<Isa, UnknownIsa>> =
                std::sync::OnceLock::new();
            let choose = || match std::env::var_os("KERNELS_ISA") {
                Some(name) if !name.is_empty() => name.to_string_lossy().parse(),
                _ => Ok(Isa::first()),
            };
            CHOSEN.get_or_init(choose).clone()
        }
        #[cfg(not(feature = "std"))]
        Ok(Isa::first())
    }

    /// The name that `KERNELS_ISA` and [`str::parse`] understand.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => "avx2",
            Isa::Portable(_) => "portable",
        }
    }

    /// Lanes of a vector of `T`.
    pub fn lanes<T: Float>(self) -> usize {
        struct Lanes<T>(core::marker::PhantomData<T>);

        impl<T: Float> Kernel for Lanes<T> {
            type Output = usize;

            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> usize {
                V::<S, T>::LANES
            }
        }
        self.run(Lanes::<T>(core::marker::PhantomData))
    }

    /// The instruction set whose vectors are the narrowest that hold `len` elements, of those that compute the
    /// same bits: a CPU that takes a wide vector apart does half of the work in vain. Itself, where there is
    /// none.
    #[must_use]
    pub fn narrowed<T: Float>(self, len: usize) -> Isa {
        let holds = |isa: &Isa| isa.lanes::<T>() >= len;
        self.narrower().filter(holds).unwrap_or(self)
    }

    /// The next one with shorter vectors and the same bits.
    fn narrower(self) -> Option<Isa> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(_) => Avx2::detect().map(Isa::Avx2),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(_) => None,
            Isa::Portable(_) => None,
        }
    }

    /// Runs `kernel` on this instruction set: the one place where code is chosen by CPU.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512(simd) => simd.run(kernel),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2(simd) => simd.run(kernel),
            Isa::Portable(simd) => simd.run(kernel),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A name that is not one of [`Isa::available`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownIsa(String);

impl UnknownIsa {
    /// The name that was asked for.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnknownIsa {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "no instruction set `{}` on this CPU, which has", self.0)?;
        for (i, isa) in Isa::available().into_iter().enumerate() {
            write!(out, "{} {isa}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownIsa {}

impl FromStr for Isa {
    type Err = UnknownIsa;

    fn from_str(name: &str) -> Result<Isa, UnknownIsa> {
        let named = |isa: &Isa| isa.name() == name;
        Isa::available().into_iter().find(named).ok_or_else(|| UnknownIsa(name.to_owned()))
    }
}
