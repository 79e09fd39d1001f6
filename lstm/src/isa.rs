//! The instruction set that models run on.

use kernels::Isa;

use crate::error::{Error, Result};

/// What [`Isa::best`] gives; an error where it would panic.
pub(crate) fn best() -> Result<Isa> {
    Isa::chosen()
        .map_err(|error| Error::unsupported("instruction set in KERNELS_ISA", error.name()))
}
