//! The instruction set that models run on.

use kernels::Isa;

use crate::error::{Error, Result};

/// What [`Isa::best`] gives; an error where it would panic.
pub(crate) fn best() -> Result<Isa> {
    match std::env::var("KERNELS_ISA") {
        Ok(name) if name.parse::<Isa>().is_err() => {
            Err(Error::unsupported("instruction set in KERNELS_ISA", name))
        }
        _ => Ok(Isa::best()),
    }
}
