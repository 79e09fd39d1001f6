//! The BLAS libraries of the system, opened at run time: `OPENBLAS` and `BLIS` name other files,
//! which must take 32-bit sizes.
//!
//! Their threads wait for work by spinning, on the cores of whoever is next, unless
//! `OMP_WAIT_POLICY=passive` and `OPENBLAS_THREAD_TIMEOUT=4` are set.

#![allow(unsafe_code, reason = "a C interface behind dlopen")]

use std::env;
use std::hint::black_box;
use std::sync::OnceLock;

use libloading::Library;

use super::{Job, Peer, Run};

/// `CblasRowMajor`, `CblasNoTrans`, `CblasTrans`
const ROW_MAJOR: i32 = 101;
const PLAIN: i32 = 111;
const TRANSPOSED: i32 = 112;

/// `cblas_?gemm` with 32-bit sizes.
type Gemm<T> = unsafe extern "C" fn(
    i32,
    i32,
    i32,
    i32,
    i32,
    i32,
    T,
    *const T,
    i32,
    *const T,
    i32,
    T,
    *mut T,
    i32,
);

/// How many threads a library may use, by the type of that number.
enum SetThreads {
    Int(unsafe extern "C" fn(i32)),
    Long(unsafe extern "C" fn(i64)),
}

/// A library that is there.
struct Blas {
    sgemm: Gemm<f32>,
    dgemm: Gemm<f64>,
    set_threads: SetThreads,
    /// What they are loaded from: never closed.
    _library: Library,
}

impl Blas {
    fn set_threads(&self, threads: usize) {
        // SAFETY: any number of threads will do.
        unsafe {
            match self.set_threads {
                SetThreads::Int(set) => set(threads as i32),
                SetThreads::Long(set) => set(threads as i64),
            }
        }
    }
}

/// Opens a library by the name in an environment variable, else by that of its file.
fn open(
    variable: &str,
    file: &str,
    set_threads: fn(&Library) -> Option<SetThreads>,
) -> Option<Blas> {
    let name = env::var_os(variable).unwrap_or_else(|| file.into());
    // SAFETY: its initializers run, as they do in every program that links it.
    let library = unsafe { Library::new(name) }.ok()?;
    // SAFETY: the functions are declared as in cblas.h.
    let (sgemm, dgemm) =
        unsafe { (find(&library, "cblas_sgemm")?, find(&library, "cblas_dgemm")?) };
    Some(Blas { sgemm, dgemm, set_threads: set_threads(&library)?, _library: library })
}

/// A function of the library. The wheels of SciPy put their name before it.
///
/// # Safety
///
/// `F` is its type.
unsafe fn find<F: Copy>(library: &Library, name: &str) -> Option<F> {
    // SAFETY: the caller's promise.
    let get = |name: &str| unsafe { library.get(name.as_bytes()).ok().map(|function| *function) };
    get(name).or_else(|| get(&format!("scipy_{name}")))
}

fn openblas() -> Option<&'static Blas> {
    static OPENED: OnceLock<Option<Blas>> = OnceLock::new();
    let open = || {
        open("OPENBLAS", "libopenblas.so.0", |library| {
            // SAFETY: declared as in cblas.h.
            unsafe { find(library, "openblas_set_num_threads") }.map(SetThreads::Int)
        })
    };
    OPENED.get_or_init(open).as_ref()
}

fn blis() -> Option<&'static Blas> {
    static OPENED: OnceLock<Option<Blas>> = OnceLock::new();
    let open = || {
        open("BLIS", "libblis.so.4", |library| {
            // SAFETY: declared as in blis.h.
            unsafe { find(library, "bli_thread_set_num_threads") }.map(SetThreads::Long)
        })
    };
    OPENED.get_or_init(open).as_ref()
}

macro_rules! peers {
    ($scalar:ident, $gemm:ident) => {
        pub(super) fn $scalar() -> Vec<Peer<$scalar>> {
            fn ready<'a>(blas: &'static Blas, job: Job<'a, $scalar>) -> Run<'a, $scalar> {
                let Job { product, a, b, threads } = job;
                let [m, n, k] = [product.m, product.n, product.k].map(|size| size as i32);
                let layout = |transposed, rows, cols| match transposed {
                    false => (PLAIN, cols),
                    true => (TRANSPOSED, rows),
                };
                let (trans_a, lda) = layout(product.a_transposed, m, k);
                let (trans_b, ldb) = layout(product.b_transposed, k, n);
                blas.set_threads(threads);
                Box::new(move |c| {
                    let sizes = (product.m * product.k, product.k * product.n);
                    assert_eq!((a.len(), b.len()), sizes, "sizes");
                    assert_eq!(c.len(), product.m * product.n, "sizes");
                    let (a, b, c) = (black_box(a), black_box(b), black_box(c));
                    // SAFETY: by the assertions the leading dimensions stay within the slices, and
                    // C is borrowed for writing, so it does not overlap with A or B.
                    unsafe {
                        (blas.$gemm)(
                            ROW_MAJOR,
                            trans_a,
                            trans_b,
                            m,
                            n,
                            k,
                            1.0,
                            a.as_ptr(),
                            lda,
                            b.as_ptr(),
                            ldb,
                            0.0,
                            c.as_mut_ptr(),
                            n,
                        );
                    }
                })
            }

            let openblas = openblas().map(|_| Peer {
                name: "OpenBLAS",
                prepacked: false,
                ready: |job| Some(ready(openblas()?, job)),
            });
            let blis = blis().map(|_| Peer {
                name: "BLIS",
                prepacked: false,
                ready: |job| Some(ready(blis()?, job)),
            });
            openblas.into_iter().chain(blis).collect()
        }
    };
}

peers!(f32, sgemm);
peers!(f64, dgemm);
