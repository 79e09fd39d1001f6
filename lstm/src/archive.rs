//! Named arrays in files, in the format of safetensors.
//!
//! A file is the length of a header, eight bytes; the header, JSON with the type, shape and place of
//! each array; the numbers, little-endian. What is written here has, in its metadata, a checksum of
//! the whole file, so that no file that has changed is taken for whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::float::Float;
use crate::tensor::Tensor;

const METADATA: &str = "__metadata__";
/// The key of the checksum, and what stands in its place while it is taken.
const CHECKSUM: &str = "checksum";
const NO_CHECKSUM: &str = "0000000000000000";

/// An archive that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    header: Map<String, Value>,
    metadata: Map<String, Value>,
    data: Vec<u8>,
}

impl Writer {
    /// Adds an array under a name that no other has.
    pub(crate) fn add<T: Float>(&mut self, name: String, shape: &[usize], numbers: &[T]) {
        let start = self.data.len();
        self.data.reserve(size_of_val(numbers));
        for &number in numbers {
            match size_of::<T>() {
                4 => self.data.extend_from_slice(&(number.to_f64() as f32).to_le_bytes()),
                _ => self.data.extend_from_slice(&number.to_f64().to_le_bytes()),
            }
        }
        let (dtype, end) = (T::NAME.to_uppercase(), self.data.len());
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] });
        let other = self.header.insert(name, entry);
        debug_assert!(other.is_none(), "two arrays of one name");
    }

    /// Adds a text about the whole.
    pub(crate) fn describe(&mut self, key: &str, text: String) {
        self.metadata.insert(key.to_owned(), text.into());
    }

    /// Writes the file: beside it first, so that at every moment the one or the other is whole.
    pub(crate) fn finish(mut self, path: &Path) -> Result<()> {
        let failed = |error: io::Error| Error::file(path, &error);
        self.metadata.insert(CHECKSUM.to_owned(), NO_CHECKSUM.into());
        self.header.insert(METADATA.to_owned(), self.metadata.into());
        let mut header = Value::Object(self.header).to_string().into_bytes();
        // The data begins at a multiple of eight.
        header.resize(header.len().next_multiple_of(8), b' ');
        let length = (header.len() as u64).to_le_bytes();
        let sum = digest(&[&length, &header, &self.data]);
        if let Some(place) = checksum_place(&header) {
            header[place..place + NO_CHECKSUM.len()]
                .copy_from_slice(format!("{sum:016x}").as_bytes());
        }

        let folder = folder_of(path);
        make_folder(folder).map_err(failed)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".part");
        let beside = PathBuf::from(beside);
        let write = || {
            let mut file = File::create(&beside)?;
            [&length[..], &header, &self.data].iter().try_for_each(|part| file.write_all(part))?;
            file.sync_all()?;
            fs::rename(&beside, path)?;
            sync_folder(folder)
        };
        write().map_err(failed)
    }
}

/// The folder that a file or folder is in.
fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Makes a folder, and those that it is in, where they are missing, so that they last.
fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|it| !is_there(it)).collect();
    fs::create_dir_all(folder)?;
    missing.into_iter().try_for_each(|it| sync_folder(folder_of(it)))
}

/// Whether there is a folder; the last of the ancestors of a relative one is empty.
fn is_there(folder: &Path) -> bool {
    folder.as_os_str().is_empty() || folder.is_dir()
}

