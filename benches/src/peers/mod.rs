//! Who computes a product. A peer is made ready once, with memory of its own, and then runs as
//! often as it is asked to.

mod crates;
mod kernels;
#[cfg(feature = "system-peers")]
mod system;

use harness::peer::Scalar;

use crate::grid::Product;

/// A product with its operands: what every peer is given.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a, T> {
    /// Its sizes and layouts.
    pub product: Product,
    /// The elements of A.
    pub a: &'a [T],
    /// The elements of B.
    pub b: &'a [T],
    /// Threads to use.
    pub threads: usize,
}

/// Computes its product once more, into the C it is given.
pub type Run<'a, T> = Box<dyn FnMut(&mut [T]) + 'a>;

/// Someone who computes products.
#[derive(Clone, Copy, Debug)]
pub struct Peer<T: 'static> {
    /// The column in a table.
    pub name: &'static str,
    /// B is packed before the clock starts, as weights are that serve many products.
    pub prepacked: bool,
    /// Makes it ready; nothing, where it does not compute such products.
    pub ready: for<'a> fn(Job<'a, T>) -> Option<Run<'a, T>>,
}

/// A scalar for which there are peers.
pub trait Element: Scalar {
    /// Everyone who is compiled in and installed, ourselves first.
    fn peers() -> Vec<Peer<Self>>;
}

macro_rules! element {
    ($scalar:ident $(, $rten:expr)?) => {
        impl Element for $scalar {
            fn peers() -> Vec<Peer<$scalar>> {
                #[allow(unused_mut, reason = "features add to it")]
                let mut peers = vec![
                    Peer { name: "kernels", prepacked: false, ready: kernels::plain },
                    Peer { name: "kernels, packed", prepacked: true, ready: kernels::packed },
                    Peer { name: "matrixmultiply", prepacked: false, ready: crates::matrixmultiply },
                ];
                #[cfg(feature = "peers")]
                {
                    peers.push(Peer { name: "gemm", prepacked: false, ready: crates::gemm });
                    $(peers.extend($rten);)?
                }
                #[cfg(feature = "system-peers")]
                peers.extend(system::$scalar());
                peers
            }
        }
    };
}

element!(
    f32,
    [
        Peer { name: "rten-gemm", prepacked: false, ready: crates::rten },
        Peer { name: "rten-gemm, packed", prepacked: true, ready: crates::rten_packed },
    ]
);
element!(f64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::products;

    #[test]
    fn everyone_computes_the_same_products() {
        fn check<T: Element>() {
            for product in products().into_iter().filter(|product| product.flops() < 2e5) {
                // Small integers: sums without rounding, whatever their order.
                let numbers = |len: usize| -> Vec<T> {
                    (0..len).map(|i| T::from_f64((i * i % 7) as f64 - 3.0)).collect()
                };
                let (a, b) = (numbers(product.m * product.k), numbers(product.k * product.n));
                let job = Job { product, a: &a, b: &b, threads: 1 };
                let mut results = T::peers().into_iter().filter_map(|peer| {
                    let mut c = vec![T::ZERO; product.m * product.n];
                    (peer.ready)(job)?(&mut c);
                    Some((peer.name, c))
                });
                let (_, first) = results.next().expect("we compute every product");
                for (peer, c) in results {
                    assert!(c == first, "{peer}: {product}");
                }
            }
        }
        check::<f32>();
        check::<f64>();
    }
}
