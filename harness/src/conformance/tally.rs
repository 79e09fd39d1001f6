//! How many cases agree: by kind and precision.

use std::collections::BTreeMap;

use super::Outcome;
use crate::style::Style;
use crate::table::Table;

/// The cases of one kind.
#[derive(Clone, Debug, Default)]
struct Count {
    cases: usize,
    /// Those that agree in `f64`, and in `f32`.
    agreed: [usize; 2],
    /// Those that do not agree in both.
    failed: Vec<String>,
}

/// Outcomes, counted by the kind of their cases.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    kinds: BTreeMap<String, Count>,
}

impl Tally {
    /// Counts what came of a case that is shown by this name.
    pub fn add(&mut self, outcome: &Outcome, name: &str) {
        let count = self.kinds.entry(outcome.kind.clone()).or_default();
        count.cases += 1;
        if let Ok(worst) = &outcome.result {
            for (agreed, worst) in count.agreed.iter_mut().zip(worst) {
                *agreed += usize::from(worst.passed());
            }
        }
        if !outcome.passed() {
            count.failed.push(name.to_owned());
        }
    }

    /// How many kinds there are; files that are no case are one.
    pub fn kinds(&self) -> usize {
        self.kinds.len()
    }

    /// How many cases agree in both precisions.
    pub fn passed(&self) -> usize {
        self.kinds.values().map(|count| count.cases - count.failed.len()).sum()
    }

    /// How many do not.
    pub fn failed(&self) -> usize {
        self.kinds.values().map(|count| count.failed.len()).sum()
    }

    /// A table with a row for each kind, and under it the names of the cases that failed.
    pub fn render(&self, style: Style) -> String {
        let mut table = Table::new(&["kind", "cases", "f64", "f32", "failed"]);
        let named = |kind: &str| if kind.is_empty() { "no case" } else { kind }.to_owned();
        for (kind, count) in &self.kinds {
            let [double, single] = count.agreed;
            let numbers = [count.cases, double, single, count.failed.len()];
            table.row([named(kind)].into_iter().chain(numbers.map(|number| number.to_string())));
        }
        let mut text = table.render(style);
        for (kind, count) in self.kinds.iter().filter(|(_, count)| !count.failed.is_empty()) {
            text += &format!("  {} failed: {}\n", named(kind), count.failed.join(" "));
        }
        text
    }
}
