//! An output that its reader may leave.

use std::io::{ErrorKind, Result, Write};

/// Writes until nobody reads any more; what follows is dropped. A verdict does not depend on how
/// much of it was read.
#[derive(Debug)]
pub(crate) struct Pipe<W> {
    out: W,
    closed: bool,
}

impl<W: Write> Pipe<W> {
    pub(crate) fn new(out: W) -> Self {
        Pipe { out, closed: false }
    }

    /// What a write came to, or `otherwise` if nobody reads.
    fn unless_closed<R>(&mut self, otherwise: R, write: impl Fn(&mut W) -> Result<R>) -> Result<R> {
        if self.closed {
            return Ok(otherwise);
        }
        match write(&mut self.out) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(otherwise)
            }
            result => result,
        }
    }
}

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.unless_closed(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> Result<()> {
        self.unless_closed((), W::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Room for three bytes.
    struct Short(Vec<u8>);

    impl Write for Short {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            let room = (3 - self.0.len()).min(bytes.len());
            self.0.extend(&bytes[..room]);
            if room == 0 { Err(ErrorKind::BrokenPipe.into()) } else { Ok(room) }
        }

        fn flush(&mut self) -> Result<()> {
            if self.0.len() == 3 { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
        }
    }

    #[test]
    fn what_nobody_reads_is_dropped() -> Result<()> {
        let mut pipe = Pipe::new(Short(Vec::new()));
        pipe.write_all(b"ab")?;
        pipe.flush()?;
        pipe.write_all(b"cdef")?;
        pipe.write_all(b"gh")?;
        pipe.flush()?;
        assert_eq!(pipe.out.0, b"abc");
        Ok(())
    }

    #[test]
    fn other_errors_are_not() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> Result<usize> {
                Err(ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> Result<()> {
                Ok(())
            }
        }
        let error = Pipe::new(Full).write_all(b"a").map_err(|error| error.kind());
        assert_eq!(error, Err(ErrorKind::StorageFull));
    }
}
