//! The machine that runs this.

/// The CPU's name where the system tells, else its architecture.
pub fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "model name").then(|| value.trim().to_owned())
    });
    match name {
        Some(name) => format!("{name} ({})", std::env::consts::ARCH),
        None => std::env::consts::ARCH.to_owned(),
    }
}
