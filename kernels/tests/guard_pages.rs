//! Nothing is touched beside an operand: each lies once at the end of its pages and once at their
//! start, and the pages about them cannot be read or written. A stray access is a `SIGSEGV`.
#![cfg(unix)]
#![allow(unsafe_code, reason = "memory is mapped by hand")]

#[path = "common/mod.rs"]
mod common;

use std::marker::PhantomData;
use std::{ptr, slice};

use kernels::activation::{
    Erf, Exp, Expm1, Log1p, Relu, ReluGrad, Sigmoid, SigmoidGrad, Softplus, SoftplusGrad, Tanh,
    TanhGrad,
};
use kernels::{Bias, Float, Gemm, Isa, MatMut, MatRef, Packed, Scratch};

use crate::common::{Scalar, noise};

/// The end of its pages at which a slice lies.
#[derive(Clone, Copy, Debug)]
enum Edge {
    Start,
    End,
}

const EDGES: [Edge; 2] = [Edge::Start, Edge::End];

/// Pages with room for some elements, between two pages that cannot be touched.
struct Pages<T> {
    /// The first of the three parts.
    map: *mut u8,
    page: usize,
    bytes: usize,
    scalar: PhantomData<T>,
}

impl<T: Scalar> Pages<T> {
    fn of(len: usize) -> Self {
        // SAFETY: a question.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
        let bytes = (len * size_of::<T>()).next_multiple_of(page);
        let (private, none) = (libc::MAP_PRIVATE | libc::MAP_ANON, libc::PROT_NONE);
        // SAFETY: a new mapping, wherever there is room; its middle is then opened.
        unsafe {
            let map = libc::mmap(ptr::null_mut(), bytes + 2 * page, none, private, -1, 0);
            assert!(map != libc::MAP_FAILED, "no memory");
            let middle = map.byte_add(page);
            assert_eq!(libc::mprotect(middle, bytes, libc::PROT_READ | libc::PROT_WRITE), 0);
            Pages { map: map.cast(), page, bytes, scalar: PhantomData }
        }
    }

    /// A copy of `xs` that begins where the pages begin, or ends where they end.
    fn put(&mut self, edge: Edge, xs: &[T]) -> &mut [T] {
        let free = self.bytes.checked_sub(size_of_val(xs)).expect("room for the slice");
        let before = match edge {
            Edge::Start => 0,
            Edge::End => free,
        };
        // SAFETY: within the middle, which is ours, zeros at first, and lent for as long as `self`;
        // pages and scalars are aligned alike, since their sizes are powers of two.
        let at = unsafe {
            slice::from_raw_parts_mut(self.map.add(self.page + before).cast::<T>(), xs.len())
        };
        at.copy_from_slice(xs);
        at
    }
}

impl<T> Drop for Pages<T> {
    fn drop(&mut self) {
        // SAFETY: mapped by `of`, with this length.
        unsafe { libc::munmap(self.map.cast(), self.bytes + 2 * self.page) };
    }
}

#[test]
fn the_pages_about_a_slice_cannot_be_touched() {
    /// Whether the system can read a byte there: it says so, where we would die.
    fn readable(address: *const u8) -> bool {
        let mut ends = [0; 2];
        // SAFETY: a pipe of our own; an address that cannot be read is an error of `write`.
        unsafe {
            assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
            let written = libc::write(ends[1], address.cast(), 1);
            let _ = ends.map(|end| libc::close(end));
            written == 1
        }
    }
    let mut pages = Pages::<f32>::of(5000);
    let xs = vec![1.0; 5000];
    let at = pages.put(Edge::End, &xs).as_ptr_range();
    assert!(readable(at.start.cast()) && !readable(at.end.cast()));
    let at = pages.put(Edge::Start, &xs).as_ptr_range();
    assert!(readable(at.start.cast()) && !readable(at.start.cast::<u8>().wrapping_sub(1)));
}

/// A matrix that ends with its last element: row-major, row-major with other elements between the
/// rows, column-major likewise, or with none next to another.
fn strides((rows, cols): (usize, usize), layout: usize) -> (usize, usize) {
    [(cols, 1), (cols + 3, 1), (1, rows), (1, rows + 2), (2 * cols + 1, 2)][layout]
}

/// Layouts of A, B and C.
const LAYOUTS: [[usize; 3]; 6] = [[0, 0, 0], [1, 1, 1], [2, 2, 2], [3, 1, 3], [0, 3, 1], [4, 4, 4]];

fn span((rows, cols): (usize, usize), (down, across): (usize, usize)) -> usize {
    if rows * cols == 0 { 0 } else { (rows - 1) * down + (cols - 1) * across + 1 }
}

