//! Who else there is, and how each is started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that speaks the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name on the board.
    pub name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
}

/// Scripts in Python: a name, the script, and what it is told.
const SCRIPTS: [(&str, &str, &[&str]); 6] = [
    ("torch", "torch_peer.py", &[]),
    ("jax", "jax_peer.py", &[]),
    ("onnxruntime", "onnxruntime_peer.py", &[]),
    ("openvino", "openvino_peer.py", &[]),
    ("keras", "keras_peer.py", &[]),
    ("keras-xla", "keras_peer.py", &["xla"]),
];

/// Programs in Rust and C++.
const PROGRAMS: [&str; 7] =
    ["candle", "burn", "rustyml", "tract", "rten", "rtneural-eigen", "rtneural-xsimd"];

impl Peer {
    /// Those that this workspace knows, as they are if installed in `folder`.
    pub fn known(folder: &Path) -> Vec<Peer> {
        let bin = folder.join("bin");
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let scripts = SCRIPTS.map(|(name, script, words)| Peer {
            name: name.to_owned(),
            program: bin.join("python"),
            arguments: [scripts.join(script).into_os_string()]
                .into_iter()
                .chain(words.iter().map(OsString::from))
                .collect(),
        });
        let programs = PROGRAMS.map(|name| Peer {
            name: name.to_owned(),
            program: bin.join(format!("race-{name}{}", std::env::consts::EXE_SUFFIX)),
            arguments: Vec::new(),
        });
        scripts.into_iter().chain(programs).collect()
    }

    /// Another one, from `name=program and its arguments`.
    ///
    /// # Errors
    ///
    /// If it is not of that form.
    pub fn parse(text: &str) -> Result<Peer, String> {
        let (name, command) = text.split_once('=').unwrap_or_default();
        let mut words = command.split_whitespace().map(str::to_owned);
        match words.next() {
            Some(program) if !name.is_empty() => Ok(Peer {
                name: name.to_owned(),
                program: program.into(),
                arguments: words.map(OsString::from).collect(),
            }),
            _ => Err("expected NAME=PROGRAM and its arguments".to_owned()),
        }
    }

    /// Its command line.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_peer_has_a_name_of_its_own_and_a_script_that_is_here() {
        let peers = Peer::known(Path::new("x"));
        for (i, peer) in peers.iter().enumerate() {
            assert!(peers[..i].iter().all(|other| other.name != peer.name), "{}", peer.name);
            if let Some(script) = peer.arguments.first() {
                assert!(Path::new(script).exists(), "{script:?}");
            }
        }
    }

    #[test]
    fn another_peer_is_a_name_and_a_command() {
        let peer = Peer::parse("a=b c d").map(|peer| (peer.name, peer.arguments.len()));
        assert_eq!(peer, Ok(("a".to_owned(), 2)));
        for wrong in ["", "a", "a=", "=b", "a= "] {
            assert!(Peer::parse(wrong).is_err(), "{wrong}");
        }
    }
}
