//! Text that never grows beyond a number of bytes, and says what it left out.

/// Room for the line that counts what was left out.
const NOTE: usize = 96;

pub(super) struct Bounded {
    text: String,
    limit: usize,
}

impl Bounded {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            text: String::new(),
            limit,
        }
    }

    /// Text that is known to be short.
    pub(super) fn always(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A table with as many of its rows as there is room for. Where there is none for the table itself,
    /// only the number of its rows is told; where there is none for that, nothing is.
    pub(super) fn table(&mut self, head: &str, tail: &str, rows: impl Iterator<Item = String>) {
        let end = self.limit.saturating_sub(tail.len() + NOTE);
        let begun = self.text.len() + head.len() <= end;
        if begun {
            self.text.push_str(head);
        }
        let mut left = 0_usize;
        for row in rows {
            // The first row without room is the last that is tried: what is shown is the beginning.
            if begun && left == 0 && self.text.len() + row.len() <= end {
                self.text.push_str(&row);
            } else {
                left += 1;
            }
        }
        if left > 0 {
            let note = format!("\nand {left} more that have no room here: see run.json\n");
            if self.text.len() + note.len() + tail.len() <= self.limit {
                self.text.push_str(&note);
            }
        }
        if begun {
            self.text.push_str(tail);
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}
