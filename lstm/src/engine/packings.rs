//! The weights of a layer, packed for its plans: once for each version of them.

use kernels::Isa;

use super::call::{Call, Options};
use super::parts::Packed;
use super::plan::{InputProduct, Lanes, Plan};
use super::{panels, rows};

/// Packed weights, and which they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packings<T> {
    rows: rows::Packed<T>,
    panels: panels::Packed<T>,
    /// What forward reads.
    forward: Option<Version>,
    /// What the steps of backward read.
    backward: Option<Version>,
    /// What the gradient of the input is computed from.
    input: Option<Version>,
}

/// Which weights are packed, and for which plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    weights: u64,
    lanes: Lanes,
    hoisted: bool,
}

impl<T: kernels::Float> Packings<T> {
    pub(super) fn of(&self, lanes: Lanes) -> Packed<'_, T> {
        match lanes {
            Lanes::Units => Packed::Rows(&self.rows),
            Lanes::Batch => Packed::Panels(&self.panels),
        }
    }

    /// Packs what forward reads, unless that is done.
    pub(crate) fn forward(&mut self, isa: Isa, options: Options, plan: Plan, call: &Call<T>) {
        let hoisted = matches!(plan.input, InputProduct::Hoisted(_));
        let version = Version { weights: call.version, lanes: plan.lanes, hoisted };
        if self.forward == Some(version) {
            return;
        }
        let units = options.units;
        match plan.lanes {
            Lanes::Units => {
                self.rows.pack_forward(isa, units, call.weights, hoisted);
                if hoisted {
                    self.input = Some(Version { hoisted: false, ..version });
                }
            }
            Lanes::Batch => self.panels.pack_forward(isa, units, call.weights),
        }
        self.forward = Some(version);
    }

    /// Packs what backward reads, for the gradient of the input only if that is wanted, unless it is
    /// done.
    pub(crate) fn backward(
        &mut self,
        isa: Isa,
        options: Options,
        plan: Plan,
        call: &Call<T>,
        dx: bool,
    ) {
        let version = Version { weights: call.version, lanes: plan.lanes, hoisted: false };
        let units = options.units;
        if self.backward != Some(version) {
            match plan.lanes {
                Lanes::Units => self.rows.pack_backward(isa, units, call.weights),
                Lanes::Batch => self.panels.pack_backward(units, call.weights),
            }
            self.backward = Some(version);
        }
        if dx && self.input != Some(version) {
            match plan.lanes {
                Lanes::Units => self.rows.pack_input(isa, units, call.weights),
                Lanes::Batch => self.panels.pack_input(units, call.weights),
            }
            self.input = Some(version);
        }
    }
}
