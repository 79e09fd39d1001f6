//! A table of epochs in a file.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::{Callback, Memory};
use crate::error::{Error, Result};
use crate::float::Float;
use crate::model::{Logs, Model};

/// What the names of columns begin with in a memory.
const COLUMN: &str = "column ";

/// Writes the numbers of each epoch to a file, a line for each, as Keras does: the columns are
/// those of the first epoch in alphabetical order, `NA` stands for what an epoch lacks.
#[derive(Debug)]
pub struct CSVLogger {
    /// The file.
    pub filename: PathBuf,
    /// What stands between columns; a comma unless set.
    pub separator: char,
    /// Whether to write on where the file ends, rather than to start over.
    pub append: bool,
    /// The open file, how much of it counts, and the columns once they are known.
    file: Option<File>,
    written: u64,
    keys: Vec<String>,
    header: bool,
}

impl CSVLogger {
    /// To this file, which is written anew, with commas.
    pub fn new(filename: impl Into<PathBuf>) -> Self {
        CSVLogger {
            filename: filename.into(),
            separator: ',',
            append: false,
            file: None,
            written: 0,
            keys: Vec::new(),
            header: true,
        }
    }

    /// How many bytes the file has; none if there is no file.
    fn size(&self) -> u64 {
        std::fs::metadata(&self.filename).map_or(0, |data| data.len())
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        Error::file(&self.filename, error)
    }

    fn write(&mut self, line: &str) -> Result<()> {
        self.cut().map_err(|error| self.failed(&error))?;
        let written = match &mut self.file {
            Some(file) => file.write_all(line.as_bytes()).and_then(|()| file.flush()),
            None => Ok(()),
        };
        self.written += line.len() as u64;
        written.map_err(|error| self.failed(&error))
    }

    /// Goes to the end of what counts. What lies behind is from before the training, or from the part
    /// of it that is done again.
    fn cut(&mut self) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.set_len(self.written)?;
        file.seek(SeekFrom::Start(self.written)).map(|_| ())
    }
}

impl<T: Float> Callback<T> for CSVLogger {
    fn on_train_begin(&mut self, _model: &mut Model<T>) -> Result<()> {
        let size = self.size();
        self.header = !self.append || size == 0;
        self.written = if self.append { size } else { 0 };
        self.keys.clear();
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(false);
        let file = options.open(&self.filename).map_err(|error| self.failed(&error))?;
        self.file = Some(file);
        Ok(())
    }

    fn on_epoch_end(&mut self, epoch: usize, _model: &mut Model<T>, logs: &mut Logs) -> Result<()> {
        let separator = self.separator.to_string();
        if self.keys.is_empty() {
            self.keys = logs.iter().map(|(name, _)| name.to_owned()).collect();
            self.keys.sort();
            if !self.keys.iter().any(|key| key.starts_with("val_")) {
                // Room for a validation of later epochs.
                let more: Vec<String> = self.keys.iter().map(|key| format!("val_{key}")).collect();
                self.keys.extend(more);
            }
            if self.header {
                let line = format!("epoch{separator}{}\r\n", self.keys.join(&separator));
                self.write(&line)?;
            }
        }
        let value = |key: &String| logs.get(key).map_or("NA".to_owned(), repr);
        let values: Vec<String> = self.keys.iter().map(value).collect();
        self.write(&format!("{epoch}{separator}{}\r\n", values.join(&separator)))
    }

    fn memory(&self) -> Memory<T> {
        // The backup that counts on these lines is on disk before them otherwise. If this fails and the
        // machine does, too, the lines are missed then.
        let _ = self.file.as_ref().map(File::sync_data);
        let memory = Memory::of([("written", Some(self.written as f64))]);
        let keys = self.keys.iter().enumerate();
        let keys = keys.map(|(at, key)| (format!("{COLUMN}{key}"), at as f64));
        Memory { numbers: memory.numbers.into_iter().chain(keys).collect(), ..memory }
    }

    fn check_memory(&self, memory: &Memory<T>, _model: &Model<T>) -> Result<()> {
        let columns = memory.numbers.iter().map(|(name, _)| name.as_str());
        let columns: Vec<&str> = columns.filter(|name| name.starts_with(COLUMN)).collect();
        memory.check_numbers("CSVLogger", &["written"], &columns)?;
        let (size, written) = (self.size(), memory.count("written") as u64);
        if size < written {
            let path = self.filename.display().to_string();
            let why = format!("it has {size} bytes of the {written} that were written");
            return Err(Error::File { path, why });
        }
        Ok(())
    }

    fn remember(&mut self, memory: &Memory<T>) {
        self.written = memory.count("written") as u64;
        let keys = memory.numbers.iter().filter_map(|(name, _)| name.strip_prefix(COLUMN));
        self.keys = keys.map(str::to_owned).collect();
    }

    fn on_train_end(&mut self, _model: &mut Model<T>) -> Result<()> {
        self.cut().map_err(|error| self.failed(&error))?;
        self.file = None;
        Ok(())
    }
}

/// A number as Python writes it: as few digits as tell it apart, an exponent where there would be
/// many zeros.
pub(super) fn repr(x: f64) -> String {
    if x.is_nan() {
        return "nan".to_owned();
    }
    if x.is_infinite() || x == 0.0 || (1e-4..1e16).contains(&x.abs()) {
        return format!("{x:?}");
    }
    let text = format!("{x:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{digits}e{exponent:+03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_python() {
        let numbers = [0.5, 1.0, 1e-4, 1e-5, -2.5e-7, 1e16, 123456789.0, 1e22, f64::NAN, 0.0];
        let expected = "0.5 1.0 0.0001 1e-05 -2.5e-07 1e+16 123456789.0 1e+22 nan 0.0";
        assert_eq!(numbers.map(repr).join(" "), expected);
    }
}
