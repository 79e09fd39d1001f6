//! The main job.

use std::io::Write;

use harness::report::CHAPTERS;
use harness::style::Style;

use super::Outcome;

pub(crate) fn run(out: &mut impl Write) -> Outcome {
    let style = Style::of_stdout();
    let mut passed = true;
    for chapter in CHAPTERS {
        let section = chapter(style)?;
        out.write_all(section.text.as_bytes())?;
        out.flush()?;
        passed &= section.passed;
    }
    Ok(passed)
}
