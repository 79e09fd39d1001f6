//! Colours, where the output is a terminal that wants them.

use std::io::IsTerminal as _;

/// How text is emphasized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    coloured: bool,
}

impl Style {
    /// Plain text.
    pub const PLAIN: Style = Style { coloured: false };
    /// Text with escape sequences.
    pub const COLOURED: Style = Style { coloured: true };

    /// What suits the standard output: colours on a terminal, unless `NO_COLOR` is set
    /// (<https://no-color.org>) or the terminal is a dumb one.
    pub fn of_stdout() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Style { coloured: std::io::stdout().is_terminal() && !no_color && !dumb }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self.coloured {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    /// A heading.
    pub fn heading(self, text: &str) -> String {
        self.paint("1;36", text)
    }

    /// What a reader looks for.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What a reader may skip.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Good news.
    pub fn good(self, text: &str) -> String {
        self.paint("1;32", text)
    }

    /// Bad news.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }
}
