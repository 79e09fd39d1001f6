//! The weights of a layer, packed for its plans: each form once for each version of them.

use kernels::Isa;

use super::call::{Call, Options};
use super::parts::Packed;
use super::plan::{InputProduct, Lanes, Plan};
use super::rows::Packer;
use super::{panels, rows};

/// Packed weights, each form beside the version of the weights that it holds. Plans change from call to
/// call, with the last batch of a sequence for one; what was packed for one plan stays for the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packings<T> {
    rows: rows::Packed<T>,
    rows_are: Versions,
    panels: panels::Packed<T>,
    panels_are: Versions,
}

/// The versions of the forms in which an orientation has weights.
#[derive(Clone, Copy, Debug, Default)]
struct Versions {
    /// What the tiles of forward read of the kernel.
    kernel: Option<u64>,
    /// What they read of the recurrent kernel, and the bias.
    recurrent: Option<u64>,
    /// What the steps of backward read.
    recurrent_t: Option<u64>,
    /// What products over many steps read of the kernel.
    whole_kernel: Option<u64>,
}

/// Whether a form is of another version than this, which it is from now on.
fn stale(form: &mut Option<u64>, version: u64) -> bool {
    form.replace(version) != Some(version)
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
        let Call { weights, version, .. } = *call;
        let units = options.units;
        match plan.lanes {
            Lanes::Units => {
                let packer = Packer { isa, units, threads: plan.threads };
                let are = &mut self.rows_are;
                let hoisted = matches!(plan.input, InputProduct::Hoisted(_));
                if hoisted && stale(&mut are.whole_kernel, version) {
                    self.rows.pack_whole_kernel(packer, weights);
                }
                if !hoisted && stale(&mut are.kernel, version) {
                    self.rows.pack_kernel(packer, weights);
                }
                if stale(&mut are.recurrent, version) {
                    self.rows.pack_recurrent(packer, weights);
                }
            }
            Lanes::Batch => {
                if stale(&mut self.panels_are.recurrent, version) {
                    self.panels.pack_forward(isa, units, weights);
                }
            }
        }
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
        let Call { weights, version, .. } = *call;
        let units = options.units;
        match plan.lanes {
            Lanes::Units => {
                let packer = Packer { isa, units, threads: plan.threads };
                if stale(&mut self.rows_are.recurrent_t, version) {
                    self.rows.pack_backward(packer, weights);
                }
                if dx && stale(&mut self.rows_are.whole_kernel, version) {
                    self.rows.pack_whole_kernel(packer, weights);
                }
            }
            Lanes::Batch => {
                if stale(&mut self.panels_are.recurrent_t, version) {
                    self.panels.pack_backward(units, weights);
                }
                if dx && stale(&mut self.panels_are.whole_kernel, version) {
                    self.panels.pack_whole_kernel(units, weights);
                }
            }
        }
    }
}
