//! Colours, or none.

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// With ANSI colours.
    pub colour: bool,
}

impl Style {
    fn wrap(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
    /// What matters.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }
    /// What matters less.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }
    /// What goes or failed.
    pub fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }
    /// What comes or went well.
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }
    /// What changes, and warnings.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }
    /// Help.
    pub fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }
}
