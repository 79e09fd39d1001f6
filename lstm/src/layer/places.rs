//! Where the entries of a sample come from, for layers that move or repeat them.

use kernels::{Buffer, Float};

use crate::shape::Shape;

/// For each entry of an output's sample, in order, the place of an entry of an input's.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Size and stride of each axis walked.
    axes: Vec<(usize, usize)>,
    places: Vec<usize>,
}

impl Places {
    /// The places met in a walk over axes of these sizes, each step along one of them being as far
    /// as its stride. Works out only what differs from the last walk.
    pub(super) fn walk(&mut self, axes: impl Iterator<Item = (usize, usize)> + Clone) -> &[usize] {
        if !self.places.is_empty() && axes.clone().eq(self.axes.iter().copied()) {
            return &self.places;
        }
        self.axes.clear();
        self.axes.extend(axes);
        let len = self.axes.iter().map(|&(size, _)| size).product();
        self.places.clear();
        self.places.extend((0..len).map(|mut at| {
            let mut place = 0;
            for &(size, stride) in self.axes.iter().rev() {
                place += at % size * stride;
                at /= size;
            }
            place
        }));
        &self.places
    }

    /// What the last walk met.
    pub(super) fn get(&self) -> &[usize] {
        &self.places
    }
}

/// The distance between neighbours along an axis of a sample: the product of the sizes after it.
pub(super) fn stride(axes: &[Option<usize>], axis: usize) -> usize {
    axes[axis + 1..].iter().map(|size| size.unwrap_or(0)).product()
}

/// The order of a sample's axes that has some of them last.
#[derive(Debug)]
pub(super) struct LastAxes {
    /// All axes in that order.
    order: Vec<usize>,
    /// How many of them are the last.
    count: usize,
    places: Places,
}

impl LastAxes {
    /// `axes` of a batch of samples with `rank` axes, counted from the end where negative.
    pub(super) fn new(axes: &[isize], rank: usize) -> Self {
        let last = |k: &usize| {
            let k = *k as isize;
            axes.contains(&(k + 1)) || axes.contains(&(k - rank as isize))
        };
        let order = (0..rank).filter(|k| !last(k)).chain((0..rank).filter(last)).collect();
        LastAxes { order, count: (0..rank).filter(last).count(), places: Places::default() }
    }

    /// Whether that is another order.
    pub(super) fn moves(&self) -> bool {
        !self.order.is_sorted()
    }

    /// The entries along the last axes, which are together in that order.
    pub(super) fn len(&self, shape: &Shape) -> usize {
        let last = &self.order[self.order.len() - self.count..];
        last.iter().map(|&axis| shape.axes()[axis].unwrap_or(0)).product()
    }

    /// Copies samples of this shape to that order.
    pub(super) fn gather<T: Float>(&mut self, shape: &Shape, from: &[T], to: &mut Buffer<T>) {
        let (axes, order) = (shape.axes(), self.order.iter());
        let places =
            self.places.walk(order.map(|&axis| (axes[axis].unwrap_or(0), stride(axes, axis))));
        to.resize(from.len());
        let size = places.len().max(1);
        for (from, to) in from.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
            to.iter_mut().zip(places).for_each(|(to, &place)| *to = from[place]);
        }
    }

    /// Copies samples back, in the shape that was gathered last.
    pub(super) fn scatter<T: Float>(&self, from: &[T], to: &mut [T]) {
        let places = self.places.get();
        let size = places.len().max(1);
        for (from, to) in from.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
            from.iter().zip(places).for_each(|(&from, &place)| to[place] = from);
        }
    }
}