/// `C = A B`, `C += A B`, with α and β, and with a bias, each operand as it lies or packed.
fn products<T: Float>(
    isa: Isa,
    (a, b, bias): (MatRef<T>, MatRef<T>, &[T]),
    mut c: impl FnMut(&mut dyn FnMut(MatMut<T>)),
) {
    let (left, right) = (Packed::left(isa, a), Packed::right(isa, b));
    for gemm in
        [Gemm::new(a, b), Gemm::new(&left, b), Gemm::new(a, &right), Gemm::new(&left, &right)]
    {
        let (gemm, half) = (gemm.isa(isa), T::from_f64(0.5));
        for gemm in [gemm, gemm.beta(T::ONE), gemm.alpha(half).beta(half)] {
            c(&mut |c| gemm.run(c, &mut Scratch::default()));
        }
        for beta in [T::ZERO, T::ONE] {
            let gemm = gemm.beta(beta).epilogue(Bias(bias));
            c(&mut |c| gemm.run(c, &mut Scratch::default()));
        }
    }
}

/// Products of these sizes, `(m, n, k)`, with every operand at each edge.
fn check_products<T: Scalar>(sizes: impl Iterator<Item = (usize, usize, usize)>) {
    let mut pages = [(); 4].map(|()| Pages::<T>::of(1 << 20));
    for (i, (m, n, k)) in sizes.enumerate() {
        let [a, b, c] = LAYOUTS[i % LAYOUTS.len()];
        let (a, b, c) = (strides((m, k), a), strides((k, n), b), strides((m, n), c));
        let elements = |seed, size, strides| noise::<T>(seed, span(size, strides));
        let (xs, ys) = (elements(1, (m, k), a), elements(2, (k, n), b));
        let (bias, old) = (noise::<T>(3, n), elements(4, (m, n), c));
        for isa in Isa::available() {
            let mut wanted = Vec::new();
            let view =
                (MatRef::strided(&xs, (m, k), a), MatRef::strided(&ys, (k, n), b), &bias[..]);
            products(isa, view, |run| {
                let mut elsewhere = old.clone();
                run(MatMut::strided(&mut elsewhere, (m, n), c));
                wanted.push(elsewhere);
            });
            for edge in EDGES {
                let [for_a, for_b, for_bias, for_c] = &mut pages;
                let x = MatRef::strided(for_a.put(edge, &xs), (m, k), a);
                let y = MatRef::strided(for_b.put(edge, &ys), (k, n), b);
                let mut wanted = wanted.iter();
                products(isa, (x, y, for_bias.put(edge, &bias)), |run| {
                    let at = for_c.put(edge, &old);
                    run(MatMut::strided(at, (m, n), c));
                    let what = format_args!("{isa} {} {m}×{n}×{k} at the {edge:?}", T::NAME);
                    assert!(Some(&at.to_vec()) == wanted.next(), "{what}");
                });
            }
        }
    }
}

#[test]
fn products_about_a_tile_stay_within_their_operands() {
    fn sizes() -> impl Iterator<Item = (usize, usize, usize)> {
        let rows_and_columns = (1..=40).flat_map(|m| (1..=40).map(move |n| (m, n)));
        // All depths, if not with all sizes.
        rows_and_columns.map(|(m, n)| (m, n, (7 * m + 3 * n) % 41))
    }
    check_products::<f32>(sizes());
    check_products::<f64>(sizes());
}

#[test]
fn larger_products_stay_within_their_operands() {
    // One row, one column, one term; several panels side by side; past a block in depth; shared
    // among threads.
    let sizes = [
        (1, 321, 700),
        (321, 1, 700),
        (150, 170, 1),
        (2, 130, 9),
        (4, 70, 21),
        (61, 66, 1050),
        (129, 131, 130),
    ];
    // Each in every layout.
    let sizes = || sizes.into_iter().flat_map(|size| [size; LAYOUTS.len()]);
    check_products::<f32>(sizes());
    check_products::<f64>(sizes());
}

/// Runs a map in place on every length, on a copy of the same elements.
macro_rules! check_maps {
    ($pages:ident: $($map:ident),*) => {$(
        check_slices($pages, |isa, xs, _| isa.run($map(xs)));
    )*};
}

/// The same for a derivative, with the elements that it only reads.
macro_rules! check_gradients {
    ($pages:ident: $($gradient:ident),*) => {$(
        check_slices($pages, |isa, dy, y| isa.run($gradient { y, dy }));
    )*};
}

fn check_slices<T: Scalar>([written, read]: &mut [Pages<T>; 2], run: impl Fn(Isa, &mut [T], &[T])) {
    for len in (0..=150).chain([257, 1000, 1001]) {
        let (xs, ys) = (noise::<T>(1, len), noise::<T>(2, len));
        for isa in Isa::available() {
            let mut wanted = xs.clone();
            run(isa, &mut wanted, &ys);
            for edge in EDGES {
                let at = written.put(edge, &xs);
                run(isa, at, read.put(edge, &ys));
                assert!(at == wanted, "{isa} {}: {len} at the {edge:?}", T::NAME);
            }
        }
    }
}

#[test]
fn activations_stay_within_their_slices() {
    fn check<T: Scalar>() {
        let pages = &mut [(); 2].map(|()| Pages::<T>::of(1001));
        check_maps! { pages: Exp, Expm1, Sigmoid, Tanh, Softplus, Log1p, Erf, Relu }
        check_gradients! { pages: SigmoidGrad, TanhGrad, SoftplusGrad, ReluGrad }
    }
    check::<f32>();
    check::<f64>();
}
