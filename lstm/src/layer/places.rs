//! Where the entries of a sample come from, for layers that move or repeat them.

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
