//! A program that writes a table of results, and the expected table.
//!
//! The results go to the section `.data.out`, whose map is compared with the model's and with the
//! table: one row per operands, one column per operation. The operands are in the context, one run
//! for each, so the verifier does not know them.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::Case;
use crate::builder::{Accepted, accepts, ctx_u64s};
use crate::case::Words;

/// Collects results. Stores go through r8, which only the sheet changes; r6 is the context.
#[derive(Debug)]
pub(super) struct Sheet {
    name: String,
    about: String,
    columns: Vec<String>,
    body: String,
    tail: String,
    off: i32,
    runs: Vec<Vec<u64>>,
    rows: Vec<String>,
    words: Vec<u64>,
    flags: u32,
    /// Section and packet of a program that runs on a packet.
    packet: Option<(String, Vec<u8>)>,
}

/// Size of a word of the table.
const WORD: i32 = 8;

impl Sheet {
    /// An empty table. `name` is the part after `isa/`.
    pub(super) fn new(name: impl Into<String>, about: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            about: about.into(),
            columns: Vec::new(),
            body: String::new(),
            tail: String::new(),
            off: 0,
            runs: Vec::new(),
            rows: Vec::new(),
            words: Vec::new(),
            flags: 0,
            packet: None,
        }
    }

    /// Flags of `BPF_PROG_LOAD`.
    pub(super) fn flags(mut self, flags: u32) -> Self {
        self.flags = flags;
        self
    }

    /// Makes it a program of this section (`tc`, `socket`), which runs once, on this packet.
    pub(super) fn on_packet(mut self, section: &str, packet: Vec<u8>) -> Self {
        self.packet = Some((section.to_owned(), packet));
        self
    }

    /// Names the next column.
    pub(super) fn column(&mut self, name: impl Into<String>) {
        self.columns.push(name.into());
    }

    /// Appends code, one instruction per line.
    pub(super) fn code(&mut self, lines: impl AsRef<str>) {
        self.body.push_str(lines.as_ref());
        self.body.push('\n');
    }

    /// Appends text after the program: functions and data.
    pub(super) fn behind(&mut self, lines: impl AsRef<str>) {
        self.tail.push_str(lines.as_ref());
        self.tail.push('\n');
    }

    /// Code that writes all 64 bits of a register to the next word.
    pub(super) fn store(&mut self, reg: usize) {
        self.store_as("u64", reg);
    }

    /// Code that writes the low bits of a register, by size, to the next word, whose rest stays 0.
    pub(super) fn store_as(&mut self, size: &str, reg: usize) {
        if self.off > i32::from(i16::MAX) - WORD {
            self.skip();
        }
        let off = self.off;
        self.code(format!("*({size} *)(r8 {off:+}) = r{reg}"));
        self.off += WORD;
    }

    /// Code that makes r8 point to the next word.
    pub(super) fn skip(&mut self) {
        let off = self.off;
        self.code(format!("r8 += {off}"));
        self.off = 0;
    }

    /// Adds a run with these words of the context after the first.
    pub(super) fn run(&mut self, operands: &[u64]) {
        self.runs.push(operands.to_vec());
    }

    /// Adds the next expected row.
    pub(super) fn row(&mut self, name: impl Into<String>, words: impl IntoIterator<Item = u64>) {
        self.rows.push(name.into());
        self.words.extend(words);
    }

    /// The case, which returns 0 in every run.
    pub(super) fn finish(self) -> Accepted {
        let bytes = self.words.len() * WORD as usize;
        let runs = self.runs.len().max(1);
        let mut source = match &self.packet {
            Some((section, _)) => format!(".prog main {section}\n"),
            None => String::new(),
        };
        source.push_str("r6 = r1\nr8 = out ll\n");
        if runs > 1 {
            let stride = bytes / runs;
            let _ = write!(
                source,
                "r7 = *(u64 *)(r1 +0)\nif r7 > {} goto bad\nr7 *= {stride}\nr8 += r7\n",
                runs - 1
            );
        }
        source.push_str(&self.body);
        source.push_str("r0 = 0\nexit\n");
        if runs > 1 {
            source.push_str("bad:\nr0 = 1\nexit\n");
        }
        source.push_str(&self.tail);
        let _ = writeln!(source, ".data out .data.out: zero {bytes}");
        let table = Words { columns: self.columns, rows: self.rows, words: self.words };
        let case = accepts(format!("isa/{}", self.name), self.about, source)
            .flags(self.flags)
            .holds(".data.out", Arc::new(table));
        if let Some((_, packet)) = self.packet {
            return case.run_packet(packet, 0);
        }
        let runs = if self.runs.is_empty() { vec![Vec::new()] } else { self.runs };
        (0..).zip(runs).fold(case, |case, (number, operands)| {
            let mut ctx = vec![number];
            ctx.extend(operands);
            case.run(ctx_u64s(&ctx), 0)
        })
    }
}

impl From<Sheet> for Case {
    fn from(sheet: Sheet) -> Self {
        sheet.finish().into()
    }
}

/// `.data NAME SECTION:` with words.
pub(super) fn data(name: &str, section: &str, words: impl IntoIterator<Item = u64>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("{word:#x}")).collect();
    format!(".data {name} {section}: {}", words.join(", "))
}
