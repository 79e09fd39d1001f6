//! What came of a check.

use std::cmp::Ordering;
use std::fmt;

use super::rounded::Rounded;

/// One derivative, found both ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place in the tensor; the number of the direction, where it is along one.
    pub index: Vec<usize>,
    /// By backpropagation.
    pub analytic: f64,
    /// By differences.
    pub numeric: f64,
    /// Relative: see the [module](super).
    pub error: f64,
    /// The size of derivative that differences can resolve here.
    pub floor: f64,
}

impl Entry {
    /// Whether the error is relative to the derivative: it is at least as large as the floor, or
    /// both ways give the very same. A NaN is no small derivative.
    pub fn is_resolved(&self) -> bool {
        let size = self.analytic.abs().max(self.numeric.abs());
        size >= self.floor || self.error == 0.0 || !self.error.is_finite()
    }
}

/// What came of one weight or input.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// `layer/weight`, or the name of the input.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Entries compared.
    pub entries: usize,
    /// Those of them whose derivative is smaller than differences can resolve: their error is
    /// relative to what can be resolved.
    pub below_floor: usize,
    /// Entries at a bend of relu, or that mask a step, where there is no derivative to compare with.
    pub kinks: usize,
    /// The entry that is off most.
    pub worst: Entry,
    /// The one among those that can be resolved.
    pub worst_resolved: Option<Entry>,
    /// The sum of the derivatives' sizes, and of those that are smaller than can be resolved.
    sizes: [f64; 2],
}

impl Checked {
    /// A tensor of which nothing is known yet.
    pub(super) fn new(name: String, shape: Vec<usize>) -> Self {
        let index = vec![0; shape.len()];
        Checked {
            name,
            shape,
            entries: 0,
            below_floor: 0,
            kinks: 0,
            worst: Entry { index, analytic: 0.0, numeric: 0.0, error: 0.0, floor: 0.0 },
            worst_resolved: None,
            sizes: [0.0; 2],
        }
    }

    /// Takes an entry in.
    pub(super) fn count(&mut self, entry: Entry) {
        self.entries += 1;
        let size = entry.analytic.abs().max(entry.numeric.abs());
        self.sizes[0] += size;
        match entry.is_resolved() {
            false => {
                self.below_floor += 1;
                self.sizes[1] += size;
            }
            true if self.worst_resolved.as_ref().is_none_or(|it| entry.error > it.error) => {
                self.worst_resolved = Some(entry.clone());
            }
            true => {}
        }
        if self.entries == 1 || entry.error > self.worst.error {
            self.worst = entry;
        }
    }

    /// Whether every entry compared is within the tolerance, and any has been looked at.
    pub fn passed(&self, tolerance: f64) -> bool {
        self.worst.error <= tolerance && self.entries + self.kinks > 0
    }
}

/// What came of all weights and inputs of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What was asked for.
    pub tolerance: f64,
    /// Weights, then inputs.
    pub tensors: Vec<Checked>,
    /// The same in the model's own precision, held against those of `f64`, where that is another.
    pub rounded: Vec<Rounded>,
}

impl Report {
    /// Entries compared.
    pub fn entries(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.entries).sum()
    }

    /// Those of them that are smaller than differences can resolve.
    pub fn below_floor(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.below_floor).sum()
    }

    /// Entries at a bend of relu, which are not compared.
    pub fn kinks(&self) -> usize {
        self.tensors.iter().map(|tensor| tensor.kinks).sum()
    }

    /// The tensor with the largest error.
    pub fn worst(&self) -> Option<&Checked> {
        self.tensors.iter().max_by(|a, b| a.worst.error.total_cmp(&b.worst.error))
    }

    /// The entry to show, and its tensor: the worst of those whose error is relative to their own
    /// size, unless there is none, or another fails.
    pub fn telling(&self) -> Option<(&Checked, &Entry)> {
        let resolved = self.tensors.iter().filter_map(|it| Some((it, it.worst_resolved.as_ref()?)));
        let worst = self.worst().map(|tensor| (tensor, &tensor.worst));
        match self.passed() {
            true => resolved.max_by(|(_, a), (_, b)| a.error.total_cmp(&b.error)).or(worst),
            false => worst,
        }
    }

    /// Whether differences could resolve what the gradient consists of: all but a tenth of the sum of
    /// its sizes. They cannot where the loss is so rough that their own error hides whatever they are held
    /// against.
    pub fn is_telling(&self) -> bool {
        let sum = |which: usize| self.tensors.iter().map(|it| it.sizes[which]).sum::<f64>();
        // With a NaN it is, too: of that an error tells.
        (10.0 * sum(1)).partial_cmp(&sum(0)) != Some(Ordering::Greater)
    }

    /// Whether every entry compared is within the tolerance, every tensor looked at, and the whole
    /// [telling](Self::is_telling).
    pub fn passed(&self) -> bool {
        self.tensors.iter().all(|tensor| tensor.passed(self.tolerance))
            && self.rounded.iter().all(Rounded::passed)
            && self.is_telling()
    }
}

