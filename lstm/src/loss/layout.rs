//! How predictions and targets lie: rows along the last axis, each of which has one value.

/// The rows of a batch of predictions `[batch, …]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The samples.
    pub(crate) batch: usize,
    /// The values of a loss: a multiple of `batch`.
    pub(crate) rows: usize,
    /// The numbers in a row of predictions.
    pub(crate) width: usize,
    /// The axes of the values.
    pub(crate) rank: usize,
    /// Whether a last axis, of one, of the predictions was left out, as the targets lack it: the
    /// last axis is then the one before, and the values have one axis less.
    pub(crate) squeezed: bool,
    /// Whether a row of targets is one number.
    pub(crate) labels: bool,
}

impl Layout {
    /// The rows of predictions and targets of these shapes, or none if they do not fit together.
    /// Keras puts a last axis of one in or out where the other has one axis more
    /// (`squeeze_or_expand_to_same_rank`).
    pub(crate) fn of(p: &[usize], y: &[usize], labels: bool) -> Option<Layout> {
        let (&last, before) = p.split_last()?;
        let (&batch, _) = before.split_first()?;
        let rows: usize = before.iter().product();
        let whole =
            Layout { batch, rows, width: last, rank: before.len(), squeezed: false, labels };
        let one_more = |y: &[usize], than: &[usize]| {
            y.split_last().is_some_and(|(&last, rest)| last == 1 && rest == than)
        };
        if labels {
            // One label for one number is where Keras would squeeze the predictions instead.
            let bare = y == before && (last > 1 || before.len() == 1);
            return (bare || one_more(y, before)).then_some(whole);
        }
        if y == p || one_more(y, p) {
            return Some(whole);
        }
        match (last, y == before, before) {
            (1, true, [_]) => Some(whole),
            (1, true, [values @ .., width]) => {
                let rows = values.iter().product();
                Some(Layout { rows, width: *width, rank: values.len(), squeezed: true, ..whole })
            }
            _ => None,
        }
    }

    /// The layout of another number of samples like these.
    pub(crate) fn of_batch(self, samples: usize) -> Layout {
        Layout { batch: samples, rows: self.rows / self.batch.max(1) * samples, ..self }
    }

    /// Whether weights of this shape fit the values: one for each, or `[batch, 1, …]`.
    pub(crate) fn takes_weights(&self, shape: &[usize]) -> bool {
        let size: usize = shape.iter().product();
        let bare = shape.iter().rposition(|&axis| axis != 1).map_or(0, |at| at + 1);
        let each = size == self.rows && bare <= self.rank && shape.len() <= self.rank + 1;
        let spread = size == self.batch && bare <= 1 && shape.len() == self.rank;
        shape.first() == Some(&self.batch) && (each || spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_keras() {
        let of = |p: &[usize], y: &[usize], labels| {
            Layout::of(p, y, labels).map(|found| (found.rows, found.width, found.squeezed))
        };
        assert_eq!(of(&[4, 3], &[4, 3], false), Some((4, 3, false)));
        assert_eq!(of(&[4, 1], &[4], false), Some((4, 1, false)));
        assert_eq!(of(&[4, 5, 1], &[4, 5, 1], false), Some((20, 1, false)));
        assert_eq!(of(&[4, 5, 1], &[4, 5], false), Some((4, 5, true)));
        assert_eq!(of(&[4, 5, 3], &[4, 5, 3, 1], false), Some((20, 3, false)));
        assert_eq!(of(&[4, 5, 3], &[4, 5], true), Some((20, 3, false)));
        assert_eq!(of(&[4, 5, 3], &[4, 5, 1], true), Some((20, 3, false)));
        for (p, y, labels) in [
            (&[4, 3][..], &[4][..], false),
            (&[4, 3], &[4, 1], false),
            (&[4, 3], &[3, 3], false),
            (&[4, 3], &[4, 3], true),
            (&[4, 5, 1], &[4, 5], true),
        ] {
            assert_eq!(of(p, y, labels), None, "{p:?} {y:?}");
        }
    }

    #[test]
    fn weights_fit_values_or_are_spread_over_them() {
        let takes = |p: &[usize], y: &[usize], w: &[usize]| {
            Layout::of(p, y, false).unwrap().takes_weights(w)
        };
        for w in [&[4][..], &[4, 1]] {
            assert!(takes(&[4, 3], &[4, 3], w), "{w:?}");
        }
        for w in [&[4, 5][..], &[4, 1], &[4, 5, 1]] {
            assert!(takes(&[4, 5, 2], &[4, 5, 2], w), "{w:?}");
        }
        assert!(takes(&[4, 5, 1], &[4, 5], &[4]));
        for w in [&[4][..], &[5], &[5, 4], &[4, 5, 2], &[20], &[]] {
            assert!(!takes(&[4, 5, 2], &[4, 5, 2], w), "{w:?}");
        }
        assert!(!takes(&[4, 5, 1], &[4, 5], &[4, 5]));
    }
}