/// Sees to it that new names in a folder last, where it can be opened and its system can do that.
fn sync_folder(folder: &Path) -> io::Result<()> {
    let Ok(folder) = File::open(folder) else { return Ok(()) };
    match folder.sync_all() {
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

/// An archive that was read.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    header: Map<String, Value>,
    /// Where the numbers begin in the file.
    start: usize,
    bytes: Vec<u8>,
}

impl Reader {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is no such file, or has changed since it was written.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|error| Error::file(path, &error))?;
        let wrong =
            |why: &str| Error::File { path: path.display().to_string(), why: why.to_owned() };
        let foreign = || wrong("this is no safetensors file, or it was cut off");
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(foreign)?;
        let size = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| foreign())?;
        let (head, data) = rest.split_at_checked(size).ok_or_else(foreign)?;
        let header: Map<String, Value> = serde_json::from_slice(head).map_err(|_| foreign())?;
        if let Some(found) = header.get(METADATA).and_then(|it| it[CHECKSUM].as_str()) {
            let place = checksum_place(head).ok_or_else(foreign)?;
            let mut without = head.to_vec();
            let digits = without.get_mut(place..place + NO_CHECKSUM.len()).ok_or_else(foreign)?;
            digits.copy_from_slice(NO_CHECKSUM.as_bytes());
            if format!("{:016x}", digest(&[length, &without, data])) != found {
                return Err(wrong("it was cut off, or has changed since it was written"));
            }
        }
        Ok(Reader { path: path.to_owned(), header, start: 8 + size, bytes })
    }

    /// The error that something is wrong with the file.
    pub(crate) fn wrong(&self, why: String) -> Error {
        Error::File { path: self.path.display().to_string(), why }
    }

    /// A text about the whole.
    pub(crate) fn description(&self, key: &str) -> Option<&str> {
        self.header.get(METADATA)?[key].as_str()
    }

    /// The names of all arrays.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.header.keys().map(String::as_str).filter(|&name| name != METADATA)
    }

    /// An array that has this precision.
    ///
    /// # Errors
    ///
    /// If it has another, and as [`tensor`](Self::tensor).
    pub(crate) fn exact<T: Float>(&self, name: &str) -> Result<Tensor<T>> {
        let found = self.header.get(name).and_then(|entry| entry["dtype"].as_str());
        let expected = T::NAME.to_uppercase();
        match found {
            Some(found) if found != expected => {
                Err(self.wrong(format!("`{name}` is of {found}, not of {expected}")))
            }
            _ => self.tensor(name),
        }
    }

    /// An array, in whatever precision it was.
    ///
    /// # Errors
    ///
    /// If there is none of this name, or its description or its numbers are not whole.
    pub(crate) fn tensor<T: Float>(&self, name: &str) -> Result<Tensor<T>> {
        let missing = || self.wrong(format!("it has no `{name}`"));
        let entry = self.header.get(name).ok_or_else(missing)?;
        let broken = || self.wrong(format!("the description of `{name}` is broken"));
        let width = match entry["dtype"].as_str() {
            Some("F32") => 4,
            Some("F64") => 8,
            Some(other) => {
                return Err(self.wrong(format!("`{name}` is of {other}, not of F32 or F64")));
            }
            None => return Err(broken()),
        };
        let sizes = |value: &Value| -> Option<Vec<usize>> {
            let sizes = value.as_array()?.iter();
            sizes.map(|size| usize::try_from(size.as_u64()?).ok()).collect()
        };
        let shape = sizes(&entry["shape"]).ok_or_else(broken)?;
        let offsets = sizes(&entry["data_offsets"]).ok_or_else(broken)?;
        let [start, end] = offsets[..] else { return Err(broken()) };
        let count = shape.iter().try_fold(width, |size: usize, &axis| size.checked_mul(axis));
        if count.is_none_or(|count| start.checked_add(count) != Some(end)) {
            return Err(broken());
        }
        let cut = || self.wrong(format!("it ends before the numbers of `{name}` do"));
        let data = self.bytes[self.start..].get(start..end).ok_or_else(cut)?;
        let number = |bytes: &[u8]| match *bytes {
            [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => f64::NAN,
        };
        Tensor::new(shape, data.chunks_exact(width).map(|it| T::from_f64(number(it))).collect())
    }
}

/// Where the digits of the checksum are in a header.
fn checksum_place(header: &[u8]) -> Option<usize> {
    let key = format!("\"{CHECKSUM}\":\"");
    let found = header.windows(key.len()).position(|bytes| bytes == key.as_bytes());
    found.map(|at| at + key.len())
}

/// A number that differs where a single word of the parts does, and nearly always where more do: each
/// word goes through a bijection of what came before it.
fn digest(parts: &[&[u8]]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325u64;
    let mut take =
        |word: u64| sum = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    for part in parts {
        let words = part.chunks_exact(8);
        let mut rest = [0; 8];
        rest[..words.remainder().len()].copy_from_slice(words.remainder());
        words.for_each(|word| take(u64::from_le_bytes(word.try_into().unwrap_or_default())));
        take(u64::from_le_bytes(rest));
        take(part.len() as u64);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_are_missing_are_made() {
        let all = std::env::temp_dir().join(format!("lstm-folders-{}", std::process::id()));
        for path in [all.join("of/this.one"), all.join("of/that.one"), all.join("or/so/other.one")]
        {
            Writer::default().finish(&path).unwrap();
            assert_eq!(Reader::open(&path).unwrap().names().count(), 0);
        }
        let error = Writer::default().finish(&all.join("of/this.one/inside")).unwrap_err();
        assert!(error.to_string().contains("inside"), "{error}");
        fs::remove_dir_all(&all).unwrap();
        assert!(is_there(Path::new("")) && folder_of(Path::new("name")) == Path::new("."));
    }

    #[test]
    fn a_file_that_has_changed_anywhere_is_refused_or_holds_what_it_did() {
        let path = std::env::temp_dir().join(format!("lstm-archive-{}", std::process::id()));
        let mut writer = Writer::default();
        writer.add("a".to_owned(), &[2, 2], &[1.0f32, -2.5, f32::NAN, 0.0]);
        writer.add("b".to_owned(), &[1], &[0.1f64]);
        writer.describe("what", "a test".to_owned());
        writer.finish(&path).unwrap();
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.tensor::<f32>("a").unwrap().data()[..2], [1.0, -2.5]);
        assert!(reader.tensor::<f64>("a").unwrap().data()[2].is_nan());
        assert_eq!(reader.tensor::<f64>("b").unwrap(), Tensor::from([0.1]));
        assert_eq!(reader.description("what"), Some("a test"));

        let whole = fs::read(&path).unwrap();
        // A flip in the key of the checksum makes it a file without: nothing else has changed.
        let holds = |reader: &Reader| {
            let bits = |it: Tensor<f32>| it.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let (a, b) = (reader.tensor("a").map(bits), reader.tensor("b").map(bits));
            (a, b, reader.description("what").map(str::to_owned))
        };
        let want = holds(&reader);
        let holds_something_else = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            Reader::open(&path).is_ok_and(|it| it.names().eq(["a", "b"]) && holds(&it) != want)
        };
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!holds_something_else(&bytes), "bit {bit} of {}", 8 * whole.len());
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(Reader::open(&path).is_err(), "{length} bytes");
        }
        fs::remove_file(&path).unwrap();
    }
}