/// The worst entry, and whether it passes.
impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Some((Checked { name, .. }, entry)) = self.telling() else {
            return write!(out, "nothing to check");
        };
        let Entry { index, analytic, numeric, error, .. } = entry;
        let bound = self.tolerance;
        if !self.is_telling() {
            let (small, all) = (self.below_floor(), self.entries());
            write!(out, "the loss is too rough for {small} of {all} derivatives to be told; ")?;
        }
        write!(
            out,
            "worst of {} entries: {name} {index:?}, {analytic:e} by backpropagation, {numeric:e} by \
             differences, an error of {error:.1e} where {bound:.0e} is allowed",
            self.entries()
        )?;
        let worst = self.rounded.iter().max_by(|a, b| a.error.total_cmp(&b.error));
        worst.map_or(Ok(()), |worst| write!(out, "; {worst}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tensor with entries of these derivatives and errors.
    fn checked(entries: &[(f64, f64)]) -> Checked {
        let entry = |analytic, error| {
            let index = vec![0];
            Entry { index, analytic, numeric: analytic, error, floor: 1e-4 }
        };
        let mut checked = Checked::new("x".to_owned(), vec![entries.len()]);
        entries.iter().for_each(|&(analytic, error)| checked.count(entry(analytic, error)));
        checked
    }

    #[test]
    fn entries_below_the_floor_are_counted_and_do_not_speak_for_the_rest() {
        let entries = [(1.0, 1e-12), (1e-6, 4e-8), (-2.0, 1e-9), (1e-5, 1e-8), (1e-4, 1e-10)];
        let one = checked(&entries);
        assert_eq!((one.entries, one.below_floor), (5, 2));
        assert_eq!((one.worst.error, one.worst.is_resolved()), (4e-8, false));
        assert_eq!(one.worst_resolved.as_ref().map(|entry| entry.error), Some(1e-9));

        assert_eq!(checked(&[(0.0, 0.0), (1e-6, 1e-9)]).below_floor, 1, "a zero found as zero");
        let small = checked(&[(1e-6, 5e-8)]);
        assert_eq!(small.worst_resolved, None);
        let telling = |tensors: &[&Checked], tolerance| {
            let tensors = tensors.iter().map(|&checked| checked.clone()).collect();
            Report { tolerance, tensors, rounded: vec![] }.telling().map(|(_, entry)| entry.error)
        };
        assert_eq!(telling(&[&one, &small], 1e-7), Some(1e-9));
        assert_eq!(telling(&[&small], 1e-7), Some(5e-8), "nothing else");
        assert_eq!(telling(&[&one, &small], 1e-8), Some(5e-8), "it fails");
        assert_eq!(
            telling(&[&one, &checked(&[(f64::NAN, f64::INFINITY)])], 1e-7),
            Some(f64::INFINITY)
        );
    }

    #[test]
    fn a_report_of_what_differences_cannot_tell_does_not_pass() {
        let report = |tensors| Report { tolerance: 1e-7, tensors, rounded: vec![] };
        let (small, large) = (checked(&[(1e-6, 5e-8); 3]), checked(&[(1e-3, 5e-8)]));
        let hidden = report(vec![small.clone()]);
        assert!(!hidden.passed() && hidden.to_string().starts_with("the loss is too rough for 3"));
        assert!(report(vec![small.clone(), large]).passed());
        let few = report(vec![small, checked(&[(2e-5, 5e-8), (1e-4, 5e-8)])]);
        assert!(!few.passed(), "what cannot be told is a sixth");
    }

    #[test]
    fn a_tensor_with_no_entry_looked_at_does_not_pass() {
        let nothing = checked(&[]);
        let kinks = Checked { kinks: 2, ..nothing.clone() };
        let passed = |tensor: &Checked| {
            let tensors = vec![tensor.clone()];
            Report { tolerance: 1e-7, tensors, rounded: vec![] }.passed()
        };
        assert!(!passed(&nothing) && passed(&kinks) && passed(&checked(&[(1.0, 1e-8)])));
        assert!(!passed(&checked(&[(1.0, 1e-6)])));
    }
}
